"""Two workspaces on one server: what one of them has, how it would be known again, and how all of it is named."""

import base64
import itertools
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from graphql import GraphQLEnumType, GraphQLInputObjectType, get_named_type

from gql_server.auth import SCOPES
from gql_server.database import Database
from gql_server.domain import ids
from gql_server.domain.blacklist import BlacklistReason
from gql_server.domain.person import Kind, Mark, News
from gql_server.domain.status import DeliveryStatus
from gql_server.people import NewContact, People
from gql_server.services import utc_now
from gql_server.store import blacklist, people
from tests.asking import SCHEMA, Document, inputs, leaves, paths
from tests.conftest import Api
from tests.importing import upload

FIRST = "2026-11-23T08:00:00Z"
LATER = "2026-11-23T09:00:00Z"
FAR = "2050-01-01T00:00:00Z"

FRENCH, GERMAN = "+336", "+4915"

SAMPLES: Mapping[str, tuple[str, ...]] = {
    "CampaignFilter.search": ("{mark}",),
    "CampaignFilter.type": ("MARKETING",),
    "CampaignFilter.state": ("SENDING", "SCHEDULED", "COMPLETED"),
    "CampaignFilter.sentFrom": ("2000-01-01T00:00:00Z",),
    "CampaignFilter.sentTo": ("2090-01-01T00:00:00Z",),
    "MessageFilter.statuses": ("RECEIVED",),
    "MessageFilter.indicators": ("PENDING",),
    "MessageFilter.search": ("{number}*", "{last}", "{mark}"),
    "MessageFilter.country": ("{country}",),
    "MessageFilter.errorCode": ("{mark}-77",),
    "Query.contacts(search:)": ("{number}*", "{last}", "{mark}"),
    "Query.contacts(group:)": ("{mark} group",),
    "Query.blacklist(search:)": ("{barred}*", "{barred_last}"),
}
"""What each condition of a list is tried with, so that rows of the tenant meet it, by words of its own."""

STANDING = ["RECEIPT", "PENDING", "TEMPORARY_ERROR"]
"""Where messages of a tenant stand."""


@dataclass
class Tenant:
    """A workspace with something of every kind."""

    api: Api
    mark: str
    begin: str
    campaigns: dict[str, str] = field(default_factory=dict)
    #: of the campaign that is SENDING: id, reference, number, name
    messages: list[dict[str, Any]] = field(default_factory=list)
    provider_id: str = ""
    parked_key: str = ""
    parked_reference: str = ""
    blacklisted: str = ""
    entry: str = ""
    contact: str = ""
    removed: str = ""
    webhooks: list[str] = field(default_factory=list)
    #: an import, whose key is the mark
    imported: str = ""
    keys: list[str] = field(default_factory=list)

    def own(self, text: str) -> str:
        """A sample, with this tenant's own words."""
        number: str = self.messages[0]["number"]
        country = "FR" if self.begin == FRENCH else "DE"
        return text.format(
            mark=self.mark,
            number=number[:-2],
            last=number[-4:],
            country=country,
            barred=self.blacklisted[:-2],
            barred_last=self.blacklisted[-4:],
        )

    def marks(self) -> set[str]:
        """What tells of this workspace, wherever it is read."""
        raw = {ids.read_campaign(campaign) or "" for campaign in self.campaigns.values()}
        found = {self.mark, self.api.workspace, *self.campaigns.values(), *raw}
        # masked it would show at least this
        found |= {self.begin[:3], *(one["number"] for one in self.messages)}
        found |= {one["id"] for one in self.messages} | {one["reference"] for one in self.messages}
        people = {self.contact, self.removed, self.entry}
        found |= people | {ids.to_global("Contact", one) for one in people}
        found |= {ids.to_global("BlacklistEntry", one) for one in people}
        found |= {webhook.rpartition("/")[2] for webhook in self.webhooks}
        found |= {key.split("_", 2)[1] for key in self.keys} | set(self.keys)
        return {one for one in found if one}


