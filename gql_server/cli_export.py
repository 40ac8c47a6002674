"""The command `gql-server export`: a report, the address book or the blacklist, as a file."""

import contextlib
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any, Final

import typer

from gql_server.audit import Audit
from gql_server.auth import Viewer
from gql_server.cli_database import AsJson, Workspace, checked, progress_bar, quietly
from gql_server.cli_run import refused, say
from gql_server.clock import utc_now
from gql_server.database import Database, Snapshot
from gql_server.domain import ids
from gql_server.domain.status import DeliveryIndicator, DeliveryStatus
from gql_server.errors import PublicError, SnapshotTooOld
from gql_server.exports import FORMS, pieces, writer_of
from gql_server.offered import condition_of
from gql_server.people_tables import OF_NO_CAMPAIGN, blacklist_table, contacts_table
from gql_server.report_table import report_table
from gql_server.store.audit import COMMAND, Action
from gql_server.store.contacts import ContactCondition
from gql_server.tables import Table

PEOPLE: Final = ("contacts", "removed", "blacklist")
"""What is of a workspace, and of no campaign."""

What = Annotated[
    str, typer.Argument(metavar="WHAT", help=f"A campaign's id, or {', '.join(PEOPLE)}.")
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output", "-o", help="The file; - writes to standard output.  [default: by what it holds]"
    ),
]
Search = Annotated[str | None, typer.Option(help="As MessageFilter.search; - reads it.")]


@dataclass(frozen=True, slots=True)
class _Made:
    rows: int
    table: Table[Any]
    file: str


def export_command(
    what: What,
    workspace: Workspace,
    output: Output = None,
    form: Annotated[
        str | None,
        typer.Option("--format", help=f"{', '.join(FORMS)}.  [default: by --output, else csv]"),
    ] = None,
    gzip: Annotated[bool, typer.Option("--gzip", help="Pack it; so does --output X.gz.")] = False,
    masked: Annotated[
        bool, typer.Option("--masked", help="Mask the numbers, and leave names out.")
    ] = False,
    status: Annotated[list[DeliveryStatus] | None, typer.Option(help="Any of these.")] = None,
    indicator: Annotated[list[DeliveryIndicator] | None, typer.Option(help="Any of these.")] = None,
    search: Search = None,
    country: Annotated[str | None, typer.Option(help="Such as FR.")] = None,
    error_code: Annotated[str | None, typer.Option(help="The provider's own.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a campaign's report, the address book, the removed contacts or the blacklist into a file.

    All of it is of one point in time. The file gets its name when it is whole, and nobody else may read it; numbers in
    clear are noted in the audit trail.
    """
    checked(workspace)
    ending, gzipped = _form_of(form, output, gzip)
    filters = (status, indicator, search, country, error_code)
    if what in PEOPLE and any(one is not None for one in filters):
        raise refused("Only a campaign's report takes a filter.")
    searched = sys.stdin.readline().strip() if search == "-" else search
    viewer = Viewer(
        workspace, frozenset({"reports:read"} | (set() if masked else {"contacts:read"})), COMMAND
    )

    async def table_of(at: Snapshot, audit: Audit) -> Table[Any]:
        campaign = ids.read_campaign(what) or what

        async def note(count: int) -> None:
            subject = OF_NO_CAMPAIGN if what in PEOPLE else campaign
            await audit.saw(viewer, {subject: count}, Action.CONTACTS_EXPORTED)

        if what == "blacklist":
            return await blacklist_table(at, viewer, note)
        if what in PEOPLE:
            return await contacts_table(at, viewer, ContactCondition(what == "removed"), note)
        condition = condition_of(
            viewer,
            statuses=status,
            indicators=indicator,
            search=searched,
            country=country,
            error_code=error_code,
        )
        return await report_table(at, viewer, campaign, condition, note)

    try:
        made: _Made = quietly(lambda db: _export(db, table_of, ending, gzipped, output))
    except PublicError as error:
        raise refused(error.message) from None
    _tell(made, as_json=as_json, beside=output == "-")


def _form_of(form: str | None, output: str | None, gzipped: bool) -> tuple[str, bool]:
    """The ending by which the form goes, and whether it is packed."""
    name = output or ""
    if name.endswith(".gz"):
        name, gzipped = name.removesuffix(".gz"), True
    ending = form or name.rpartition(".")[2]
    if form is None and ending not in FORMS:
        ending = "csv"
    if ending not in FORMS:
        raise refused(f"There is no such format; there are {', '.join(FORMS)}.")
    if gzipped and FORMS[ending].packed:
        raise refused(f"A file .{ending} is packed already: leave gzip out.")
    return ending, gzipped


async def _export(
    db: Database,
    table_of: Callable[[Snapshot, Audit], Awaitable[Table[Any]]],
    ending: str,
    gzipped: bool,
    output: str | None,
) -> _Made:
    audit = Audit(db, clock=utc_now)
    rows = 0
    try:
        async with db.snapshot() as at:
            table = await table_of(at, audit)
            name = output or f"{table.name}.{ending}{'.gz' if gzipped else ''}"
            with progress_bar() as progress, _opened(name) as file:
                task = progress.add_task("rows", total=table.total)

                def told(count: int) -> None:
                    nonlocal rows
                    rows += count
                    progress.advance(task, count)

                async for piece in pieces(
                    table, writer_of(FORMS[ending], table, gzipped=gzipped), told
                ):
                    file.write(piece)
    except SnapshotTooOld as error:
        raise SnapshotTooOld(
            f"{error}: set minSnapshotHistoryWindowInSeconds of MongoDB higher, or choose fewer rows"
        ) from None
    finally:
        await audit.close()
    return _Made(rows, table, name)


@contextlib.contextmanager
def _opened(name: str) -> Iterator[IO[bytes]]:
    """The file, under another name until it is whole."""
    if name == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(name)
    part = path.with_name(f"{path.name}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            yield file
            file.flush()
            os.fsync(descriptor)
        part.replace(path)
    except OSError as error:
        raise refused(f"The file cannot be written: {error.strerror}.") from None
    finally:
        part.unlink(missing_ok=True)


def _tell(made: _Made, *, as_json: bool, beside: bool) -> None:
    about = made.table.about
    if as_json:
        shown = {
            "file": made.file,
            "rows": made.rows,
            "revision": int(about["Export-Revision"]) if about else None,
            "asOf": about.get("Export-As-Of"),
        }
        typer.echo(json.dumps(shown), err=beside)
        return
    of_when = f", as of {about['Export-As-Of']}" if about else ""
    if beside:
        say(f"{made.rows:,} rows{of_when}")
    else:
        typer.echo(f"{made.rows:,} rows in {made.file}{of_when}.")
