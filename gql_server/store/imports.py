"""Imports: how far each file has come in, written in the transactions that bring its people in.

So after whatever cut an import off it is known which line is the next one, and no person comes in twice. Who works on
it is written here as well, by the database's clock; but what that says serves order only: a step forward is a condition
of its transaction, and of two who take the same step one fails.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gql_server.database import Database, Document, Reads, Transaction
from gql_server.domain.imports import Counts, Import, ImportState
from gql_server.store.walk import FIRST_TIME

COLLECTION = "imports"
KEPT = timedelta(days=7)
"""How long an import is kept after it last moved."""
SILENT_AFTER = 15.0
"""Seconds after which whoever works on an import, and has not said so again, is taken to be gone."""


@dataclass(frozen=True, slots=True)
class Claim:
    """An import as it is from now on; `ours`: who asked for it works on it, and nobody else."""

    found: Import
    ours: bool
    #: what its file was said to be
    options: str


async def claim(db: Database, new: Import, options: str, holder: str) -> Claim:
    """Begin this import, or go on with it, where nobody works on it; one that has ended, or is another, stays."""
    first: Document = {
        "workspace": new.workspace,
        "into": new.into,
        "options": options,
        "state": ImportState.RUNNING.value,
        "lines": new.lines,
        "digest": new.digest.hex(),
        "rows": 0,
        "listed": 0,
        "createdAt": new.created_at,
        "changedAt": new.changed_at,
    }
    is_ours: Document = {
        "$and": [
            {"$eq": ["$workspace", {"$literal": new.workspace}]},
            {"$eq": ["$into", {"$literal": new.into}]},
            {"$eq": ["$options", {"$literal": options}]},
            {"$eq": ["$state", ImportState.RUNNING.value]},
            {"$not": [_is_held()]},
        ]
    }
    with db.translated():
        row = await db.collection(COLLECTION).find_one_and_update(
            {"_id": new.id},
            [
                {"$set": {k: {"$ifNull": [f"${k}", {"$literal": v}]} for k, v in first.items()}},
                # one stage: both look at the document as it was
                {
                    "$set": {
                        "holder": {"$cond": [is_ours, holder, "$holder"]},
                        "heldAt": {"$cond": [is_ours, "$$NOW", "$heldAt"]},
                    }
                },
            ],
            upsert=True,
            return_document=True,
        )
    assert row is not None
    ours = row.get("holder") == holder
    return Claim(_import(row, held=True), ours, row["options"])


async def hold(db: Database, workspace: str, import_: str, holder: str) -> bool:
    """Say that one still works on it; False where somebody else does."""
    with db.translated():
        done = await db.collection(COLLECTION).update_one(
            {"_id": import_, "workspace": workspace, "holder": holder},
            {"$currentDate": {"heldAt": True}},
        )
    return done.matched_count == 1


async def release(db: Database, workspace: str, import_: str, holder: str) -> None:
    """Work on it no more."""
    with db.translated():
        await db.collection(COLLECTION).update_one(
            {"_id": import_, "workspace": workspace, "holder": holder},
            {"$unset": {"holder": "", "heldAt": ""}},
        )


async def advance(
    tx: Transaction,
    workspace: str,
    import_: str,
    holder: str,
    *,
    at_line: int,
    lines: int,
    digest: bytes,
    more: Counts,
    at: datetime,
) -> bool:
    """Note that the lines behind `at_line` up to these are in; False where that is another's step, or done."""
    counted = {"rows": more.rows, "listed": more.listed}
    counted |= {f"done.{name}": count for name, count in more.done.items()}
    counted |= {f"refused.{code}": count for code, count in more.refused.items()}
    row = await tx.update_returning(
        COLLECTION,
        {"_id": import_, "workspace": workspace, "holder": holder, "lines": at_line},
        {
            "$set": {"lines": lines, "digest": digest.hex(), "changedAt": at},
            "$inc": counted,
            "$currentDate": {"heldAt": True},
        },
        fields=["_id"],
    )
    return row is not None


async def end(
    db: Database,
    workspace: str,
    import_: str,
    holder: str,
    *,
    at: datetime,
    failure: tuple[str, str] | None = None,
) -> None:
    """Note that nothing more comes in: all is, or the file cannot be read any further."""
    fields: Document = {"changedAt": at, "state": ImportState.DONE.value}
    if failure is not None:
        fields |= {"state": ImportState.FAILED.value, "failure": list(failure)}
    with db.translated():
        await db.collection(COLLECTION).update_one(
            {"_id": import_, "workspace": workspace, "holder": holder},
            {"$set": fields, "$unset": {"holder": "", "heldAt": ""}},
        )


async def one(reads: Reads, workspace: str, import_: str) -> Import | None:
    """The workspace's import; None where it has none of this id."""
    rows = await reads.aggregate(
        COLLECTION,
        [
            {"$match": {"_id": import_, "workspace": workspace}},
            {"$set": {"held": _is_held()}},
        ],
        hint="_id_",
        few=True,
    )
    return _import(rows[0], held=rows[0]["held"]) if rows else None


def _is_held() -> Document:
    since = {"$subtract": ["$$NOW", round(SILENT_AFTER * 1000)]}
    return {"$gt": [{"$ifNull": ["$heldAt", FIRST_TIME]}, since]}


def _import(row: Document, *, held: bool) -> Import:
    state = ImportState(row["state"])
    failure: Sequence[str] | None = row.get("failure")
    return Import(
        id=row["_id"],
        workspace=row["workspace"],
        into=row["into"],
        state=ImportState.INTERRUPTED if state is ImportState.RUNNING and not held else state,
        lines=row["lines"],
        digest=bytes.fromhex(row["digest"]),
        counts=Counts(row["rows"], row.get("done", {}), row.get("refused", {}), row["listed"]),
        created_at=row["createdAt"],
        changed_at=row["changedAt"],
        failure=None if failure is None else (failure[0], failure[1]),
    )


INDEXES: Sequence[tuple[str, Sequence[tuple[str, int]], dict[str, Any]]] = (
    ("expiry", [("changedAt", 1)], {"expireAfterSeconds": int(KEPT.total_seconds())}),
)
