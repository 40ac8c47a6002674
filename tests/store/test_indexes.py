"""Indexes: made once, and their times to live follow the settings."""

import asyncio

from gql_server.database import Database
from gql_server.store import indexes, messages, provider_keys


async def test_another_time_to_live_is_taken_over(db: Database) -> None:
    async def seconds() -> object:
        there = await db.collection("outbox").index_information()
        return there["expiry"]["expireAfterSeconds"]

    assert await seconds() == 24 * 3600
    await indexes.ensure(db, outbox_hours=48)
    assert await seconds() == 48 * 3600
    await indexes.ensure(db, outbox_hours=48)
    assert await seconds() == 48 * 3600


async def test_every_index_begins_with_a_workspace_or_a_campaign_or_is_the_whole_houses() -> None:
    ours = {
        "age",
        "by_state",
        "filling",
        "unfinished",
        "expiry",
        "kept",
        "token",
    }  # a job's, the clock's, and the one by which a source is found

    for collection, found in indexes.all_indexes(24).items():
        for name, fields, _ in found:
            if name not in ours:
                assert fields[0][0] in ("workspace", "campaign"), (collection, name)


async def test_an_index_of_an_earlier_version_goes(db: Database) -> None:
    fields = [("workspace", 1), ("source", 1), ("arrivedAt", 1)]
    await db.collection("orphans").create_index(fields, name="source")

    await indexes.ensure(db, outbox_hours=24)

    assert "source" not in await db.collection("orphans").index_information()


async def test_keys_that_were_an_index_of_the_messages_are_found_where_they_are_now(
    db: Database,
) -> None:
    # given the data of a server before decision 0009, of which one message has two keys and one none
    kept = db.collection("messages")
    await kept.insert_many(
        [
            {
                "_id": "c-1",
                "workspace": "acme",
                "recipient": "1",
                "keys": ["twilio:SM1", "vonage:a"],
            },
            {"_id": "c-2", "workspace": "acme", "recipient": "2"},
            {"_id": "d-1", "workspace": "other", "recipient": "3", "keys": ["twilio:SM1"]},
        ]
    )
    await kept.create_index([("workspace", 1), ("keys", 1)], name="keys")

    # when two servers of today start at once, and one later
    await asyncio.gather(*(indexes.ensure(db, outbox_hours=24) for _ in range(2)))
    await indexes.ensure(db, outbox_hours=24)

    # then each key names its message, in its own workspace
    asked = ["twilio:SM1", "vonage:a", "vonage:b"]
    assert await provider_keys.owners(db.latest, "acme", asked) == {
        "twilio:SM1": "c-1",
        "vonage:a": "c-1",
    }
    assert await messages.keys_among(db.latest, "other", asked) == {"twilio:SM1"}
    assert "keys" not in await kept.index_information()