async def furnished(api: Api, begin: str) -> Tenant:
    """A new workspace with campaigns of each state, messages, receipts that wait, and all else that there is."""
    mark = f"zq{secrets.token_hex(5)}"
    own = replace(api, workspace=f"w-{mark}")
    own.key = await own.new_key()
    tenant = Tenant(own, mark, begin, keys=[own.key, await own.new_key()])
    # last digits that begin with 00 would have to be written otherwise
    numbers = (f"{begin}{secrets.randbelow(10**4):04}{n}" for n in itertools.count(1111))
    tenant.provider_id = f"{mark}-sm-1"
    wanted: tuple[tuple[str, str, int], ...] = (
        ("SCHEDULED", FAR, 2),
        ("SENDING", "2026-11-20T08:00:00Z", 5),
        ("COMPLETED", "2026-11-21T08:00:00Z", 2),
    )
    for state, sent_at, recipients in wanted:
        campaign = await own.new_campaign(
            name=f"{mark} {state}", text=f"{mark} text", sender=mark[:20], sentAt=sent_at
        )
        tenant.campaigns[state] = campaign
        given = [
            {"number": next(numbers), "name": f"{mark} {state} {n}"} for n in range(recipients)
        ]
        if state == "SENDING":
            given[0] |= {"provider": "twilio", "providerMessageIds": [tenant.provider_id]}  # type: ignore[dict-item]
        added = (await _done(own, "addRecipients", {"campaignId": campaign, "recipients": given}))[
            "messages"
        ]
        rows = [{**message, **one} for message, one in zip(added, given, strict=True)]
        if state == "SENDING":
            tenant.messages = rows
        for n, row in enumerate(rows):
            if state == "COMPLETED" or (state == "SENDING" and n < 3):
                await _received(tenant, row["reference"], "RECEIVED" if n else "OTHER_ERROR")
    told = await upload(own, tenant.campaigns["COMPLETED"], "number\nx\n", key=mark)
    tenant.imported = told.json()["id"]
    tenant.parked_reference = f"{ids.campaign_id(secrets.randbits(60))}-000000"
    tenant.parked_key = f"{mark}-sm-parked"
    await _received(tenant, tenant.parked_reference, "RECEIVED")
    parked = {"provider": "twilio", "providerMessageId": tenant.parked_key}
    await _record(own, parked | {"status": "RECEIVED", "at": FIRST, "errorReason": f"{mark} why"})
    tenant.blacklisted = f"{FRENCH}99{secrets.randbelow(10**6):06}"
    await _a_book(tenant)
    tenant.webhooks = [
        await own.new_source("generic"),
        await own.new_source("twilio", secrets_=(f"{mark}-secret",)),
    ]
    await own.db.collection("workspaces").update_one(
        {"_id": own.workspace}, {"$set": {"creditsPerPart": 7.25}}
    )
    return tenant


async def _a_book(tenant: Tenant) -> None:
    """Two contacts, of whom one is removed, and a number that is blacklisted, both by the campaign that is SENDING."""
    own, mark = tenant.api, tenant.mark
    campaign = ids.read_campaign(tenant.campaigns["SENDING"])
    book = People(own.db, clock=utc_now)
    for place in (0, 1):
        wanted = NewContact(
            tenant.messages[place]["number"],
            f"{mark} contact {place}",
            {f"{mark} attribute": f"{mark} value"},
            (f"{mark} group",),
        )
        made, errors = await book.create_contact(own.workspace, wanted)
        assert errors == []
        assert made is not None
        tenant.contact, tenant.removed = tenant.removed, made
    reason = BlacklistReason.UNSUBSCRIBED
    news = {
        tenant.messages[1]["number"]: [
            News(Kind.FAILED, Mark(utc_now(), None, campaign, DeliveryStatus.ROUTING_ERROR, mark))
        ],
        tenant.blacklisted: [News(Kind.OPTED_OUT, Mark(utc_now(), reason, campaign))],
    }
    await own.db.transaction(lambda tx: people.hear(tx, own.workspace, news))
    entry = await blacklist.of_number(own.db.latest, own.workspace, tenant.blacklisted)
    assert entry is not None
    tenant.entry = entry.id


async def _received(tenant: Tenant, reference: str, status: str) -> None:
    receipt = {"messageId": reference, "status": status, "at": FIRST}
    receipt |= {"errorCode": f"{tenant.mark}-77", "errorReason": f"{tenant.mark} reason"}
    await _record(tenant.api, receipt)


async def _record(api: Api, receipt: Mapping[str, Any]) -> None:
    done = await _done(api, "recordReceipts", {"receipts": [dict(receipt)]})
    assert done["applied"] + done["parked"] == 1, done


async def _done(api: Api, mutation: str, given: dict[str, Any]) -> Any:
    kind = f"{mutation[0].upper()}{mutation[1:]}Input"
    more = "messages { id reference }" if mutation == "addRecipients" else "applied parked"
    query = f"mutation($i: {kind}!) {{ {mutation}(input: $i) {{ {more} userErrors {{ code }} }} }}"
    payload = (await api.ask(query, {"i": given}))[mutation]
    assert payload["userErrors"] == []
    return payload


