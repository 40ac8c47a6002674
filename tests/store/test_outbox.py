"""What a commit changed is read as it was written."""

from datetime import UTC, datetime

from gql_server.database import Database, Transaction
from gql_server.domain.status import DeliveryStatus as S
from gql_server.store import outbox
from gql_server.store.outbox import Change

NOW = datetime(2026, 11, 23, tzinfo=UTC)


async def test_the_state_that_a_message_left_is_kept_with_its_error_code(db: Database) -> None:
    changes = [
        Change("a", None),
        Change("b", S.SENT),
        Change("c", S.ABSENCE_TEMPORARY_ERROR, "NO_RECEIPT"),
    ]

    async def body(tx: Transaction) -> None:
        await outbox.append(tx, 3, {"k": ("acme", 1, changes)}, at=NOW)

    await db.transaction(body)

    found = await outbox.between(db.latest, "k", {}, {3: 1}, most=10)
    assert list(found.changes) == changes


async def test_what_a_server_of_before_has_written_has_no_code(db: Database) -> None:
    await db.collection("outbox").insert_one(
        {
            "_id": {"c": "k", "s": 0, "v": 1},
            "workspace": "acme",
            "at": NOW,
            "changes": [["a", None], ["b", "SENT"]],
        }
    )

    found = await outbox.between(db.latest, "k", {}, {0: 1}, most=10)

    assert list(found.changes) == [Change("a", None), Change("b", S.SENT)]
