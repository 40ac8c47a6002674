"""Every scope with every field: what a key may see and do stands in one table, and the server does what it says.

The fields are read off the schema. One that the table does not know makes these tests fail, and so does a line of the
table without a field.
"""

import asyncio
import itertools
import json
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest
from graphql import GraphQLEnumType, get_named_type

from gql_server.auth import SCOPES
from gql_server.domain import ids
from gql_server.metrics import ANSWERS
from gql_server.numbers import masked
from tests.asking import KINDS, SCHEMA, Document, fields, inputs, leaves, paths, places_on, root
from tests.conftest import Api
from tests.resolvers.mutating import act, report
from tests.tenants import FRENCH, LATER, SAMPLES, Tenant, choices, furnished, lists, nobodys_person
from tests.wires import Socket, acknowledged, streaming

READ = "reports:read"
CONTACTS = "contacts:read"
WRITE = "campaigns:write"
RECEIPTS = "receipts:write"
ADMIN = "admin"

SHOWN = "shown"
"""To whoever may do what leads to it: a mutation shows what it was about to keys that may write and not read."""
MASKED = "masked"
"""The same, but numbers are masked, and names left out, without contacts:read."""


def each(type_: str, rule: str, names: str) -> dict[str, str]:
    """The same rule for these fields of a type."""
    return {f"{type_}.{name}": rule for name in names.split()}


RULES: Mapping[str, str] = {
    **each("Query", READ, "node nodes campaign campaigns statistics contacts blacklist"),
    **each("Query", SHOWN, "viewer"),
    **each("Viewer", SHOWN, "workspace scopes"),
    **each("Subscription", READ, "campaignUpdated campaignsUpdated messagesUpdated"),
    **each("Mutation", WRITE, "createCampaign updateCampaign addRecipients bindProviderMessages"),
    **each("Mutation", WRITE, "createContact updateContact deleteContact"),
    **each("Mutation", WRITE, "addToBlacklist removeFromBlacklist"),
    **each("Mutation", RECEIPTS, "recordReceipts"),
    **each("Mutation", ADMIN, "erasePerson"),
    **each("CreateCampaignPayload", SHOWN, "campaign userErrors clientMutationId"),
    **each("UpdateCampaignPayload", SHOWN, "campaign userErrors clientMutationId"),
    **each("AddRecipientsPayload", SHOWN, "campaign added messages userErrors clientMutationId"),
    **each("BindProviderMessagesPayload", SHOWN, "bound userErrors clientMutationId"),
    **each("RecordReceiptsPayload", SHOWN, "applied ignored parked userErrors clientMutationId"),
    **each("ErasePersonPayload", SHOWN, "erasedMessages userErrors clientMutationId"),
    **each("CreateContactPayload", SHOWN, "contact userErrors clientMutationId"),
    **each("UpdateContactPayload", SHOWN, "contact userErrors clientMutationId"),
    **each("DeleteContactPayload", SHOWN, "deletedId userErrors clientMutationId"),
    **each("AddToBlacklistPayload", SHOWN, "entry userErrors clientMutationId"),
    **each("RemoveFromBlacklistPayload", SHOWN, "removedId userErrors clientMutationId"),
    **each("Contact", SHOWN, "id createdAt groups removal"),
    **each("Contact", MASKED, "number name attributes"),
    **each("ContactAttribute", MASKED, "name value"),
    **each("ContactRemoval", SHOWN, "reason at status errorCode campaign"),
    **each("BlacklistEntry", SHOWN, "id reason since campaign"),
    **each("BlacklistEntry", MASKED, "number"),
    **each("CampaignHygiene", READ, "removed blacklisted removedContacts blacklistEntries"),
    **each("ContactConnection", READ, "edges nodes pageInfo totalCount"),
    **each("ContactEdge", READ, "cursor node"),
    **each("BlacklistConnection", READ, "edges nodes pageInfo totalCount"),
    **each("BlacklistEdge", READ, "cursor node"),
    **each("UserError", SHOWN, "field code message"),
    **each("Campaign", SHOWN, "id name text sender type state createdAt sentAt partsPerMessage"),
    **each("Campaign", READ, "recipientCount cost statistics updatesCursor timeline breakdown"),
    **each("Campaign", READ, "deliveryTime alerts messages hygiene audience"),
    **each("Campaign", SHOWN, "filling audienceOf"),
    **each("Message", MASKED, "recipient contactName"),
    **each("Message", SHOWN, "id reference status statusLabel indicator statusAt errorCode"),
    **each("Message", SHOWN, "errorReason provider country operator history campaign"),
    **each("StatusChange", SHOWN, "status at errorCode"),
    **each("DeliveryStatistics", READ, "revision asOf total indicators statuses"),
    **each("IndicatorRate", READ, "indicator label count rate statuses action advice"),
    **each("StatusCount", READ, "status label count rate"),
    **each("TimelinePoint", READ, "at interval statuses"),
    **each("BreakdownRow", READ, "key value label total indicators"),
    **each("DeliveryTime", READ, "count p50 p90 p99"),
    **each("Alert", READ, "indicator rate threshold message"),
    **each("CampaignConnection", READ, "edges nodes pageInfo totalCount"),
    **each("CampaignEdge", READ, "cursor node"),
    **each("MessageConnection", READ, "nodes pageInfo edges totalCount"),
    **each("MessageEdge", READ, "cursor node"),
    **each("PageInfo", READ, "hasNextPage hasPreviousPage startCursor endCursor"),
    **each("MessageUpdates", READ, "cursor resync messages"),
}
"""By field: the scope that it needs wherever it is met, or how it is shown to who has got so far."""

