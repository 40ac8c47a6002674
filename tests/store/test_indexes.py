"""Indexes: made once, and their times to live follow the settings."""

from gql_server.database import Database
from gql_server.store import indexes


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
        "by_state",
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