@dataclass(frozen=True)
class Thing:
    """Something of a tenant that a caller can name, and something of the same form that nobody has."""

    name: str
    foreign: str
    unknown: str
    #: what must be given beside it, so that it fits: the filter and the order of a cursor's list
    beside: Mapping[str, Any] = field(default_factory=dict)
    #: of a cursor: the campaign that it is of, and one that nobody has
    of: tuple[str, str] | None = None
    #: of a cursor: the place that it is made for
    place: str | None = None

    @property
    def form(self) -> str:
        """Those of one form look the same to whoever takes them."""
        return self.place or self.name.split()[0]


def nobodys_campaign() -> str:
    """A campaign's id that was never given."""
    return ids.to_global("Campaign", ids.campaign_id(secrets.randbits(60)))


def nobodys_reference() -> str:
    """A message's reference that was never given."""
    return ids.message_id(ids.campaign_id(secrets.randbits(60)), 0)


def nobodys_message() -> str:
    """A message's id that was never given."""
    return ids.to_global("Message", nobodys_reference())


def nobodys_person(type_name: str) -> str:
    """An id of a contact, or of an entry of the blacklist, that was never given."""
    return ids.to_global(type_name, secrets.token_hex(12))


def nobodys_cursor(like: str) -> str:
    """What looks like this cursor, and was never made."""
    length = len(base64.urlsafe_b64decode(like + "=" * (-len(like) % 4)))
    return base64.urlsafe_b64encode(secrets.token_bytes(length)).rstrip(b"=").decode()


def _twin(text: str) -> str:
    """Other digits and letters in the same places."""
    return "".join(
        secrets.choice("0123456789")
        if sign.isdigit()
        else (secrets.choice("bcdfghjk") if sign.isalpha() else sign)
        for sign in text
    )


def _far_message(campaign: str) -> str:
    """A message's id that this campaign has not given yet."""
    raw = ids.read_campaign(campaign)
    assert raw is not None
    return ids.to_global("Message", ids.message_id(raw, 999_999))


async def purse(tenant: Tenant) -> list[Thing]:
    """Everything of a tenant that can be named."""
    first, last = tenant.messages[0], tenant.messages[-1]
    sending = tenant.campaigns["SENDING"]
    raw = ids.read_campaign(sending)
    assert raw is not None
    number: str = first["number"]
    key = tenant.keys[1]
    found = [
        *(Thing(f"campaign {s}", one, nobodys_campaign()) for s, one in tenant.campaigns.items()),
        Thing("bare campaign", raw, ids.campaign_id(secrets.randbits(60))),
        Thing("first message", first["id"], nobodys_message()),
        Thing("last message", last["id"], nobodys_message()),
        Thing("message to come", _far_message(sending), nobodys_message()),
        Thing("reference", first["reference"], nobodys_reference()),
        Thing("parked reference", tenant.parked_reference, nobodys_reference()),
        Thing("provider's id", tenant.provider_id, _twin(tenant.provider_id)),
        Thing("parked provider's id", tenant.parked_key, _twin(tenant.parked_key)),
        Thing("number", number, f"{number[:-8]}{_twin(number[-8:])}"),
        Thing("last digits", number[-6:], number[-6:-3] + _twin(number[-3:])),
        Thing("blacklisted number", tenant.blacklisted, f"{FRENCH}98{secrets.randbelow(10**6):06}"),
        Thing("contact", ids.to_global("Contact", tenant.contact), nobodys_person("Contact")),
        Thing(
            "removed contact", ids.to_global("Contact", tenant.removed), nobodys_person("Contact")
        ),
        Thing(
            "entry of the blacklist",
            ids.to_global("BlacklistEntry", tenant.entry),
            nobodys_person("BlacklistEntry"),
        ),
        Thing("bare person", tenant.entry, secrets.token_hex(12)),
        Thing("group", f"{tenant.mark} group", _twin(f"{tenant.mark} group")),
        Thing("beginning of names", tenant.mark, _twin(tenant.mark)),
        Thing("error code", f"{tenant.mark}-77", _twin(f"{tenant.mark}-77")),
        Thing("workspace", tenant.api.workspace, _twin(tenant.api.workspace)),
        Thing("key", key, _twin(key)),
        Thing("webhook", (hook := tenant.webhooks[0].rpartition("/")[2]), _twin(hook)),
    ]
    return [*found, *[thing async for thing in cursors(tenant)]]


