"""State + events = fresh query, for everything that changes a message or a campaign.

Who holds what a query showed, and applies the events from there on, ends with what a fresh query shows: the messages
(messagesUpdated, by who listens all the time and by who comes back later with the cursor), the campaign
(campaignUpdated) and the history page (campaignsUpdated).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from gql_server.domain import ids
from gql_server.domain.status import DeliveryStatus
from gql_server.intake import NewRecipient
from gql_server.services import utc_now
from resolvers.schema import make_schema
from tests.barring import bar
from tests.conftest import Api
from tests.gql_clients import Watch, connected, watching
from tests.quiet import quiet
from tests.resolvers.mutating import act
from tests.smsmode_carrier import call, legacy_query

NUMBERS = ["+33612345670", "+33612345671", "+33612345672"]
LAST = "+33612345679"
AT = "2026-01-01T08:00:05.000Z"
EARLIER = "2026-01-01T08:00:01.000Z"

MESSAGE = """id reference recipient contactName status statusLabel indicator statusAt errorCode errorReason
  provider country operator history { status at errorCode } campaign { id }"""
CAMPAIGN = """id name text sender type state createdAt sentAt recipientCount partsPerMessage cost updatesCursor
  statistics { revision asOf total indicators { indicator count rate } statuses { status count rate } }"""
QUERY = f"""query($c: ID!) {{
  campaign(id: $c) {{ {CAMPAIGN} messages(first: 100) {{ nodes {{ {MESSAGE} }} }} }}
  campaigns(first: 100) {{ nodes {{ {CAMPAIGN} }} }} }}"""
MESSAGES_UPDATED = f"""subscription($c: ID!, $after: String) {{
  messagesUpdated(campaignId: $c, after: $after, minIntervalMs: 100) {{
    cursor resync messages {{ {MESSAGE} }} }} }}"""
CAMPAIGN_UPDATED = (
    f"subscription($c: ID!) {{ campaignUpdated(id: $c, minIntervalMs: 100) {{ {CAMPAIGN} }} }}"
)
CAMPAIGNS_UPDATED = f"subscription {{ campaignsUpdated(minIntervalMs: 100) {{ {CAMPAIGN} }} }}"

Rows = dict[str, dict[str, Any]]


@dataclass
class Held:
    """All that a query shows of one campaign and of the history page."""

    messages: Rows
    campaign: dict[str, Any]
    campaigns: Rows


@dataclass
class World:
    """A campaign of three messages, and one more, which is the last that something happens to."""

    api: Api
    campaign: str
    messages: list[dict[str, Any]]
    last: dict[str, Any]

    async def look(self) -> Held:
        """A fresh query."""
        seen = await self.api.ask(QUERY, {"c": self.campaign})
        messages = seen["campaign"].pop("messages")["nodes"]
        return Held(
            {m["id"]: m for m in messages},
            seen["campaign"],
            {c["id"]: c for c in seen["campaigns"]["nodes"]},
        )

    async def record(self, *receipts: dict[str, Any]) -> tuple[int, int, int]:
        """Receipts by the mutation; how many were applied, ignored and parked."""
        given = {"receipts": [{"at": AT, **receipt} for receipt in receipts]}
        fields = "applied ignored parked userErrors { code }"
        done = await act(self.api, "recordReceipts", given, fields)
        assert done["userErrors"] == []
        return done["applied"], done["ignored"], done["parked"]

    async def post(self, *receipts: dict[str, Any]) -> None:
        """Receipts by the generic webhook."""
        webhook = await self.api.new_source("generic")
        answer = await self.api.http.post(webhook, json=[{"at": AT, **one} for one in receipts])
        assert answer.status_code == 200

    async def bind(self, message: dict[str, Any], provider: str, *names: str) -> None:
        """Tell what a provider calls a message."""
        binding = {
            "messageId": message["id"],
            "provider": provider,
            "providerMessageIds": list(names),
        }
        done = await act(self.api, "bindProviderMessages", {"messages": [binding]}, "bound")
        assert done == {"bound": 1}

    async def add(self, *recipients: dict[str, Any]) -> list[str]:
        """Recipients; the codes of what was refused."""
        given = {"campaignId": self.campaign, "recipients": list(recipients)}
        done = await act(self.api, "addRecipients", given, "userErrors { code }")
        return [error["code"] for error in done["userErrors"]]


Happening = Callable[[World], AsyncIterator[None]]


@dataclass
class Case:
    """What happens: up to its `yield` before anybody looks, and from there on while all watch."""

    mutation: str | None
    happening: Happening
    changes: bool


CASES: dict[str, Case] = {}


def case(mutation: str | None = None, *, changes: bool = True) -> Callable[[Happening], Happening]:
    """A case of this mutation, or of none; `changes`: whether a query shows something else after it."""

    def keep(happening: Happening) -> Happening:
        CASES[happening.__name__] = Case(mutation, happening, changes)
        return happening

    return keep


# Campaigns and recipients


@case("createCampaign")
async def another_campaign(world: World) -> AsyncIterator[None]:
    yield
    await world.api.new_campaign(name="Summer")


@case("createCampaign")
async def a_scheduled_campaign(world: World) -> AsyncIterator[None]:
    yield
    await world.api.new_campaign(name="Winter", sentAt="2099-01-01T08:00:00Z")


@case("createCampaign")
async def a_campaign_to_the_audience_of_another(world: World) -> AsyncIterator[None]:
    yield
    wanted = {"campaignId": world.campaign, "indicators": ["PENDING"]}
    await world.api.new_campaign(name="Again", audienceOf=wanted)


@case("updateCampaign")
async def a_new_name(world: World) -> AsyncIterator[None]:
    yield
    await act(world.api, "updateCampaign", {"id": world.campaign, "name": "Autumn"}, "__typename")


@case("updateCampaign")
async def a_new_time(world: World) -> AsyncIterator[None]:
    yield
    given = {"id": world.campaign, "sentAt": "2099-01-01T08:00:00Z"}
    done = await act(world.api, "updateCampaign", given, "campaign { state } userErrors { code }")
    assert done == {"campaign": {"state": "SCHEDULED"}, "userErrors": []}


@case("updateCampaign", changes=False)
async def a_name_that_is_refused(world: World) -> AsyncIterator[None]:
    yield
    await act(world.api, "updateCampaign", {"id": world.campaign, "name": ""}, "__typename")


@case("erasePerson")
async def a_person_is_erased(world: World) -> AsyncIterator[None]:
    yield
    erased = await act(
        world.api, "erasePerson", {"number": NUMBERS[0]}, "erasedMessages userErrors { code }"
    )
    assert erased == {"erasedMessages": 1, "userErrors": []}


@case("addRecipients")
async def new_recipients(world: World) -> AsyncIterator[None]:
    yield
    assert (
        await world.add({"number": "+33612345600", "name": "Ada"}, {"number": "+41791234567"}) == []
    )


@case("addRecipients")
async def recipients_of_whom_some_are_refused(world: World) -> AsyncIterator[None]:
    yield
    refused = await world.add({"number": NUMBERS[0]}, {"number": "+33612345601"}, {"number": "12"})
    assert refused == ["DUPLICATE_RECIPIENT", "INVALID_NUMBER"]


@case("addRecipients", changes=False)
async def a_recipient_that_is_there_already(world: World) -> AsyncIterator[None]:
    yield
    assert await world.add({"number": NUMBERS[0]}) == ["DUPLICATE_RECIPIENT"]


@case("addRecipients")
async def a_recipient_who_is_blacklisted(world: World) -> AsyncIterator[None]:
    number = "+33612345602"
    await bar(world.api.db, world.api.workspace, number)
    yield
    assert await world.add({"number": number}) == []
    assert "BLACKLISTED" in {m["status"] for m in (await world.look()).messages.values()}


@case("addRecipients")
async def a_recipient_whose_receipt_came_before(world: World) -> AsyncIterator[None]:
    early = {"provider": "twilio", "providerMessageId": "SM1", "status": "RECEIVED"}
    assert await world.record(early) == (0, 0, 1)
    yield
    recipient = {"number": "+33612345603", "provider": "twilio", "providerMessageIds": ["SM1"]}
    assert await world.add(recipient) == []
    assert "RECEIVED" in {m["status"] for m in (await world.look()).messages.values()}


# Providers' ids


@case("bindProviderMessages")
async def a_name_without_a_receipt(world: World) -> AsyncIterator[None]:
    yield
    await world.bind(world.messages[0], "generic", "a1")


@case("bindProviderMessages")
async def a_name_whose_receipts_came_before(world: World) -> AsyncIterator[None]:
    one = {"provider": "generic", "providerMessageId": "a1"}
    await world.post({**one, "status": "RECEIVED"}, {**one, "status": "SENT", "at": EARLIER})
    yield
    await world.bind(world.messages[0], "generic", "a1")
    assert (await world.look()).messages[world.messages[0]["id"]]["status"] == "RECEIVED"


@case("bindProviderMessages")
async def names_of_parts_whose_receipts_came_before(world: World) -> AsyncIterator[None]:
    for name in ("p1", "p2"):
        await world.record({"provider": "vonage", "providerMessageId": name, "status": "RECEIVED"})
    yield
    await world.bind(world.messages[0], "vonage", "p1", "p2")


# Receipts by mutation


def _each_status(status: str) -> None:
    async def by_mutation(world: World) -> AsyncIterator[None]:
        yield
        receipt = {"messageId": world.messages[1]["reference"], "status": status}
        detail = {"errorCode": "17", "errorReason": "Absent subscriber"}
        assert await world.record({**receipt, **detail}) == (1, 0, 0)

    async def by_webhook(world: World) -> AsyncIterator[None]:
        yield
        await world.post({"messageId": world.messages[1]["id"], "status": status, "errorCode": "9"})

    async def by_smsmode(world: World) -> AsyncIterator[None]:
        webhook = await world.api.new_source("smsmode")
        yield
        query = legacy_query(status, NUMBERS[1], ref_client=world.messages[1]["id"])
        assert await call(world.api.http, webhook, query) == 200

    CASES[f"{status}_by_mutation"] = Case("recordReceipts", by_mutation, changes=True)
    CASES[f"{status}_by_webhook"] = Case(None, by_webhook, changes=True)
    CASES[f"{status}_by_smsmode"] = Case(None, by_smsmode, changes=True)


for _status in DeliveryStatus:
    _each_status(_status.value)


@case("recordReceipts", changes=False)
async def a_repeat(world: World) -> AsyncIterator[None]:
    receipt = {"messageId": world.messages[0]["id"], "status": "RECEIVED"}
    assert await world.record(receipt) == (1, 0, 0)
    yield
    assert await world.record(receipt, receipt) == (0, 2, 0)


@case("recordReceipts")
async def a_late_one(world: World) -> AsyncIterator[None]:
    message = world.messages[0]["id"]
    assert await world.record({"messageId": message, "status": "RECEIVED"}) == (1, 0, 0)
    yield
    late = {"messageId": message, "status": "SENT", "at": EARLIER}
    assert await world.record(late) == (1, 0, 0)
    assert (await world.look()).messages[message]["status"] == "RECEIVED"


@case("recordReceipts")
async def the_same_status_at_an_earlier_time(world: World) -> AsyncIterator[None]:
    message = world.messages[0]["id"]
    assert await world.record({"messageId": message, "status": "RECEIVED"}) == (1, 0, 0)
    yield
    again = {"messageId": message, "status": "RECEIVED", "at": EARLIER}
    assert await world.record(again) == (1, 0, 0)


@case("recordReceipts")
async def several_of_one_message_at_once(world: World) -> AsyncIterator[None]:
    yield
    message = world.messages[0]["id"]
    await world.record(
        {"messageId": message, "status": "OTHER_ERROR", "errorCode": "17"},
        {"messageId": message, "status": "RECEIVED"},
        {"messageId": message, "status": "SENT", "at": EARLIER},
    )


@case("recordReceipts")
async def all_that_still_wait(world: World) -> AsyncIterator[None]:
    yield
    rows = [*world.messages, world.last]
    receipts = [{"messageId": one["id"], "status": "RECEIVED"} for one in rows]
    assert await world.record(*receipts) == (4, 0, 0)


@case("recordReceipts")
async def of_two_campaigns_at_once(world: World) -> AsyncIterator[None]:
    other = await world.api.new_campaign(name="Other", sentAt="2026-01-01T08:00:00Z")
    (there,) = await world.api.add(other, [NUMBERS[0]])
    yield
    await world.record(
        {"messageId": world.messages[0]["id"], "status": "RECEIVED"},
        {"messageId": there["id"], "status": "BLACKLISTED"},
    )


@case("recordReceipts", changes=False)
async def of_an_unknown_message(world: World) -> AsyncIterator[None]:
    yield
    unknown = {"provider": "twilio", "providerMessageId": "SM404", "status": "RECEIVED"}
    assert await world.record(unknown) == (0, 0, 1)


@case("recordReceipts")
async def by_the_provider_s_id(world: World) -> AsyncIterator[None]:
    await world.bind(world.messages[2], "twilio", "SM3")
    yield
    named = {"provider": "twilio", "providerMessageId": "SM3", "status": "ROUTING_ERROR"}
    assert await world.record(named) == (1, 0, 0)


@case("recordReceipts")
async def one_part_of_two(world: World) -> AsyncIterator[None]:
    await world.bind(world.messages[2], "vonage", "p1", "p2")
    yield
    part = {"provider": "vonage", "providerMessageId": "p1", "status": "RECEIVED"}
    await world.record(part)
    assert (await world.look()).messages[world.messages[2]["id"]]["status"] == "SENT"


@case("recordReceipts")
async def the_other_part_of_two(world: World) -> AsyncIterator[None]:
    await world.bind(world.messages[2], "vonage", "p1", "p2")
    part = {"provider": "vonage", "status": "RECEIVED"}
    await world.record({**part, "providerMessageId": "p1"})
    yield
    await world.record({**part, "providerMessageId": "p2", "at": EARLIER})
    assert (await world.look()).messages[world.messages[2]["id"]]["status"] == "RECEIVED"


@case("recordReceipts")
async def a_part_that_failed(world: World) -> AsyncIterator[None]:
    await world.bind(world.messages[2], "vonage", "p1", "p2")
    part = {"provider": "vonage", "providerMessageId": "p1"}
    await world.record({**part, "status": "RECEIVED"})
    yield
    failed = {**part, "providerMessageId": "p2", "status": "OTHER_ERROR", "errorCode": "6"}
    await world.record(failed)
    assert (await world.look()).messages[world.messages[2]["id"]]["status"] == "OTHER_ERROR"


# Receipts by webhook, and time


@case(changes=False)
async def of_an_unknown_message_by_webhook(world: World) -> AsyncIterator[None]:
    yield
    await world.post({"providerMessageId": "a404", "status": "RECEIVED"})


@case()
async def by_the_provider_s_id_by_webhook(world: World) -> AsyncIterator[None]:
    await world.bind(world.messages[0], "generic", "a1")
    yield
    await world.post({"providerMessageId": "a1", "status": "ABSENCE_PERMANENT_ERROR"})


@case(changes=False)
async def a_repeat_by_webhook(world: World) -> AsyncIterator[None]:
    receipt = {"messageId": world.messages[0]["id"], "status": "RECEIVED"}
    await world.post(receipt)
    yield
    await world.post(receipt, receipt)


# The address book and the blacklist, of which a campaign's figures know nothing


@case("createContact", changes=False)
async def a_contact(world: World) -> AsyncIterator[None]:
    yield
    done = await act(world.api, "createContact", {"number": NUMBERS[0]}, "userErrors { code }")
    assert done == {"userErrors": []}


@case("updateContact", changes=False)
async def a_contact_that_is_changed(world: World) -> AsyncIterator[None]:
    made = await act(world.api, "createContact", {"number": NUMBERS[0]}, "contact { id }")
    yield
    given = {"id": made["contact"]["id"], "name": "Ada"}
    done = await act(world.api, "updateContact", given, "contact { name }")
    assert done == {"contact": {"name": "Ada"}}


@case("deleteContact", changes=False)
async def a_contact_that_is_deleted(world: World) -> AsyncIterator[None]:
    made = await act(world.api, "createContact", {"number": NUMBERS[0]}, "contact { id }")
    yield
    given = {"id": made["contact"]["id"]}
    assert await act(world.api, "deleteContact", given, "deletedId") == {"deletedId": given["id"]}


@case("addToBlacklist", changes=False)
async def a_number_that_is_listed(world: World) -> AsyncIterator[None]:
    yield
    done = await act(world.api, "addToBlacklist", {"number": NUMBERS[0]}, "entry { number }")
    assert done == {"entry": {"number": NUMBERS[0]}}


@case("removeFromBlacklist", changes=False)
async def a_number_that_is_taken_off(world: World) -> AsyncIterator[None]:
    entry = await bar(world.api.db, world.api.workspace, NUMBERS[0])
    yield
    given = {"id": ids.to_global("BlacklistEntry", entry.id)}
    done = await act(world.api, "removeFromBlacklist", given, "removedId")
    assert done == {"removedId": given["id"]}


@case()
async def a_word_that_is_not_known(world: World) -> AsyncIterator[None]:
    webhook = await world.api.new_source("smsmode")
    yield
    query = legacy_query("SENT", NUMBERS[0], ref_client=world.messages[0]["id"])
    unknown = query.replace("statut=0", "statut=4711")
    assert unknown != query
    assert await call(world.api.http, webhook, unknown) == 200


@case()
async def a_wait_that_is_over(world: World) -> AsyncIterator[None]:
    async with quiet(world.api.db, after=timedelta(hours=71), slots=(60, 61)) as process:
        # Registered so long ago; the server's own patience, of 72 hours, is not over yet.
        process.now = utc_now() - timedelta(hours=71, minutes=1)
        added = await process.registration.add_recipients(
            world.api.workspace,
            ids.read_campaign(world.campaign),
            [NewRecipient("+33612345604")],
        )
        assert len(added.messages) == 1
        yield
        process.now = utc_now()
        await process.expiry.expire()
    statuses = {m["status"] for m in (await world.look()).messages.values()}
    assert "ABSENCE_TEMPORARY_ERROR" in statuses


# What holds for all of them


def test_every_mutation_has_a_case() -> None:
    mutation = make_schema()._schema.mutation_type
    assert mutation is not None

    assert {one.mutation for one in CASES.values() if one.mutation is not None} == set(
        mutation.fields
    )


def applied(held: Rows, events: list[dict[str, Any]]) -> Rows:
    """The messages that were held, after these events of messagesUpdated."""
    rows = dict(held)
    for event in events:
        update = event["messagesUpdated"]
        assert update["resync"] is False
        rows.update({m["id"]: m for m in update["messages"]})
    return rows


@dataclass
class Views:
    """Who watches: each holds what the query showed, and applies its events."""

    held: Held
    messages: list[Watch]
    campaign: Watch
    campaigns: Watch

    def all_show(self, fresh: Held) -> bool:
        """Whether each of them shows what a fresh query does."""
        return (
            all(applied(self.held.messages, w.events) == fresh.messages for w in self.messages)
            and self.campaign.events[-1]["campaignUpdated"] == fresh.campaign
            and self._history() == fresh.campaigns
        )

    def check(self, fresh: Held) -> None:
        """The same, saying what differs."""
        for watch in self.messages:
            assert applied(self.held.messages, watch.events) == fresh.messages
        assert self.campaign.events[-1]["campaignUpdated"] == fresh.campaign
        assert self._history() == fresh.campaigns

    def _history(self) -> Rows:
        rows = dict(self.held.campaigns)
        for event in self.campaigns.events:
            rows.update({c["id"]: c for c in event["campaignsUpdated"]})
        return rows


async def converge(world: World, views: Views) -> Held:
    """Wait until all show what a fresh query does; what that is."""
    for _ in range(200):
        fresh = await world.look()
        if views.all_show(fresh):
            return fresh
        await asyncio.sleep(0.05)
    views.check(fresh)
    return fresh


@pytest.mark.parametrize("name", sorted(CASES))
async def test_state_and_events_are_what_a_fresh_query_shows(api: Api, name: str) -> None:
    # given a campaign, what happened to it before, and one who has queried and now watches
    campaign = await api.new_campaign(sentAt="2026-01-01T08:00:00Z")
    *messages, last = await api.add(campaign, [*NUMBERS, LAST])
    world = World(api, campaign, messages, last)
    happening = CASES[name].happening(world)
    await anext(happening)
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(connected(api.ws, api.key))
        history = await stack.enter_async_context(watching(session, CAMPAIGNS_UPDATED))
        # its first event: from now on nothing is missed, so the query comes after it
        await history.until(lambda events: len(events) > 0)
        assert history.events[0] == {"campaignsUpdated": []}
        held = await world.look()
        since = {"c": campaign, "after": held.campaign["updatesCursor"]}
        views = Views(
            held,
            [await stack.enter_async_context(watching(session, MESSAGES_UPDATED, since))],
            await stack.enter_async_context(watching(session, CAMPAIGN_UPDATED, {"c": campaign})),
            history,
        )
        for watch in (*views.messages, views.campaign):
            await watch.until(lambda events: len(events) > 0)

        # when it happens
        with pytest.raises(StopAsyncIteration):
            await anext(happening)

        # then all show what a fresh query shows, and so does one who comes back with the cursor of before
        views.messages.append(
            await stack.enter_async_context(watching(session, MESSAGES_UPDATED, since))
        )
        await views.messages[1].until(lambda events: len(events) > 0)
        fresh = await converge(world, views)
        assert (fresh != held) is CASES[name].changes

        # and nothing else is still on its way: when a last change has arrived, they show no more than that
        await world.record({"messageId": last["id"], "status": "RECEIVED", "errorReason": "last"})
        newest = await world.look()
        row = newest.messages[last["id"]]
        for watch in views.messages:
            await watch.until(lambda events: applied({}, events).get(row["id"]) == row)
        await converge(world, views)