ASKED_WITH: Mapping[str, str] = {
    "MessageFilter.search": CONTACTS,
    "Query.contacts(search:)": CONTACTS,
    "Query.blacklist(search:)": CONTACTS,
    "MessageOrderField.RECIPIENT": CONTACTS,
}
"""What needs a scope of its own where it is asked with: what is found, and in which order, would tell numbers."""

KEYS: Mapping[str, frozenset[str]] = {
    "none": frozenset(),
    **{f"only {scope}": frozenset({scope}) for scope in SCOPES},
    **{f"all but {scope}": frozenset(SCOPES) - {scope} for scope in SCOPES},
    "all": frozenset(SCOPES),
}

FIRST_ROOTS = ("campaign", "addRecipients", "updateContact")
"""By these ways most of what there is can be reached, with something in it."""


NEW = ("createContact", "addToBlacklist")
OF_A_NEW_ONE = 3


@dataclass
class World:
    """A workspace with something of everything, and a key for each set of scopes."""

    tenant: Tenant
    keys: dict[str, str]

    @property
    def api(self) -> Api:
        """A client with all scopes."""
        return self.tenant.api

    @property
    def campaign(self) -> str:
        """The one with receipts."""
        return self.tenant.campaigns["SENDING"]

    def values(self, place: str = "") -> dict[str, Any]:
        """What every field is asked with, that at `place` among them; each time it adds another recipient."""
        number = next(_numbers)
        message = self.tenant.messages[-1]
        contact = ids.to_global("Contact", self.tenant.removed)
        node = {
            **dict.fromkeys(("Contact", "ContactRemoval", "ContactAttribute"), contact),
            "BlacklistEntry": ids.to_global("BlacklistEntry", self.tenant.entry),
        }.get(place.partition(".")[0], message["id"])
        return {
            "Query.node(id:)": node,
            "Query.nodes(ids:)": [node],
            "Query.campaign(id:)": self.campaign,
            "Campaign.breakdown(by:)": "COUNTRY",
            "Campaign.messages(first:)": 2,
            "Campaign.audience(indicators:)": ["RECEIPT", "PENDING", "TEMPORARY_ERROR"],
            "Subscription.campaignUpdated(id:)": self.campaign,
            "Subscription.messagesUpdated(campaignId:)": self.campaign,
            "CreateCampaignInput.name": "Mine",
            "CreateCampaignInput.text": "Hello",
            "CreateCampaignInput.sender": "ME",
            "UpdateCampaignInput.id": self.campaign,
            "UpdateCampaignInput.name": f"{number}",
            "AddRecipientsInput.campaignId": self.campaign,
            "AddRecipientsInput.recipients": [
                {"number": f"{FRENCH}{number}", "name": "Zoë"},
                {"number": "none"},
            ],
            "ProviderMessageInput.messageId": message["id"],
            "ProviderMessageInput.provider": "twilio",
            "ProviderMessageInput.providerMessageIds": [f"SM{number}"],
            "Query.contacts(removed:)": True,
            "CreateContactInput.number": f"{FRENCH}{number}",
            "CreateContactInput.name": "Zoë",
            "CreateContactInput.attributes": [{"name": "town", "value": "Ghent"}],
            "UpdateContactInput.id": ids.to_global("Contact", self.tenant.removed),
            "UpdateContactInput.groups": [number],
            "UpdateContactInput.attributes": [{"name": "town", "value": "Ghent"}],
            "DeleteContactInput.id": nobodys_person("Contact"),
            "AddToBlacklistInput.number": f"{FRENCH}{number}",
            "RemoveFromBlacklistInput.id": nobodys_person("BlacklistEntry"),
            # nobody's: what it does to a person is tested with the erasing
            "ErasePersonInput.number": f"+337{number}",
            "ReceiptInput.messageId": message["id"],
            "ReceiptInput.status": "SENT",
            "ReceiptInput.at": LATER,
        }


