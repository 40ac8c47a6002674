"""What a commit changed is read as it was written."""

from datetime import UTC, datetime
from random import Random

import pytest

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


@pytest.mark.parametrize("seed", range(10))
async def test_of_many_campaigns_at_once_the_same_is_read_as_of_each_alone(
    db: Database, seed: int
) -> None:
    chance = Random(seed)
    until = {
        campaign: {slot: chance.randint(1, 6) for slot in range(chance.randint(1, 3))}
        for campaign in ("k", "l", "m", "n")
    }
    since = {
        campaign: {slot: v for slot, last in ends.items() if (v := chance.randint(0, last))}
        for campaign, ends in until.items()
    }
    for campaign, ends in until.items():
        for slot, last in ends.items():
            for version in range(1, last + 1):
                changes = [Change(f"{campaign}{slot}{version}", S.SENT)]

                async def body(
                    tx: Transaction,
                    slot: int = slot,
                    commit: tuple[str, int, list[Change]] = ("acme", version, changes),
                    campaign: str = campaign,
                ) -> None:
                    await outbox.append(tx, slot, {campaign: commit}, at=NOW)

                await db.transaction(body)
    # What is no longer kept lies behind one place, and before another.
    await db.collection("outbox").delete_many({"_id.c": {"$in": ["k", "l"]}, "_id.v": {"$lt": 3}})

    asked = {campaign: (since[campaign], until[campaign]) for campaign in until}
    found = await outbox.spans(db.latest, asked)

    for campaign, (begin, end) in asked.items():
        alone = await outbox.between(db.latest, campaign, begin, end, most=1000)
        assert found[campaign].complete == alone.complete
        assert list(found[campaign].commits) == list(alone.commits)
        assert {s: v for s, v in found[campaign].versions.items() if v} == {
            slot: version for slot, version in alone.versions.items() if version
        }
