"""What an answer costs MongoDB: as many commands for a hundred rows as for one, and no look through a collection."""

import secrets
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gql_server.store import indexes
from tests.commands import Commands, explained, explained_write, listening
from tests.conftest import Api, serving_api
from tests.driver import opened, settings_for
from tests.gql_clients import connected, watching

MANY = 100

HISTORY = """query($first: Int, $order: CampaignOrder, $filter: CampaignFilter) {
  campaigns(first: $first, orderBy: $order, filter: $filter) { totalCount pageInfo { endCursor } edges { cursor }
    nodes { id name cost recipientCount updatesCursor alerts { message }
      statistics { revision asOf total indicators { rate } } } } }"""
PAGE = """query($c: ID!, $first: Int, $order: MessageOrder, $filter: MessageFilter) { campaign(id: $c) {
  messages(first: $first, orderBy: $order, filter: $filter) { totalCount pageInfo { endCursor }
    nodes { id recipient history { status } campaign { name recipientCount cost } } } } }"""
NODES = """query($ids: [ID!]!) { nodes(ids: $ids) { id ... on Campaign { name statistics { total } cost }
  ... on Message { status campaign { name statistics { total } updatesCursor } } } }"""
REPORT = """query($c: ID!) { campaign(id: $c) { name cost state partsPerMessage recipientCount updatesCursor
  statistics { total } alerts { message } deliveryTime { p50 }
  minutes: timeline(interval: MINUTE) { at } days: timeline(interval: DAY) { at }
  countries: breakdown(by: COUNTRY) { key } codes: breakdown(by: ERROR_CODE) { key } } }"""


@dataclass
class Tour:
    """A server of which every command is seen, and a hundred campaigns, of which the first has a hundred messages."""

    api: Api
    commands: Commands
    campaigns: list[str]
    messages: list[str]

    async def cost(
        self, query: str, variables: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, int]]:
        """The answer, and how often each collection is read for it.

        What a server does by the clock comes on top at times, so it is asked three times.
        """
        tries = []
        for _ in range(3):
            self.commands.clear()
            data = await self.api.ask(query, variables)
            tries.append(mine(Counter(self.commands.names())))
        return data, min(tries, key=lambda commands: sum(commands.values()))


@pytest.fixture(scope="module")
async def tour(mongo_url: str) -> AsyncIterator[Tour]:
    database = await opened(mongo_url, f"tour_{secrets.token_hex(6)}")
    await indexes.ensure(database, outbox_hours=24)
    async with (
        listening(database, mongo_url) as (heard, commands),
        serving_api(replace(settings_for(mongo_url), answer_cache_mb=0), heard) as api,
    ):
        campaigns = [await api.new_campaign(name=f"n{number}") for number in range(MANY)]
        added = await api.add(campaigns[0], [f"+336{n:08}" for n in range(MANY)])
        for campaign in campaigns[1:]:
            await api.add(campaign, ["+33612345678"])
        yield Tour(api, commands, campaigns, [message["id"] for message in added])
    await database.drop()
    await database.close()


async def test_a_page_of_the_history_costs_the_same_whatever_its_size(tour: Tour) -> None:
    _, one = await tour.cost(HISTORY, {"first": 1})
    data, many = await tour.cost(HISTORY, {"first": MANY})

    assert len(data["campaigns"]["nodes"]) == MANY
    assert one == many == {
        "find campaigns": 1,
        "find counters": 1,
        "find workspaces": 1,
        "aggregate campaigns": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "more"),
    [
        ({}, {}),
        ({"filter": {"statuses": ["WAITING"]}}, {}),
        ({"order": {"field": "STATUS_AT", "direction": "DESC"}}, {}),
        ({"order": {"field": "RECIPIENT", "direction": "ASC"}}, {"find recipients": 1}),
        ({"filter": {"search": "+336"}}, {"find recipients": 1}),
        ({"filter": {"country": "FR"}}, {"find recipients": 1}),
    ],
)
async def test_a_page_of_messages_costs_the_same_whatever_its_size(
    tour: Tour, given: dict[str, Any], more: dict[str, int]
) -> None:
    variables = {"c": tour.campaigns[0], **given}

    _, one = await tour.cost(PAGE, {**variables, "first": 1})
    data, many = await tour.cost(PAGE, {**variables, "first": MANY})

    assert len(data["campaign"]["messages"]["nodes"]) == MANY
    assert one == many == {
        "aggregate campaigns": 1,
        "find messages": 1,
        "find workspaces": 1,
        **more,
    }  # fmt: skip