_numbers = (f"{n:08}" for n in itertools.count(70_000_000))


@pytest.fixture(scope="module")
async def world(standing: Api) -> World:
    tenant = await furnished(standing, FRENCH)
    keys = {name: await tenant.api.new_key(scopes=scopes) for name, scopes in KEYS.items()}
    return World(tenant, keys)


def outcome(kind: str, way: Sequence[str], scopes: frozenset[str], place: str = "") -> str:
    """What the table says becomes of a field that is asked for on this way."""
    rules = [RULES[at] for at in places_on(kind, way, of=place.partition(".")[0])]
    if any(rule in SCOPES and rule not in scopes for rule in rules):
        return "FORBIDDEN"
    return MASKED if rules[-1] == MASKED and CONTACTS not in scopes else SHOWN


def seen(answer: Mapping[str, Any], way: Sequence[str]) -> str:
    """What has become of it."""
    if "errors" in answer:
        (code,) = {error["extensions"]["code"] for error in answer["errors"]}
        found = [leaf for leaf in leaves(answer.get("data"), way) if leaf is not None]
        assert found == [], answer
        return str(code)
    holders = [one for one in flat(leaves(answer["data"], way[:-1])) if one is not None]
    if not holders and "attributes" in way:
        return MASKED  # of a person, and left out
    assert holders, f"nothing is there to be seen on the way {way}"
    values = [one[way[-1]] for one in holders]
    name = way[-1]
    if name in ("recipient", "number"):
        return MASKED if all("•" in value for value in values) else SHOWN
    if name in ("contactName", "name", "attributes") and {*holders[0]} != {"name", "value"}:
        return MASKED if not any(values) else SHOWN
    return SHOWN


def flat(values: Sequence[Any]) -> list[Any]:
    """What is in these, and in the lists among them."""
    return [inner for one in values for inner in (flat(one) if isinstance(one, list) else [one])]


def ways(kind: str) -> dict[str, list[str]]:
    """A way to each field, and to what is masked a way from each field of the root from which there is one."""
    found = paths(kind, first=FIRST_ROOTS)
    for name in root(kind).fields:
        for place, way in paths(kind, only=name).items():
            # A new campaign has no messages yet, and a new contact or entry no campaign.
            new = name == "createCampaign" or (name in NEW and len(way) > OF_A_NEW_ONE)
            if RULES.get(place) == MASKED and not new:
                found[f"{place} by {name}"] = way
    return found


