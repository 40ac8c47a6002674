"""People: one document for each number of a workspace of which more is known than its messages.

It holds the contact, if it is one, and what speaks against writing to it (`domain/person.py`), so that a receipt, an
opt-out, an import and a hand that concern one number meet at one document, and none of them can miss another. Beside
that stands what follows from it, for the lists: whether a contact is active or removed, and since when it is on the
blacklist.
"""

import secrets
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pymongo import DeleteOne, UpdateOne

from gql_server.database import Database, Document, Reads, Transaction
from gql_server.domain.person import Happening, Kind, News, Person, Track, happenings, with_news
from gql_server.store.people_rows import (
    ACTIVE,
    REMOVED,
    SEARCHED,
    Card,
    Known,
    change_of,
    kept_of,
    known_of,
    row_of,
)
from gql_server.store.walk import FIRST_TIME

__all__ = ["ACTIVE", "REMOVED", "Card", "Known", "known_of"]

COLLECTION = "people"

_KNOWN = ("workspace", "number", "failures", "optOuts", "contact", "list", "heard")

MOST_HEARD = 20
"""Of a number, what was heard without a time of its own, by what it is known by: repeats of it say nothing."""


async def known(reads: Reads, workspace: str, numbers: Collection[str]) -> dict[str, Known]:
    """What is known of these numbers, by number."""
    rows = await _rows(reads, workspace, numbers)
    return {number: known_of(row) for number, row in rows.items()}


async def _rows(reads: Reads, workspace: str, numbers: Collection[str]) -> dict[str, Document]:
    if not numbers:
        return {}
    rows = await reads.find(
        COLLECTION,
        {"workspace": workspace, "number": {"$in": list(numbers)}},
        fields=_KNOWN,
        hint="number",
    )
    return {row["number"]: row for row in rows}


async def one(reads: Reads, workspace: str, person: str) -> Known | None:
    """What is known under this id; None where the workspace has none."""
    row = await reads.find_one(COLLECTION, {"_id": person, "workspace": workspace}, fields=_KNOWN)
    return known_of(row) if row is not None else None


@dataclass(slots=True)
class Heard:
    """Of which numbers something is another now, which of them are new here, and what became of them."""

    changed: set[str] = field(default_factory=set)
    new: set[str] = field(default_factory=set)
    happened: Counter[Happening] = field(default_factory=Counter)


async def hear(tx: Transaction, workspace: str, news: Mapping[str, Sequence[News]]) -> Heard:
    """Keep what was heard of these numbers.

    Whether a number works is kept of contacts alone; that its owner opted out, or in again, of every number.
    """
    there = await _rows(tx, workspace, news.keys())
    result = Heard()
    new: list[Document] = []
    updates: list[tuple[str, Document]] = []
    for number, heard in news.items():
        row = there.get(number)
        if row is None and all(one.kind not in _OF_EVERYBODY for one in heard):
            continue  # most receipts, where there is no address book
        if row is not None and (update := _still_works(row, heard)) is not None:
            updates += update
            continue
        told = row.get("heard", []) if row is not None else []
        heard_now = [one for one in heard if one.id is None or one.id not in told]
        before = known_of(row) if row is not None else None
        card = before.card if before is not None else None
        person = before.person if before is not None else Person()
        after = with_news(
            person, [n for n in heard_now if card is not None or n.kind in _OF_EVERYBODY]
        )
        if after == person:
            continue
        result.changed.add(number)
        result.happened.update(happenings(person, after, is_contact=card is not None))
        if before is None:
            result.new.add(number)
            new.append(row_of(workspace, number, None, after))
            of_it = new[-1]
        else:
            updates.append((before.id, change_of(card, person, after)))
            of_it = updates[-1][1]["$set"]
        if names := [one.id for one in heard_now if one.id is not None]:
            of_it["heard"] = [*told, *names][-MOST_HEARD:]
    await tx.insert(COLLECTION, new)
    await tx.update_by_id(COLLECTION, updates)
    return result


def _still_works(row: Document, heard: Sequence[News]) -> list[tuple[str, Document]] | None:
    """The update of a contact that nothing speaks against, and that was heard to work; None where it is anything else.

    It is what `with_news` says, for nine of ten receipts that say anything of a number, in a tenth of the time.
    """
    failures = row.get("failures")
    if "contact" not in row or (failures is not None and failures["marks"]):
        return None
    if any(one.kind is not Kind.WORKS for one in heard):
        return None
    at = max(one.mark.at for one in heard)
    if failures is not None and failures["clearedAt"] is not None and failures["clearedAt"] >= at:
        return []
    return [(row["_id"], {"$set": {"failures": {"marks": [], "clearedAt": at}}})]


