"""Lines of imports that were refused: their numbers and the codes of what was wrong with them, and nothing of a person.

Whoever sent the file has the lines. One document for each transaction that brought lines in, `_id` `<import>:<line>`,
so that those of an import lie together in the order of the lines.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from gql_server.database import Reads, Transaction

COLLECTION = "import_refusals"
KEPT = timedelta(days=8)
"""A day longer than the import is, after which nobody asks for them."""
DIGITS = 10
"""Of a line's number in an id."""


async def add(
    tx: Transaction,
    workspace: str,
    import_: str,
    refused: Sequence[tuple[int, str]],
    *,
    at: datetime,
) -> None:
    """Keep which lines were refused, and by which codes; at least one, in their order."""
    row = {
        "_id": f"{import_}:{refused[0][0]:0{DIGITS}}",
        "workspace": workspace,
        "at": at,
        "lines": [list(one) for one in refused],
    }
    await tx.insert(COLLECTION, [row])


async def of_import(
    reads: Reads, workspace: str, import_: str
) -> AsyncIterator[list[tuple[int, str]]]:
    """The refused lines of an import, in their order, in batches."""
    after = f"{import_}:"
    while True:
        rows = await reads.find(
            COLLECTION,
            # ";" follows ":": those of this import, of no other
            {"_id": {"$gt": after, "$lt": f"{import_};"}, "workspace": workspace},
            sort=[("_id", 1)],
            limit=10,
            hint="_id_",
        )
        if not rows:
            return
        for row in rows:
            yield [(line, code) for line, code in row["lines"]]
        after = rows[-1]["_id"]


INDEXES: Sequence[tuple[str, Sequence[tuple[str, int]], dict[str, Any]]] = (
    ("expiry", [("at", 1)], {"expireAfterSeconds": int(KEPT.total_seconds())}),
)
