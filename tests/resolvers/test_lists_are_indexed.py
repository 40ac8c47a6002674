"""Every list in every way that is offered walks an index in the list's order, and reads no more than it shows."""

import itertools
import random
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from gql_server.database import Database
from gql_server.domain.blacklist import BlacklistReason
from gql_server.domain.person import Kind, Mark, News
from gql_server.domain.status import DeliveryStatus
from gql_server.store import indexes, people
from gql_server.store.people_rows import Card
from tests.commands import Commands, explained, listening
from tests.conftest import Api, serving_api
from tests.driver import opened, settings_for
from tests.quiet import NOW
from tests.resolvers.test_book import BLACKLIST, CONTACTS
from tests.resolvers.test_pages import CAMPAIGNS, MESSAGES
from tests.resolvers.test_positions import PAGE as FROM_A_POSITION
from tests.store.world_of_lists import (
    keep_campaigns,
    keep_messages,
    some_campaign,
    some_message,
)

SECOND = timedelta(seconds=1)
HYGIENE_PAGE = """query Page($c: ID!, $first: Int, $after: String, $last: Int, $before: String) {
  campaign(id: $c) { hygiene { %s(first: $first, after: $after, last: $last, before: $before) {
    totalCount edges { cursor } nodes { id number } } } } }"""
SIZE = 5
MANY = 400
BLOCKING = {"COLLSCAN", "SORT", "SORT_KEY_GENERATOR", "$sort"}


@dataclass
class Lists:
    """A server of which every command is seen, a campaign with messages, and further campaigns."""

    api: Api
    commands: Commands
    campaign: str