async def test_a_hundred_nodes_cost_what_two_cost(tour: Tour) -> None:
    mixed = [*tour.campaigns[1:51], *tour.messages[:50]]

    _, two = await tour.cost(NODES, {"ids": [mixed[0], mixed[-1]]})
    data, many = await tour.cost(NODES, {"ids": mixed})

    assert [node["id"] for node in data["nodes"]] == mixed
    # Those that are asked for, then those of the messages.
    assert two == many == {
        "find messages": 1,
        "find campaigns": 2,
        "find counters": 2,
        "find workspaces": 1,
    }  # fmt: skip


def mine(commands: Counter[str]) -> dict[str, int]:
    """What a reader asks for: not who asks, nor what the server looks at by the clock."""
    read = ("campaigns", "counters", "workspaces", "messages", "recipients")
    return {name: n for name, n in commands.items() if name.split()[1] in read}


async def test_no_field_looks_through_a_collection(tour: Tour) -> None:
    api, commands = tour.api, tour.commands
    campaign, message = tour.campaigns[0], tour.messages[0]
    commands.clear()

    await api.ask(HISTORY, {"first": 10})
    await api.ask(REPORT, {"c": campaign})
    await api.ask(PAGE, {"c": campaign})
    await api.ask(NODES, {"ids": [campaign, message]})
    await api.ask(
        '{ statistics(from: "2020-01-01T00:00:00Z", to: "2099-01-01T00:00:00Z") { total } }'
    )
    await api.ask(
        "query($c: [ID!]) { statistics(campaignIds: $c) { total } }", {"c": tour.campaigns}
    )
    made = await api.new_campaign(2, name="made")
    await mutate(api, "updateCampaign", "UpdateCampaignInput", {"id": made, "name": "renamed"})
    bound = {"messageId": message, "provider": "twilio", "providerMessageIds": ["SM1"]}
    await mutate(api, "bindProviderMessages", "BindProviderMessagesInput", {"messages": [bound]})
    at = "2026-11-23T08:00:00Z"
    receipts = [
        {"messageId": message, "status": "SENT", "at": at},
        {"provider": "twilio", "providerMessageId": "SM1", "status": "RECEIVED", "at": at},
        {"provider": "twilio", "providerMessageId": "SM2", "status": "RECEIVED", "at": at},
    ]
    async with (
        connected(api.ws, api.key) as session,
        watching(
            session, "subscription($c: ID!) { campaignUpdated(id: $c) { cost } }", {"c": campaign}
        ) as one,
        watching(session, "subscription { campaignsUpdated { statistics { total } } }") as all_,
        watching(
            session,
            "subscription($c: ID!) { messagesUpdated(campaignId: $c) { messages { status } } }",
            {"c": campaign},
        ) as rows,
    ):
        for watch in (one, all_, rows):
            await watch.until(lambda events: len(events) == 1)
        await mutate(api, "recordReceipts", "RecordReceiptsInput", {"receipts": receipts})
        for watch in (one, all_, rows):
            await watch.until(lambda events: len(events) > 1)

    seen = list(commands.reads())
    writes = list(commands.writes())
    assert len({str(next(iter(read.values()))) for read in seen}) >= 8, "many collections"
    looked_through = {}
    for read in seen:
        if next(iter(read.values())) == "leases":
            continue  # the roll call of the processes, by the clock: there are as many as processes
        done = await explained(api.db, read)
        if done.stages & {"COLLSCAN", "SORT", "$sort"}:
            looked_through[next(iter(read.values()))] = read
    for write in writes:
        if "COLLSCAN" in (await explained_write(api.db, write)).stages:
            looked_through[next(iter(write.values()))] = write
    assert looked_through == {}


async def mutate(api: Api, name: str, kind: str, given: dict[str, Any]) -> None:
    """Do this, without mistakes."""
    done = await api.ask(
        f"mutation($i: {kind}!) {{ {name}(input: $i) {{ userErrors {{ code }} }} }}", {"i": given}
    )
    assert done[name] == {"userErrors": []}