async def cursors(tenant: Tenant) -> AsyncIterator[Thing]:
    """A cursor out of each list in each order that is offered, and out of each stream."""
    for place in lists():
        for beside in choices(tenant, place):
            way = [*paths("query")[place], "pageInfo", "endCursor"]
            for campaign in _owners(tenant, place):
                about = {"Query.node(id:)": campaign} if campaign else {}
                sized = {f"{place}(first:)": 1, "Campaign.audience(indicators:)": STANDING}
                document = Document.along("query", way, {**about, **sized, **beside})
                answer = (await tenant.api.post(document.text, document.variables)).json()
                if "errors" in answer:
                    codes = [error["extensions"]["code"] for error in answer["errors"]]
                    assert codes == ["UNSUPPORTED_COMBINATION"], (place, beside, answer)
                    continue
                [cursor] = leaves(answer["data"], way)
                if cursor is not None:
                    of = (campaign, nobodys_campaign()) if campaign else None
                    name = f"cursor of {place} {sorted(map(str, beside.values()))}"
                    yield Thing(name, cursor, nobodys_cursor(cursor), beside, of, place)
    for state, campaign in tenant.campaigns.items():
        way = ["campaign", "updatesCursor"]
        document = Document.along("query", way, {"Query.campaign(id:)": campaign})
        [cursor] = leaves(await tenant.api.ask(document.text, document.variables), way)
        of = (campaign, nobodys_campaign())
        place = "Subscription.messagesUpdated"
        yield Thing(f"updates of {state}", cursor, nobodys_cursor(cursor), {}, of, place)


def lists() -> list[str]:
    """The fields that are read page by page."""
    return sorted(
        place.removesuffix("(after:)")
        for place in inputs()
        if place.endswith("(after:)") and place.removesuffix("(after:)") in paths("query")
    )


def choices(tenant: Tenant, place: str) -> Iterator[dict[str, Any]]:
    """Each order of a list with each condition by itself, and without one; as the schema has them."""
    there = inputs()
    orders: list[dict[str, Any]] = [{}]
    conditions: list[dict[str, Any]] = [{}]
    for argument, into in (("orderBy", orders), ("filter", conditions)):
        if f"{place}({argument}:)" not in there:
            continue
        named = get_named_type(there[f"{place}({argument}:)"])
        assert isinstance(named, GraphQLInputObjectType)
        if argument == "orderBy":
            ways = []
            for name, inner in named.fields.items():
                enum = get_named_type(inner.type)
                assert isinstance(enum, GraphQLEnumType)
                ways.append([(f"{named.name}.{name}", value) for value in enum.values])
            into += [dict(way) for way in itertools.product(*ways)]
            continue
        for name, inner in named.fields.items():
            where = f"{named.name}.{name}"
            assert where in SAMPLES, f"SAMPLES has nothing for {where}"
            plain = [tenant.own(text) for text in SAMPLES[where]]
            listed = str(inner.type).startswith("[")
            into += [{where: [value] if listed else value} for value in plain]
    for where, samples in SAMPLES.items():
        if where.startswith(f"{place}("):
            conditions += [{where: tenant.own(text)} for text in samples]
    if f"{place}(removed:)" in there:
        orders.append({f"{place}(removed:)": True})
    for order, condition in itertools.product(orders, conditions):
        yield {**order, **condition}


def _owners(tenant: Tenant, place: str) -> list[str]:
    of_a_campaign = place.startswith(("Campaign.", "CampaignHygiene."))
    return [tenant.campaigns["SENDING"]] if of_a_campaign else [""]


async def everything_of(db: Database, tenant: Tenant, *, but: str) -> dict[str, list[str]]:
    """Every document that tells of the tenant, by collection, but those that the workspace `but` has made.

    Left out is what the tenant's own asking leaves: when its keys were used, and who saw contacts.
    """
    raw = [ids.read_campaign(campaign) for campaign in tenant.campaigns.values()]
    found: dict[str, list[str]] = {}
    database = db.collection("x").database
    for name in await database.list_collection_names():
        if name in ("audit", "keys"):
            continue
        rows = [row async for row in database[name].find({})]
        texts = [repr(sorted(row.items(), key=lambda item: str(item[0]))) for row in rows]
        marked = (tenant.api.workspace, *raw)
        found[name] = sorted(
            text for text in texts if but not in text and any(str(mark) in text for mark in marked)
        )
    return found


ALL = frozenset(SCOPES)
__all__ = ["ALL", "SCHEMA", "Tenant", "Thing", "everything_of", "furnished", "purse"]