_OF_EVERYBODY = frozenset({Kind.OPTED_OUT, Kind.OPTED_IN})


async def put(
    tx: Transaction, workspace: str, cards: Mapping[str, Card], there: Mapping[str, Known]
) -> None:
    """Write these contacts, by number; `there` is what was known of them when the transaction looked."""
    new: list[Document] = []
    updates: list[tuple[str, Document]] = []
    for number, card in cards.items():
        before = there.get(number)
        if before is None:
            new.append(row_of(workspace, number, card, Person()))
        else:
            update = {"$set": kept_of(card, before.person)}
            if gone := [name for name in SEARCHED if name not in update["$set"]]:
                update["$unset"] = dict.fromkeys(gone, "")
            updates.append((before.id, update))
    await tx.insert(COLLECTION, new)
    await tx.update_by_id(COLLECTION, updates)


async def take_out(tx: Transaction, known: Known) -> None:
    """Make a number a contact no more. What its owner asked for stays: it was not asked of the address book."""
    if known.person.opt_outs == Track():
        await tx.write(COLLECTION, [DeleteOne({"_id": known.id})])
        return
    gone = dict.fromkeys(("contact", "failures", "list", "listedAt", "removed", *SEARCHED), "")
    await tx.write(COLLECTION, [UpdateOne({"_id": known.id}, {"$unset": gone})])


async def hold(db: Database, workspace: str, number: str) -> None:
    """Let whoever makes something of this number, and has not seen its tombstone, begin anew; until it is forgotten.

    Under snapshot isolation who looked for a tombstone before there was one would else write the number down when it is
    forgotten already. By the unique index all of them meet here.
    """
    with db.translated():
        await db.collection(COLLECTION).update_one(
            {"workspace": workspace, "number": number},
            {"$setOnInsert": {"_id": secrets.token_hex(12)}, "$inc": {"held": 1}},
            upsert=True,
        )


async def forget(db: Database, workspace: str, number: str) -> Known | None:
    """Forget a number, for nothing of it shall be kept; what was known of it, None where nothing was."""
    with db.translated():
        gone = await db.collection(COLLECTION).find_one_and_delete(
            {"workspace": workspace, "number": number}
        )
    return None if gone is None else known_of(gone)


# Text and times, whatever they are: what is absent is in none of these.
_TEXT = {"$gte": ""}
_TIME = {"$gt": FIRST_TIME}
_CONTACTS = {"partialFilterExpression": {"list": _TEXT}}
_BLACKLISTED = {"partialFilterExpression": {"blacklisted.at": _TIME}}

INDEXES: Sequence[tuple[str, Sequence[tuple[str, int]], dict[str, Any]]] = (
    ("number", [("workspace", 1), ("number", 1)], {"unique": True}),
    ("list", [("workspace", 1), ("list", 1), ("listedAt", 1), ("_id", 1)], _CONTACTS),
    ("list_number", [("workspace", 1), ("list", 1), ("number", 1)], _CONTACTS),
    ("list_reversed", [("workspace", 1), ("list", 1), ("reversed", 1)], _CONTACTS),
    (
        "list_name",
        [("workspace", 1), ("list", 1), ("folded", 1), ("_id", 1)],
        {"partialFilterExpression": {"list": _TEXT, "folded": _TEXT}},
    ),
    (
        "list_group",
        [("workspace", 1), ("list", 1), ("groups", 1), ("listedAt", 1), ("_id", 1)],
        {"partialFilterExpression": {"list": _TEXT, "groups": _TEXT}},
    ),
    (
        "removed_by",
        [("workspace", 1), ("removed.campaign", 1), ("removed.at", 1), ("_id", 1)],
        {"partialFilterExpression": {"removed.campaign": _TEXT}},
    ),
    ("blacklist", [("workspace", 1), ("blacklisted.at", 1), ("_id", 1)], _BLACKLISTED),
    # Behind the number, so that none of them is the unique one's like.
    (
        "blacklist_number",
        [("workspace", 1), ("number", 1), ("blacklisted.at", 1)],
        _BLACKLISTED,
    ),
    (
        "blacklist_reversed",
        [("workspace", 1), ("reversed", 1), ("blacklisted.at", 1)],
        _BLACKLISTED,
    ),
    (
        "blacklisted_by",
        [("workspace", 1), ("blacklisted.campaign", 1), ("blacklisted.at", 1), ("_id", 1)],
        {"partialFilterExpression": {"blacklisted.campaign": _TEXT}},
    ),
)