@pytest.fixture(scope="module")
async def lists(mongo_url: str) -> AsyncIterator[Lists]:
    database = await opened(mongo_url, f"lists_{secrets.token_hex(6)}")
    await indexes.ensure(database, outbox_hours=24)
    # a job that looks for messages that wait too long would be heard, too
    settings = replace(settings_for(mongo_url), waiting_expires_after=0)
    async with (
        listening(database, mongo_url) as (heard, commands),
        serving_api(settings, heard) as api,
    ):
        chance = random.Random(7)
        campaign = await api.new_campaign()
        raw = (await heard.collection("campaigns").find_one({}))["_id"]  # type: ignore[index]
        await keep_messages(heard, [some_message(raw, "acme", n, chance) for n in range(MANY)])
        for workspace in ("acme", "other"):
            await keep_campaigns(
                heard, [some_campaign(workspace, n, chance) for n in range(MANY // 2)]
            )
        await write_down(heard, api.workspace, raw)
        yield Lists(api, commands, campaign)
    await database.drop()
    await database.close()


async def write_down(db: Database, workspace: str, campaign: str) -> None:
    """Contacts, of whom a third each are active, removed and blacklisted, the last two by this campaign."""
    numbers = [f"+336{n:06}78" for n in range(MANY // 2)]
    cards = {
        number: Card(f"Zoë {n}", groups=("even" if n % 2 else "odd",), created_at=NOW + n * SECOND)
        for n, number in enumerate(numbers)
    }
    await db.transaction(lambda tx: people.put(tx, workspace, cards, {}))
    reason = BlacklistReason.UNSUBSCRIBED
    news = {
        number: [
            News(Kind.FAILED, Mark(NOW + n * SECOND, None, campaign, DeliveryStatus.ROUTING_ERROR))
            if n % 3 == 1
            else News(Kind.OPTED_OUT, Mark(NOW + n * SECOND, reason, campaign))
        ]
        for n, number in enumerate(numbers)
        if n % 3
    }
    await db.transaction(lambda tx: people.hear(tx, workspace, news))


def subsets(parts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every choice of these parts."""
    for size in range(len(parts) + 1):
        for chosen in itertools.combinations(parts.items(), size):
            yield dict(chosen)


CAMPAIGN_FILTERS = list(
    subsets(
        {
            "search": "te",
            "type": "OTP",
            "state": "COMPLETED",
            "sentFrom": "2026-11-23T09:00:00Z",
            "sentTo": "2026-11-23T15:00:00Z",
        }
    )
)
DIRECTIONS = ("ASC", "DESC")


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("field", ["CREATED_AT", "SENT_AT", "NAME"])
async def test_every_list_of_campaigns_walks_its_index_and_reads_what_it_shows(
    lists: Lists, field: str, direction: str
) -> None:
    order = {"field": field, "direction": direction}
    index = {"CREATED_AT": "list_created", "SENT_AT": "list_sent", "NAME": "list_name"}[field]
    seen = 0
    for chosen in CAMPAIGN_FILTERS:
        for given in await pages(lists, CAMPAIGNS, {"filter": chosen, "order": order}):
            lists.commands.clear()
            page = (await lists.api.ask(CAMPAIGNS, given))["campaigns"]
            for read in of_collection(lists.commands, "campaigns"):
                done = await explained(lists.api.db, read)
                where = (chosen, given, done)
                assert not done.stages & BLOCKING, where
                if "pipeline" in read:
                    assert done.documents == 0, where
                    assert done.indexes <= {"list_created", "list_sent"}, where
                elif "sort" in read:
                    assert done.indexes == {index}, where
                    assert done.documents <= done.returned + 1, where
                    seen += len(page["nodes"]) > 0
    assert seen > 150, "most of these lists are not empty"


STATUSES = [status.value for status in DeliveryStatus]
OFFERED: list[tuple[dict[str, Any], str | None]] = [
    *(({}, field) for field in (None, "POSITION", "STATUS_AT", "RECIPIENT")),
    *(({"statuses": STATUSES[:n]}, "POSITION") for n in (1, 2, 5, 10)),
    ({"indicators": ["RECEIPT", "PENDING"]}, "POSITION"),
    ({"indicators": ["TEMPORARY_ERROR"], "statuses": STATUSES[:5]}, None),
    ({"statuses": ["SENT"]}, "STATUS_AT"),
    ({"indicators": ["PENDING"]}, "STATUS_AT"),
    ({"country": "FR"}, "POSITION"),
    ({"country": "fr"}, None),
    ({"errorCode": "3501"}, "POSITION"),
    ({"errorCode": "x y"}, None),
    *(({"search": text}, None) for text in ("+336", "0049 1", "336*", "412", "éléo", "L")),
    *(({"search": text}, "RECIPIENT") for text in ("+336", "412")),
]


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("offered", OFFERED, ids=str)
async def test_every_list_of_messages_walks_its_index_and_looks_at_one_page(
    lists: Lists, offered: tuple[dict[str, Any], str | None], direction: str
) -> None:
    chosen, field = offered
    if field is None and direction == "DESC":
        return
    given = {"c": lists.campaign, "filter": chosen}
    if field is not None:
        given["order"] = {"field": field, "direction": direction}
    for more in await pages(lists, MESSAGES, given):
        lists.commands.clear()
        page = (await lists.api.ask(MESSAGES, more))["campaign"]["messages"]
        assert page["nodes"]
        reads = of_collection(lists.commands, "messages", "recipients")
        assert len(reads) <= 3, "a place, the ids, the messages"
        for read in reads:
            done = await explained(lists.api.db, read)
            assert not done.stages & BLOCKING, (more, done)
            assert done.documents <= done.returned + 1, (more, done)
            # Each piece of an index that is merged is looked at once more than it gives: a status, and a place in it.
            pieces = 3 * len(STATUSES) if "STATUS_AT" in str(more) else len(STATUSES)
            assert done.keys <= 2 * (SIZE + 1) + pieces, (more, done)
            assert done.indexes != set(), (more, done)


@pytest.mark.parametrize("start", [0, MANY // 2, MANY - 2, 2**31 - 1])
@pytest.mark.parametrize(
    "chosen", [chosen for chosen, field in OFFERED if field == "POSITION"], ids=str
)
async def test_a_list_from_a_position_on_is_read_from_there_and_no_further_than_its_page(
    lists: Lists, chosen: dict[str, Any], start: int
) -> None:
    lists.commands.clear()
    given = {"c": lists.campaign, "filter": chosen, "first": SIZE, "from": start}
    found = (await lists.api.ask(FROM_A_POSITION, given))["campaign"]["messages"]
    assert len(found["nodes"]) <= SIZE
    reads = of_collection(lists.commands, "messages", "recipients")
    assert 1 <= len(reads) <= 2, "the ids, the messages; no place has to be looked for"
    for read in reads:
        # one more than is shown, which says whether there is a next page
        assert read["limit"] == SIZE + 1, read
        assert "skip" not in read, read
        done = await explained(lists.api.db, read)
        assert not done.stages & BLOCKING, (read, done)
        assert done.returned <= SIZE + 1, (read, done)
        assert done.documents <= done.returned + 1, (read, done)
        assert done.keys <= 2 * (SIZE + 1) + len(STATUSES), (read, done)
        assert done.indexes != set(), (read, done)


PEOPLE: list[tuple[str, str, dict[str, Any]]] = [
    *(("contacts", CONTACTS, {"removed": removed}) for removed in (False, True)),
    *(("contacts", CONTACTS, {"group": "even", "removed": removed}) for removed in (False, True)),
    *(("contacts", CONTACTS, {"search": text}) for text in ("+336", "778", "zo")),
    ("contacts", CONTACTS, {"search": "+336", "removed": True}),
    ("blacklist", BLACKLIST, {}),
    *(("blacklist", BLACKLIST, {"search": text}) for text in ("+336", "778")),
    ("removedContacts", HYGIENE_PAGE.replace("%s", "removedContacts"), {}),
    ("blacklistEntries", HYGIENE_PAGE.replace("%s", "blacklistEntries"), {}),
]


@pytest.mark.parametrize(("name", "query", "chosen"), PEOPLE, ids=str)
async def test_every_list_of_people_walks_its_index_and_looks_at_one_page(
    lists: Lists, name: str, query: str, chosen: dict[str, Any]
) -> None:
    given = {"c": lists.campaign, **chosen} if "Page" in query else chosen
    for more in await pages(lists, query, given, name):
        lists.commands.clear()
        data = await lists.api.ask(query, more)
        found = data.get(name) or data["campaign"]["hygiene"][name]
        assert found["nodes"], more
        for read in of_collection(lists.commands, "people"):
            done = await explained(lists.api.db, read)
            assert not done.stages & BLOCKING, (more, done)
            assert done.indexes != set(), (more, done)
            if "pipeline" in read:
                assert done.documents == 0, (more, done)
            else:
                # between two places of a search two pieces of the index are merged
                assert done.documents <= done.returned + 3, (more, done)


async def pages(
    lists: Lists, query: str, given: dict[str, Any], name: str | None = None
) -> list[dict[str, Any]]:
    """The variables of the first page, of pages from the middle both ways, and of one between two places."""
    data = await lists.api.ask(query, {**given, "first": 100})
    if name is not None:
        page = data.get(name) or data["campaign"]["hygiene"][name]
    else:
        page = data["campaigns"] if "campaigns" in data else data["campaign"]["messages"]
    cursors = [edge["cursor"] for edge in page["edges"]]
    found = [{**given, "first": SIZE}, {**given, "last": SIZE}]
    if cursors:
        low, high = cursors[len(cursors) // 3], cursors[2 * len(cursors) // 3]
        found += [
            {**given, "first": SIZE, "after": low},
            {**given, "last": SIZE, "before": high},
            {**given, "first": SIZE, "after": low, "before": high},
        ]
    return found


def of_collection(commands: Commands, *names: str) -> list[Any]:
    """The reads of these collections."""
    return [read for read in commands.reads() if read[next(iter(read))] in names]
