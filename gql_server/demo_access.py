"""How to use a running demo: `demo.json` in its data directory, for programs.

It is there exactly while the demo can be used: it comes when the server answers and all recipients are in, and
goes, under another name, when the demo ends.
"""

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from gql_server import auth
from gql_server.database import Database
from gql_server.errors import StartError
from gql_server.store import keys, sources

FILE = "demo.json"
LAST_FILE = "demo.last.json"
"""What the file of a demo that has ended is called, so that nobody takes it for a running one."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to use a running demo: what `demo.json` holds, under these names."""

    url: str
    apiKey: str  # noqa: N815 - a name in JSON
    workspace: str
    campaignId: str  # noqa: N815
    webhookUrl: str  # noqa: N815


async def forget_the_last(db: Database, folder: Path) -> None:
    """Take back what an earlier demo gave out: its key and its source. Its campaigns stay, as history."""
    for path in (folder / FILE, folder / LAST_FILE):
        last = None
        with contextlib.suppress(FileNotFoundError, StartError):
            last = read_access(path)
        if last is not None:
            await keys.remove(db, last.workspace, last.apiKey.split("_")[1])
            token_hash = auth.token_hash(last.webhookUrl.rpartition("/")[2])
            source = await sources.by_token(db.latest, "smsmode", token_hash)
            if source is not None:
                await sources.remove(db, last.workspace, source.id)
        path.unlink(missing_ok=True)


def read_access(path: Path) -> Access:
    """What a demo wrote down.

    :raises StartError: it is no file of a demo.
    :raises FileNotFoundError: there is none.
    """
    try:
        return Access(**json.loads(path.read_bytes()))
    except (ValueError, TypeError):
        raise StartError(f"{path} was not written by gql-server demo") from None


def access_of(
    folder: Path | None,
    *,
    url: str | None,
    key: str | None,
    campaign: str | None,
    webhook: str | None,
) -> Access:
    """What is given, and for the rest what the demo in this folder wrote down.

    :raises StartError: something is missing.
    """
    given = {"url": url, "apiKey": key, "campaignId": campaign, "webhookUrl": webhook}
    known: dict[str, str] = {"workspace": ""}
    if folder is not None:
        try:
            known = asdict(read_access(folder / FILE))
        except OSError:
            raise StartError(f"no demo runs on {folder}: there is no {folder / FILE}") from None
    known |= {name: value for name, value in given.items() if value is not None}
    if not given.keys() <= known.keys():
        raise StartError("give --url, --campaign, --webhook and --key, or --demo of a running demo")
    return Access(**known)


def publish(folder: Path, access: Access) -> None:
    """Write it down for programs, complete or not at all, for this user alone: the key opens everything."""
    written = folder / f"{FILE}.new"
    with open(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        os.fchmod(file.fileno(), 0o600)
        json.dump(asdict(access), file, indent=2)
    written.replace(folder / FILE)


def withdraw(folder: Path) -> None:
    """The demo has ended; what it gave out is remembered, for the next one to take back."""
    with contextlib.suppress(FileNotFoundError):
        (folder / FILE).replace(folder / LAST_FILE)
