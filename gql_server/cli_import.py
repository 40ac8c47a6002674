"""The command `gql-server import`: a file of recipients, contacts or opt-outs comes in, with its progress shown."""

import asyncio
import csv
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from gql_server.cli_database import committing, quietly
from gql_server.cli_run import refused, say, settings_of
from gql_server.clock import utc_now
from gql_server.database import Database
from gql_server.decoding import named
from gql_server.destinations import Blacklist, Contacts, Destination, Recipients
from gql_server.domain import ids
from gql_server.domain.columns import Column
from gql_server.domain.imports import BLACKLISTED, REASONS, Counts, Import
from gql_server.errors import FileRefused, ImportInProgress, PublicError
from gql_server.files import FileReader, Format, Options
from gql_server.imports import Asked, Imports
from gql_server.ingestion import Ingestion
from gql_server.numbers import is_country
from gql_server.parking import Parking
from gql_server.people import People
from gql_server.registration import Registration
from gql_server.store import audit, campaigns, import_refusals, installation, workspaces
from gql_server.store.imports import SILENT_AFTER
from gql_server.tables import defused
from gql_server.tabular import delimiter_of

BOM = "\ufeff"
"""Without it a spreadsheet shows what has an accent as rubbish."""
PIECE = 256 * 1024
"""Bytes that are read at once."""
AGAIN = 1.0
"""Seconds between two looks at whether the one who was at it before is gone."""
NDJSON = (".ndjson", ".jsonl")


