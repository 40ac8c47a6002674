"""Whether anything is kept of a number: every document of every collection by its text, and every log of a run."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from gql_server.database import Database


async def collections(db: Database) -> set[str]:
    """The names of all collections."""
    names = await db.collection("campaigns").database.list_collection_names()
    return {name for name in names if not name.startswith("system.")}


async def kept_of(db: Database, *marks: str, but: Collection[str] = ()) -> dict[str, list[Any]]:
    """The ids of the documents in which any of these stands, as it is or read from its end, by collection.

    A number is to be given by its digits: a mark is searched in all keys and values, whatever they are.
    """
    wanted = set(marks) | {mark[::-1] for mark in marks}
    found: dict[str, list[Any]] = {}
    for name in sorted(await collections(db) - set(but)):
        async for row in db.collection(name).find({}):
            text = "\n".join(_texts(row))
            if any(mark in text for mark in wanted):
                found.setdefault(name, []).append(row["_id"])
    return found


def _texts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [text for pair in value.items() for part in pair for text in _texts(part)]
    if isinstance(value, (list, tuple)):
        return [text for part in value for text in _texts(part)]
    if isinstance(value, bytes):
        return [value.decode("latin-1")]
    return [str(value)]


_OF_TESTS = re.compile(
    rb"(?<![0-9A-Za-z])(?:00)?(?:33[67]\d{8}|0[67]\d{8}|4915\d{8,9}|1202555\d{4}|447[79]\d{8})(?![0-9A-Za-z])"
)
"""The numbers that tests use: of a few ranges, so that nothing else that is counted or timed looks like one."""
LARGEST_LOG = 64 * 1024 * 1024


def logs_with_numbers(folder: Path) -> list[str]:
    """Which logs below a folder (of servers, and of their mongods) hold a number of a test: name and line, no more."""
    found = []
    for path in sorted(folder.rglob("*")):
        if "log" not in path.name or path.is_symlink() or not path.is_file():
            continue
        if path.stat().st_size > LARGEST_LOG or "journal" in path.parts:
            continue
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            if _OF_TESTS.search(line):
                found.append(f"{path.relative_to(folder)}:{number}")
    return found
