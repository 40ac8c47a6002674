"""Data of earlier versions are found where they are today, whoever moves them, and are moved once."""

import asyncio
import logging
import random
from datetime import timedelta
from typing import Any

import pytest

from gql_server.database import Database
from gql_server.domain.condition import CampaignCondition
from gql_server.domain.message import ERASED
from gql_server.store import (
    campaign_lists,
    campaigns,
    indexes,
    message_lists,
    messages,
    moving,
    recipients,
)
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


async def test_nothing_is_moved_of_a_message_that_is_erased_meanwhile(db: Database) -> None:
    await as_before(db, 20)
    every = moving._all
    erased: list[str] = []

    async def and_then_erased(db: Database, collection: str, fields: list[str]) -> Any:
        async for rows in every(db, collection, fields):
            if collection == "messages" and not erased:
                erased.append(rows[3]["_id"])
                await db.collection("messages").update_one(
                    {"_id": erased[0]}, {"$set": {"recipient": ERASED}}
                )
            yield rows

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moving, "_all", and_then_erased)
        await indexes.ensure(db, outbox_hours=24)

    kept = await db.collection("recipients").distinct("_id")
    assert len(kept) == 19
    assert erased[0] not in kept


async def test_no_key_leads_to_a_message_that_was_erased_while_its_keys_were_moved(
    db: Database,
) -> None:
    # given the keys of before 0009, one of which was moved when its message was erased, and another erased before
    chance = random.Random(7)
    rows = [row_of(some_message(CAMPAIGN, "acme", n, chance), NOW) for n in range(3)]
    for row, keys in zip(rows, (["twilio:SM1"], ["sinch:1"], ["sinch:1"]), strict=True):
        row["keys"] = keys
    rows[1]["recipient"] = rows[2]["recipient"] = ERASED
    await db.collection("messages").create_index([("keys", 1)], name="keys")
    await db.collection("messages").insert_many(rows)
    await db.collection("provider_keys").insert_one(
        {"_id": {"w": "acme", "k": "sinch:b:33612345678"}, "message": rows[1]["_id"]}
    )

    await indexes.ensure(db, outbox_hours=24)

    left = await db.collection("provider_keys").find({}).to_list(None)
    assert left == [{"_id": {"w": "acme", "k": "twilio:SM1"}, "message": rows[0]["_id"]}]


async def test_who_is_renamed_or_moved_meanwhile_is_passed_by_by_no_walk(db: Database) -> None:
    # given more campaigns than are read to choose among the lists, which are as good as each other; the one that
    # nobody moves in was made last
    await indexes.ensure(db, outbox_hours=24)
    kept = db.collection("campaigns")
    chance = random.Random(7)
    for n in range(150):
        row = {
            "workspace": "acme", "folded": f"{n:03}", "state": "SENDING", "type": "OTP",
            "createdAt": NOW + timedelta(hours=n), "sentAt": NOW + timedelta(hours=n),
        }  # fmt: skip
        await kept.insert_one({"_id": some_campaign("acme", n, chance).id, **row})
    (created,) = [fields for name, fields, _ in campaigns.INDEXES if name == "list_created"]
    await kept.drop_index("list_created")
    await kept.create_index(list(created), name="list_created")
    last = (await kept.find({}).sort("createdAt", -1).to_list(None))[0]["_id"]

    seen: list[str] = []
    async for page in campaigns.all_of(db.latest, "acme", batch=10):
        seen += page
        # the last one goes where the walk has been
        await kept.update_one(
            {"_id": last}, {"$set": {"folded": "", "sentAt": NOW - timedelta(hours=1)}}
        )

    assert last in seen
    assert len(set(seen)) == 150