def import_command(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            readable=True,
            help="CSV or NDJSON (.ndjson, .jsonl), also packed by gzip.",
        ),
    ],
    campaign: Annotated[
        str | None, typer.Option(help="The campaign whose recipients they are, by its id.")
    ] = None,
    workspace: Annotated[
        str | None, typer.Option(help="Instead: the workspace whose contacts they are.")
    ] = None,
    blacklist: Annotated[
        bool,
        typer.Option("--blacklist", help="With --workspace: put the numbers on its blacklist."),
    ] = False,
    country: Annotated[
        str | None,
        typer.Option(
            help="Whose numbers may be written without their country code, such as FR.  [default: the workspace's]"
        ),
    ] = None,
    number: Annotated[
        str | None, typer.Option(help="The column of the numbers, by its title or its place.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The column of the names, by its title or its place.")
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(help="What stands between the cells, such as ; or tab.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Such as windows-1250.")] = None,
    header: Annotated[
        bool | None,
        typer.Option("--header/--no-header", help="Whether the first row is titles."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Bring the people of a file in: recipients of a campaign, contacts of a workspace, or its blacklist.

    Safe beside running servers. Where it is cut off, run the same command again: it goes on where it was. Lines that
    are refused are written to FILE.refused.csv, with the reason. What is not given is found out.
    """
    if (campaign is None) == (workspace is None):
        raise refused("Whose? Give --campaign, or --workspace for contacts.")
    if blacklist and workspace is None:
        raise refused("Whose blacklist? Give --workspace.")
    if country is not None and not is_country(country.upper()):
        raise refused("--country takes a code of two letters, such as FR.")
    try:
        options = Options(
            format=_format(file),
            encoding=None if encoding is None else named(encoding),
            delimiter=None if delimiter is None else delimiter_of(delimiter),
            titled=header,
            columns={
                column: title
                for column, title in ((Column.NUMBER, number), (Column.NAME, name))
                if title
            },
        )
    except FileRefused as error:
        raise refused(error.message) from None
    wanted = _Wanted(file, campaign, workspace, country and country.upper(), options, blacklist)
    began = time.monotonic()
    try:
        done, beside = quietly(wanted.bring_in)
    except PublicError as error:
        raise refused(error.message) from None
    seconds = max(time.monotonic() - began, 0.001)
    counts: Counts = done.counts
    if as_json:
        typer.echo(json.dumps(_shown(done, beside)))
        return
    typer.echo(f"{_words(counts)}, of {counts.rows:,} rows in {seconds:,.0f} s.")
    for code, count in sorted(counts.refused.items()):
        typer.echo(f"{count:>9,}  {code}  {REASONS.get(code, '')}")
    if beside is not None:
        say(f"the lines that were refused are in {beside}")


def _format(file: Path) -> Format | None:
    ending = file.with_suffix("").suffix if file.suffix == ".gz" else file.suffix
    return Format.NDJSON if ending.lower() in NDJSON else None


def _words(counts: Counts) -> str:
    done = [f"{counts.done.get('added', 0):,} added"]
    done += [f"{count:,} {what}" for what, count in counts.done.items() if what != "added"]
    return ", ".join([*done, f"{sum(counts.refused.values()):,} refused"])


def _shown(done: Import, beside: Path | None) -> dict[str, Any]:
    return {
        "id": done.id,
        "state": done.state.value,
        "lines": done.lines,
        "rows": done.counts.rows,
        "added": 0,
        **done.counts.done,
        "refused": dict(sorted(done.counts.refused.items())),
        "refusedFile": None if beside is None else str(beside),
    }


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the command was given."""

    file: Path
    campaign: str | None
    workspace: str | None
    country: str | None
    options: Options
    blacklist: bool

    async def bring_in(self, db: Database) -> tuple[Import, Path | None]:
        """Bring it in; how it is then, and the file of those that were refused, if any were."""
        async with committing(db) as committer:
            ingestion = Ingestion(db, committer, clock=utc_now)
            parking = Parking(db, ingestion, clock=utc_now, per_source=10**6)
            registration = Registration(db, committer, ingestion, parking, clock=utc_now)
            ingestion.start()
            try:
                workspace, into = await self._into(db, registration)
                done = await self._take(db, workspace, into)
            finally:
                await ingestion.close()
        if not done.counts.refused:
            return done, None
        beside = self.file.with_name(f"{self.file.name}.refused.csv")
        with _private(beside) as out:
            await _write(db, done, self.file, self.options, out)
        return done, beside

    async def _into(self, db: Database, registration: Registration) -> tuple[str, Destination]:
        if self.campaign is not None:
            chosen = ids.read_campaign(self.campaign) or self.campaign
            found = (await campaigns.some(db.latest, [chosen])).get(chosen)
            if found is None:
                raise PublicError("There is no campaign of this id.")
            country = await self._country(db, found.workspace)
            return found.workspace, Recipients(registration, found.workspace, found.id, country)
        workspace = self.workspace or ""
        if await workspaces.one(db.latest, workspace) is None:
            raise PublicError(
                "There is no workspace of this name; the first key or source makes it."
            )
        people = People(db, clock=utc_now)
        into = Blacklist if self.blacklist else Contacts
        return workspace, into(db, people, workspace, await self._country(db, workspace))

    async def _country(self, db: Database, workspace: str) -> str | None:
        found = await workspaces.one(db.latest, workspace)
        return self.country or (found.default_country if found is not None else None)

    async def _take(self, db: Database, workspace: str, into: Destination) -> Import:
        imports = Imports(
            db,
            (await installation.load(db)).secret,
            clock=utc_now,
            most_lines=settings_of().most_import_lines,
            most_at_once=1,
        )
        digest = await asyncio.to_thread(_digest, self.file)
        key = f"file {digest} {into.into} {self.country} {self.options.words()}"
        asked = Asked(workspace, audit.COMMAND, key, self.options)
        patience = time.monotonic() + 2 * SILENT_AFTER
        while True:
            async with _progress(self.file) as shown:
                try:
                    return await imports.take(asked, into, shown.source(), told=shown.told)
                except ImportInProgress:
                    # Whoever was killed at it is taken to be there for a while.
                    if time.monotonic() > patience:
                        raise PublicError("Somebody else brings this file in already.") from None
            await asyncio.sleep(AGAIN)


class _Shown:
    """The progress, in bytes of the file, with lines a second."""

    def __init__(self, progress: Progress, file: Path) -> None:
        self._progress = progress
        self._file = file
        self._task = progress.add_task("import", total=file.stat().st_size, rate="")
        self._began = time.monotonic()
        self._first: int | None = None

    async def source(self) -> AsyncIterator[bytes]:
        """The file."""
        with self._file.open("rb") as file:
            while piece := await asyncio.to_thread(file.read, PIECE):
                yield piece
                self._progress.advance(self._task, len(piece))

    def told(self, lines: int, counts: Counts) -> None:
        """So many lines are in."""
        if self._first is None:
            self._first, self._began = lines, time.monotonic()
            return
        rate = (lines - self._first) / max(time.monotonic() - self._began, 0.001)
        refused_ = sum(counts.refused.values())
        self._progress.update(
            self._task, rate=f"{lines:,} lines, {rate:,.0f}/s, {refused_:,} refused"
        )


@asynccontextmanager
async def _progress(file: Path) -> AsyncIterator[_Shown]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Shown(progress, file)


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@contextmanager
def _private(path: Path) -> Iterator[TextIO]:
    """A file that nobody else can read: lines of people are written to it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as out:
        os.fchmod(descriptor, 0o600)
        yield out


async def _write(db: Database, done: Import, file: Path, options: Options, out: TextIO) -> None:
    """The refused lines, as they stand in the file, each with what was wrong with it."""
    out.write(BOM)
    writer = csv.writer(out)
    writer.writerow(("line", "code", "reason", "text"))
    texts = _texts(file, options)
    async for lines in import_refusals.of_import(db.latest, done.workspace, done.id):
        for line, code in lines:
            if code != BLACKLISTED:
                text = next((text for number, text in texts if number == line), None)
                writer.writerow((line, code, REASONS.get(code, ""), defused(text or "")))


def _texts(file: Path, options: Options) -> Iterator[tuple[int, str | None]]:
    """The lines of the file, with their numbers; None for one that is too long."""
    reader = FileReader.verbatim(options)
    with file.open("rb") as content:
        while not reader.ended:
            block = reader.take()
            if block is not None:
                yield from ((row.line, row.values[0]) for row in block.rows)
            elif piece := content.read(PIECE):
                reader.feed(piece)
            else:
                reader.end()