def test_the_table_knows_every_field_and_no_other() -> None:
    assert fields() - RULES.keys() == set()
    assert RULES.keys() - fields() == set()


def test_every_field_is_asked_for() -> None:
    assert set().union(*(paths(kind, first=FIRST_ROOTS) for kind in KINDS)) == RULES.keys()


def test_all_scopes_are_those_of_the_table() -> None:
    """What needs contacts:read is masked without it, or stands in the other table."""
    assert set(RULES.values()) - {SHOWN, MASKED} <= set(SCOPES)
    assert set(SCOPES) - set(RULES.values()) == {CONTACTS}
    assert set(ASKED_WITH.values()) == {CONTACTS}


def test_what_is_asked_with_is_in_the_schema() -> None:
    values = {
        f"{name}.{value}"
        for name, enum in SCHEMA.type_map.items()
        if isinstance(enum, GraphQLEnumType)
        for value in enum.values
    }
    assert ASKED_WITH.keys() <= inputs().keys() | values


@pytest.mark.parametrize("name", KEYS)
async def test_a_query_shows_what_the_table_says(world: World, name: str) -> None:
    wrong: list[str] = []
    for place, way in ways("query").items():
        document = Document.along("query", way, world.values(place), of=place.partition(".")[0])
        answer = await world.api.post(document.text, document.variables, key=world.keys[name])
        expected = outcome("query", way, KEYS[name], place)
        if (found := seen(answer.json(), way)) != expected:
            wrong.append(f"{place}: {found}, not {expected}")
        elif expected == SHOWN and not place.startswith(("Query.viewer", "Viewer.")):
            # each viewer is told of itself
            whole = await world.api.post(document.text, document.variables)
            assert answer.content == whole.content
    assert wrong == []


@pytest.mark.parametrize("name", KEYS)
async def test_a_mutation_shows_and_does_what_the_table_says(world: World, name: str) -> None:
    campaigns = "{ campaigns { totalCount } }"
    before = (await report(world.api, world.campaign), await world.api.ask(campaigns))
    wrong: list[str] = []
    for place, way in ways("mutation").items():
        document = Document.along("mutation", way, world.values(place), of=place.partition(".")[0])
        answer = await world.api.post(document.text, document.variables, key=world.keys[name])
        expected = outcome("mutation", way, KEYS[name], place)
        if (found := seen(answer.json(), way)) != expected:
            wrong.append(f"{place}: {found}, not {expected}")
    assert wrong == []
    after = (await report(world.api, world.campaign), await world.api.ask(campaigns))
    if not KEYS[name] & {WRITE, RECEIPTS}:
        assert after == before
    elif WRITE not in KEYS[name]:
        assert after[1] == before[1]
        assert after[0]["recipientCount"] == before[0]["recipientCount"]
        assert after[0]["name"] == before[0]["name"]
    else:
        assert after[0] != before[0]


async def event(socket: Socket, document: Document) -> Any:
    """What a subscription says first."""
    id_ = secrets.token_hex(4)
    await socket.subscribe(id_, document.text, variables=document.variables)
    while (frame := await socket.receive()).get("id") != id_:
        if frame["type"] == "ping":
            await socket.send({"type": "pong"})
    if frame["type"] == "error":
        return {"errors": frame["payload"]}
    assert frame["type"] == "next", frame
    await socket.send({"id": id_, "type": "complete"})
    return frame["payload"]


async def told(world: World, socket: Socket, document: Document) -> Any:
    """The first event of a subscription in which there is something.

    Of those that begin with an empty list the one after that: until then something is changed again and again.
    """
    id_ = secrets.token_hex(4)
    variables = {**document.variables}
    await socket.subscribe(id_, document.text, variables=variables)
    changing = asyncio.create_task(change(world))
    try:
        while True:
            frame = await socket.receive()
            if frame["type"] == "ping":
                await socket.send({"type": "pong"})
            elif frame.get("id") == id_:
                if frame["type"] == "error":
                    return {"errors": frame["payload"]}
                assert frame["type"] == "next", frame
                if "errors" in frame["payload"] or not is_empty(frame["payload"]["data"]):
                    await socket.send({"id": id_, "type": "complete"})
                    return frame["payload"]
    finally:
        changing.cancel()


