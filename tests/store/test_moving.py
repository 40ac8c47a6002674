"""Data of earlier versions are found where they are today, whoever moves them, and are moved once."""

import asyncio
import logging
import random
from datetime import timedelta
from typing import Any

import pytest

from gql_server.database import Database
from gql_server.domain.condition import CampaignCondition
from gql_server.store import campaign_lists, indexes, message_lists, messages, moving, recipients
from gql_server.store.campaign_lists import CampaignOrder
from gql_server.store.message_rows import row_of
from gql_server.store.walk import Walk
from tests.commands import listening
from tests.store.world_of_lists import NOW, some_campaign, some_message

FIRST: Walk[Any] = Walk(None, None, descending=False, limit=100)
CAMPAIGN = "0" * 12


async def as_before(db: Database, count: int) -> None:
    """The data of a server before 0011: messages, and nothing beside them; a campaign without its folded name."""
    chance = random.Random(7)
    kept = db.collection("messages")
    await kept.create_index([("campaign", 1), ("recipient", 1)], name="recipient", unique=True)
    rows = [row_of(some_message(CAMPAIGN, "acme", n, chance), NOW) for n in range(count)]
    await kept.insert_many(rows)
    named = some_campaign("acme", 0, chance)
    await db.collection("campaigns").create_index(
        [("workspace", 1), ("createdAt", 1), ("_id", 1)], name="list"
    )
    await db.collection("campaigns").insert_one(
        {
            "_id": named.id,
            "workspace": "acme",
            "name": "Été",
            "text": "Hi",
            "sender": "ACME",
            "type": "OTP",
            "state": "COMPLETED",
            "createdAt": NOW,
            "sentAt": NOW + timedelta(hours=1),
            "begun": False,
            "nextPosition": 0,
        }
    )


async def test_data_of_before_are_in_the_lists_of_today(
    db: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # given the data of a server before decision 0011, of which a part is moved already, and small batches
    monkeypatch.setattr(moving, "BATCH", 7)
    monkeypatch.setattr(moving, "TELL_EVERY", 20)
    caplog.set_level(logging.INFO)
    await as_before(db, 50)
    before = await db.collection("messages").find({}).sort("_id", 1).to_list(None)
    await db.collection("recipients").insert_one(
        recipients.row_of(
            before[3]["_id"],
            "acme",
            number=before[3]["recipient"],
            name=before[3]["name"],
            country=before[3]["country"],
        )
    )

    # when two servers of today start at once
    await asyncio.gather(*(indexes.ensure(db, outbox_hours=24) for _ in range(2)))

    # then each message is found by its number, in the order of the numbers
    found = await message_lists.by_number(db.latest, "acme", CAMPAIGN, "", FIRST)
    assert [m.id for m in found] == [
        row["_id"] for row in sorted(before, key=lambda row: row["recipient"])
    ]
    assert await messages.recipients_among(db.latest, CAMPAIGN, [before[0]["recipient"], "+1"]) == {
        before[0]["recipient"]
    }
    named = await message_lists.by_name(db.latest, "acme", CAMPAIGN, "ele", FIRST)
    assert {m.id for m in named} == {
        row["_id"] for row in before if (row["name"] or "").lower()[:1] in ("é", "e")
    }
    assert await db.collection("messages").find({}).sort("_id", 1).to_list(None) == before
    assert set(await db.collection("messages").index_information()) == {
        "_id_", "by_status", "by_status_at", "by_code",
    }  # fmt: skip
    # and the campaign by its name
    condition = CampaignCondition(search="ete")
    (one,) = await campaign_lists.page(db.latest, "acme", condition, CampaignOrder.NAME, FIRST)
    assert one.name == "Été"
    assert not {"list", "list_by_state"} & set(await db.collection("campaigns").index_information())
    assert any("40 so far" in line or "20 so far" in line for line in caplog.messages)


async def test_a_start_with_nothing_to_move_reads_no_message(db: Database, mongo_url: str) -> None:
    await as_before(db, 5)
    await indexes.ensure(db, outbox_hours=24)

    async with listening(db, mongo_url) as (heard, commands):
        await indexes.ensure(heard, outbox_hours=24)

    assert commands.reads() == []
    assert commands.seen != []


async def test_what_a_server_of_before_registers_meanwhile_is_moved_too(db: Database) -> None:
    # given that it registers one while the last step of the moving is under way
    await as_before(db, 3)
    late = row_of(some_message(CAMPAIGN, "acme", 9, random.Random(9)), NOW)
    drop = moving.drop

    async def slowly(db: Database, collection: str, index: str) -> None:
        if collection == "messages":
            await db.collection("messages").insert_one(late)
        await drop(db, collection, index)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moving, "drop", slowly)
        await indexes.ensure(db, outbox_hours=24)

    found = await message_lists.by_number(db.latest, "acme", CAMPAIGN, "", FIRST)
    assert late["_id"] in {m.id for m in found}
    assert len(found) == 4