async def change(world: World) -> None:
    """Something of the campaign, all the time."""
    while True:
        recipient = {"number": f"{FRENCH}{next(_numbers)}", "name": "Zoë"}
        given = {"campaignId": world.campaign, "recipients": [recipient]}
        await act(world.api, "addRecipients", given, "added")
        await asyncio.sleep(0.05)


def is_empty(data: Any) -> bool:
    """Whether it is the beginning of a list of changes."""
    (value,) = data.values()
    return value == [] or (isinstance(value, dict) and value.get("messages") == [])


@pytest.mark.parametrize("name", KEYS)
async def test_a_subscription_shows_what_the_table_says(world: World, name: str) -> None:
    wrong: list[str] = []
    async with acknowledged(world.api, key=world.keys[name]) as socket:
        for place, way in ways("subscription").items():
            values = world.values(place)
            values |= {
                f"{at}(minIntervalMs:)": 100
                for at in places_on("subscription", way)
                if at.startswith("Subscription.")
            }
            document = Document.along("subscription", way, values)
            begins_empty = way[0] != "campaignUpdated" and READ in KEYS[name] and len(way) > 1
            ask = told(world, socket, document) if begins_empty else event(socket, document)
            expected = outcome("subscription", way, KEYS[name])
            if (found := seen(await ask, way)) != expected:
                wrong.append(f"{place}: {found}, not {expected}")
    assert wrong == []


@pytest.mark.parametrize("list_", lists())
async def test_orders_and_conditions_need_what_the_table_says(world: World, list_: str) -> None:
    way = [*paths("query", first=FIRST_ROOTS)[list_], "pageInfo", "hasNextPage"]
    asked: Counter[str] = Counter()
    for beside in choices(world.tenant, list_):
        document = Document.along("query", way, {**world.values(), **beside})
        offered = await world.api.codes(document.text, document.variables)
        assert offered in ([], ["UNSUPPORTED_COMBINATION"])
        needed = {ASKED_WITH[one] for one in named_by(beside) if one in ASKED_WITH}
        for name, scopes in KEYS.items():
            if READ not in scopes or offered:
                continue
            codes = await world.api.codes(document.text, document.variables, key=world.keys[name])
            expected = [] if needed <= scopes else ["FORBIDDEN"]
            assert codes == expected, (name, beside)
            asked[str(expected)] += 1
    assert asked["[]"] >= len([scopes for scopes in KEYS.values() if READ in scopes])
    searched = {"Campaign.messages", "Query.contacts", "Query.blacklist"}
    assert (asked["['FORBIDDEN']"] > 0) == (list_ in searched)


def named_by(given: Mapping[str, Any]) -> set[str]:
    """The places at which something is given, and the values of enums that are."""
    there = inputs()
    enums = {
        f"{named.name}.{value}"
        for place, value in given.items()
        if isinstance(named := get_named_type(there[place]), GraphQLEnumType)
        and isinstance(value, str)
    }
    return {*given, *enums}


async def test_conditions_of_a_subscription_need_the_same(world: World) -> None:
    names = [f"MessageFilter.{name}" for name in SCHEMA.type_map["MessageFilter"].fields]  # type: ignore[attr-defined]
    for name, scopes in KEYS.items():
        if READ not in scopes:
            continue
        async with acknowledged(world.api, key=world.keys[name]) as socket:
            for place in names:
                sample = world.tenant.own(SAMPLES[place][0])
                listed = str(inputs()[place]).startswith("[")
                values = {**world.values(), place: [sample] if listed else sample}
                way = ["messagesUpdated", "cursor"]
                answer = await event(socket, Document.along("subscription", way, values))
                allowed = ASKED_WITH.get(place, READ) in scopes
                assert seen(answer, way) == (SHOWN if allowed else "FORBIDDEN"), (name, place)


@pytest.mark.parametrize("order", ["clear first", "masked first"])
async def test_no_answer_that_is_kept_shows_more(world: World, order: str) -> None:
    """The same document again and again, by POST and by GET, from those who may see numbers and those who may not."""
    names = ["all", f"all but {CONTACTS}", f"only {READ}", f"all but {READ}", "none"]
    sized = 3
    if order == "masked first":
        names.reverse()
        sized = 4
    campaign = await world.api.new_campaign(5)
    (message,) = await world.api.add(campaign, [f"{FRENCH}{next(_numbers)}"])
    kept = again()
    for place, way in ways("query").items():
        if not place.startswith(("Message.recipient", "Message.contactName")):
            continue
        if way[0] in ("contacts", "blacklist"):
            continue  # what hangs on these lists is never kept
        values = {
            **world.values(),
            "Query.node(id:)": message["id"],
            "Query.nodes(ids:)": [message["id"]],
            "Campaign.messages(first:)": sized,
        }
        document = Document.along("query", way, values)
        for name in [*names, *names]:
            by_post = await world.api.post(document.text, document.variables, key=world.keys[name])
            by_get = await world.api.http.get(
                f"{world.api.base}/graphql",
                params={"query": document.text, "variables": json.dumps(document.variables)},
                headers={"authorization": f"Bearer {world.keys[name]}"},
            )
            for answer in (by_post, by_get):
                expected = outcome("query", way, KEYS[name], place)
                if place.startswith("Message.contactName") and way[0] in ("node", "nodes"):
                    expected = MASKED if expected == SHOWN else expected  # it has none
                assert seen(answer.json(), way) == expected, (place, name)
    assert again() - kept > 20


def again() -> float:
    """How many answers were given again so far."""
    found: float = ANSWERS.labels("again")._value.get()
    return found


@pytest.mark.parametrize("transport", ["websocket", "sse"])
async def test_subscribers_to_one_document_see_each_what_they_may(
    world: World, transport: str
) -> None:
    """An execution that is shared is shared by those with the same rights alone."""
    values = {
        **world.values(),
        "Subscription.campaignUpdated(minIntervalMs:)": 100,
        "Subscription.campaignsUpdated(minIntervalMs:)": 100,
        "Subscription.messagesUpdated(minIntervalMs:)": 100,
        "Campaign.messages(first:)": 100,
    }
    names = ["all", f"all but {CONTACTS}", "all", f"all but {CONTACTS}"]
    campaign = await world.api.new_campaign(3)
    values["Subscription.campaignUpdated(id:)"] = campaign
    values["Subscription.messagesUpdated(campaignId:)"] = campaign
    for field in root("subscription").fields:
        document = Document.whole("subscription", field, values)
        api = replace(world.api, key=world.keys["all"])
        async with AsyncExitStack() as stack:
            streams: list[Any] = []
            for name in names:
                key = world.keys[name]
                if transport == "sse":
                    stream = await stack.enter_async_context(
                        streaming(api, document.text, document.variables, key=key)
                    )
                    streams.append(stream)
                else:
                    socket = await stack.enter_async_context(acknowledged(api, key=key))
                    await socket.subscribe("1", document.text, variables=document.variables)
                    streams.append(socket)
            for stream in streams:
                await stream.next()
            number = f"{FRENCH}{next(_numbers)}"
            await world.api.add(campaign, [number])
            for name, stream in zip(names, streams, strict=True):
                hidden = masked(number)
                text = ""
                while number not in text and hidden not in text:
                    text = json.dumps(await stream.next(), ensure_ascii=False)
                assert (number in text) == (CONTACTS in KEYS[name]), (field, name)
                assert CONTACTS in KEYS[name] or "+33600000000" not in text
