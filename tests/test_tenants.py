"""Nothing of one workspace is seen, changed or guessed at with the keys of another, however it is asked for.

What is tried is read off the schema and the routes: a new field, argument or route of which these tests do not know
how to try it makes them fail, and says its name.
"""

import base64
import binascii
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any
from urllib.parse import quote, unquote

import httpx
import pytest
from graphql import get_named_type, is_enum_type, is_input_object_type
from starlette.routing import Mount, Route, WebSocketRoute

from gql_server.app import create_app
from gql_server.domain import ids
from gql_server.metrics import ANSWERS
from gql_server.settings import Settings
from gql_server.store import indexes, people
from resolvers.view import View
from tests.asking import LEFT_OUT, Document, in_place, inputs, paths, root
from tests.barring import bar, unbar
from tests.conftest import Api, serving_api
from tests.driver import opened, settings_for
from tests.importing import get, upload
from tests.resolvers.mutating import act
from tests.tenants import (
    FAR,
    FIRST,
    FRENCH,
    GERMAN,
    LATER,
    STANDING,
    Tenant,
    Thing,
    everything_of,
    furnished,
    nobodys_campaign,
    nobodys_message,
    purse,
)
from tests.wires import SSE, Socket, Stream, acknowledged

Values = Mapping[str, Any]

NAMES_NOTHING = frozenset({"Int", "Float", "Boolean", "DateTime", "BigInt"})
"""Scalars in which nobody can be named; nor can they in an enum."""

FED: Mapping[str, Values] = {
    "Query.node(id:)": {},
    "Query.nodes(ids:)": {},
    "Query.campaign(id:)": {},
    "Query.campaigns(after:)": {},
    "Query.campaigns(before:)": {"Query.campaigns(first:)": LEFT_OUT, "Query.campaigns(last:)": 2},
    "Query.statistics(campaignIds:)": {},
    "Campaign.messages(after:)": {},
    "Campaign.messages(before:)": {
        "Campaign.messages(first:)": LEFT_OUT,
        "Campaign.messages(last:)": 2,
    },
    "Query.contacts(after:)": {},
    "Query.contacts(before:)": {"Query.contacts(first:)": LEFT_OUT, "Query.contacts(last:)": 2},
    "Query.contacts(search:)": {},
    "Query.contacts(group:)": {},
    "Query.blacklist(after:)": {},
    "Query.blacklist(before:)": {"Query.blacklist(first:)": LEFT_OUT, "Query.blacklist(last:)": 2},
    "Query.blacklist(search:)": {},
    "CampaignHygiene.removedContacts(after:)": {},
    "CampaignHygiene.removedContacts(before:)": {
        "CampaignHygiene.removedContacts(first:)": LEFT_OUT,
        "CampaignHygiene.removedContacts(last:)": 2,
    },
    "CampaignHygiene.blacklistEntries(after:)": {},
    "CampaignHygiene.blacklistEntries(before:)": {
        "CampaignHygiene.blacklistEntries(first:)": LEFT_OUT,
        "CampaignHygiene.blacklistEntries(last:)": 2,
    },
    "Campaign.audience(after:)": {},
    "Campaign.audience(before:)": {
        "Campaign.audience(first:)": LEFT_OUT,
        "Campaign.audience(last:)": 2,
    },
    "AudienceOfInput.campaignId": {"AudienceOfInput.indicators": STANDING},
    "Subscription.campaignUpdated(id:)": {},
    "Subscription.messagesUpdated(campaignId:)": {},
    "Subscription.messagesUpdated(after:)": {},
    "CampaignFilter.search": {},
    "MessageFilter.search": {},
    "MessageFilter.country": {},
    "MessageFilter.errorCode": {},
    "UpdateCampaignInput.id": {},
    "AddRecipientsInput.campaignId": {},
    "RecipientInput.number": {},
    "RecipientInput.providerMessageIds": {"RecipientInput.provider": "twilio"},
    "ProviderMessageInput.messageId": {},
    "ProviderMessageInput.providerMessageIds": {},
    "ErasePersonInput.number": {},
    "CreateContactInput.number": {},
    "UpdateContactInput.id": {},
    "DeleteContactInput.id": {},
    "AddToBlacklistInput.number": {},
    "RemoveFromBlacklistInput.id": {},
    "ReceiptInput.messageId": {},
    "ReceiptInput.providerMessageId": {
        "ReceiptInput.messageId": LEFT_OUT,
        "ReceiptInput.provider": "twilio",
    },
}
"""Where something can be named, and what has to stand beside it then."""

WORDS = frozenset(
    {
        *("CreateCampaignInput.name", "CreateCampaignInput.text", "CreateCampaignInput.sender"),
        *("UpdateCampaignInput.name", "RecipientInput.name"),
        *("ReceiptInput.errorCode", "ReceiptInput.errorReason"),
        # one of those that the server knows
        *("RecipientInput.provider", "ProviderMessageInput.provider", "ReceiptInput.provider"),
        *("CreateCampaignInput.clientMutationId", "UpdateCampaignInput.clientMutationId"),
        *("AddRecipientsInput.clientMutationId", "BindProviderMessagesInput.clientMutationId"),
        *("RecordReceiptsInput.clientMutationId", "ErasePersonInput.clientMutationId"),
        *("CreateContactInput.name", "CreateContactInput.groups"),
        *("UpdateContactInput.name", "UpdateContactInput.groups"),
        *("ContactAttributeInput.name", "ContactAttributeInput.value"),
        *("CreateContactInput.clientMutationId", "UpdateContactInput.clientMutationId"),
        *("DeleteContactInput.clientMutationId", "AddToBlacklistInput.clientMutationId"),
        "RemoveFromBlacklistInput.clientMutationId",
    }
)
"""Where a caller writes words of its own, which are kept or given back and never looked up."""

NUMBERS = frozenset(
    {
        *("RecipientInput.number", "ErasePersonInput.number"),
        *("CreateContactInput.number", "AddToBlacklistInput.number"),
    }
)
"""Where it must be one to be looked at."""

ASKED_FOR = tuple(f"{FRENCH}9{n}000000" for n in range(4))
"""Whom the stranger writes down, and lists, each time anew: by what is tried, and before that."""

OF_A_CAMPAIGN = frozenset(
    {"Query.campaign(id:)", "Query.node(id:)", "Subscription.messagesUpdated(campaignId:)"}
)
"""Where the campaign stands that a cursor is of."""

OPAQUE = frozenset({"id", "reference", "cursor", "startCursor", "endCursor", "updatesCursor"})
TIMES = frozenset({"createdAt", "sentAt", "asOf", "at", "statusAt", "since"})
"""What differs between two answers to the same mutation of two campaigns that are the same but for their ids."""


@dataclass
class Stranger:
    """A workspace that asks, on whose wires nothing of the other may ever be."""

    tenant: Tenant
    marks: set[str]
    #: what it was told, as it came
    heard: list[str] = field(default_factory=list)

    @property
    def api(self) -> Api:
        """Its client."""
        return self.tenant.api

    def hear(self, text: str, *, about: str = "", written: str = "") -> str:
        """Look for the other's in what came; what this one wrote itself may come back as its own."""
        self.heard.append(text)
        for looked_at in (text, *decoded(text)):
            for mark in self.marks:
                assert mark not in looked_at or (written and mark in written), (about, mark, text)
        # Metrics are of the whole process, in which other tests let things go wrong.
        assert "INTERNAL_ERROR" not in text or about == "/metrics", (about, text)
        return text

    async def post(self, document: Document, about: str, *, written: str = "") -> httpx.Response:
        """What is answered by POST."""
        answer = await self.api.post(document.text, document.variables)
        self.hear(answer.text + str(answer.headers.raw), about=about, written=written)
        return answer

    async def get(self, document: Document, about: str, **headers: str) -> httpx.Response:
        """What is answered by GET."""
        answer = await self.api.http.get(
            f"{self.api.base}/graphql",
            params={"query": document.text, "variables": json.dumps(document.variables)},
            headers={"authorization": f"Bearer {self.api.key}", **headers},
        )
        self.hear(answer.text + str(answer.headers.raw), about=about)
        return answer


def decoded(text: str) -> Iterator[str]:
    """What is inside of all that is written in Base64: ids and cursors."""
    for word in text.replace("\\", '"').split('"'):
        if len(word) >= 16 and " " not in word:
            try:
                raw = base64.urlsafe_b64decode(word + "=" * (-len(word) % 4))
            except (binascii.Error, ValueError):
                continue
            yield raw.decode("latin-1")


def alike(answer: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    """All of an answer but the time of day."""
    each = ("date", "x-request-id")
    headers = [(k, v) for k, v in answer.headers.items() if k not in each]
    return answer.status_code, answer.content, sorted(headers)


def settled(data: Any, value: str, name: str = "") -> Any:
    """An answer to a mutation without what differs each time, nor what was asked for."""
    if isinstance(data, dict):
        return {key: settled(inner, value, key) for key, inner in data.items()}
    if isinstance(data, list):
        return [settled(inner, value, name) for inner in data]
    if isinstance(data, str):
        if name in OPAQUE or name in TIMES:
            return name
        return "what was asked for" if data == value else data
    return data


@dataclass
class Scene:
    """One who asks, one who is not to be seen, and what of that one can be named."""

    stranger: Stranger
    other: Tenant
    things: list[Thing]
    #: of the stranger: a campaign, and a message in it
    campaign: str = ""
    message: str = ""
    contact: str = ""
    entry: str = ""

    async def fresh(self, places: Iterable[str] | None = None) -> None:
        """What the stranger has, as nothing has happened to it: all, or so much as stands at these places."""
        api, base = self.stranger.api, self.base()
        stands = None if places is None else str([base[place] for place in places if place in base])

        def is_asked_for(*what: str) -> bool:
            return stands is None or any(one in stands for one in what)

        if is_asked_for(self.campaign, self.message):
            self.campaign = await api.new_campaign(sentAt="2026-11-22T08:00:00Z")
            (added,) = await api.add(self.campaign, [f"{FRENCH}97000000"])
            self.message = added["id"]
        new, listed, kept, barred = ASKED_FOR
        for number, what in (
            (new, new),
            (listed, listed),
            (kept, self.contact),
            (barred, self.entry),
        ):
            if is_asked_for(what):
                await people.forget(api.db, api.workspace, number)
        if is_asked_for(self.contact):
            made = await act(api, "createContact", {"number": kept}, "contact { id }")
            self.contact = made["contact"]["id"]
        if is_asked_for(self.entry):
            entered = await act(api, "addToBlacklist", {"number": barred}, "entry { id }")
            self.entry = entered["entry"]["id"]

    def base(self) -> dict[str, Any]:
        """What stands where nothing of the other's is tried."""
        return {
            "Query.node(id:)": self.campaign,
            "Query.nodes(ids:)": [self.campaign, self.message],
            "Query.campaign(id:)": self.campaign,
            "Query.campaigns(first:)": 2,
            "Campaign.messages(first:)": 2,
            "Campaign.breakdown(by:)": "COUNTRY",
            "Campaign.audience(first:)": 2,
            "Campaign.audience(indicators:)": STANDING,
            "Subscription.campaignUpdated(id:)": self.campaign,
            "Subscription.messagesUpdated(campaignId:)": self.campaign,
            "CreateCampaignInput.name": "Mine",
            "CreateCampaignInput.text": "Hello",
            "CreateCampaignInput.sender": "ME",
            "CreateCampaignInput.sentAt": FAR,
            "UpdateCampaignInput.id": self.campaign,
            "UpdateCampaignInput.name": "Still mine",
            "AddRecipientsInput.campaignId": self.campaign,
            "RecipientInput.number": f"{FRENCH}96000000",
            "ErasePersonInput.number": f"{FRENCH}95000000",
            "Query.contacts(first:)": 2,
            "Query.blacklist(first:)": 2,
            "CampaignHygiene.removedContacts(first:)": 2,
            "CampaignHygiene.blacklistEntries(first:)": 2,
            "CreateContactInput.number": ASKED_FOR[0],
            "UpdateContactInput.id": self.contact,
            "UpdateContactInput.name": "Mine",
            "DeleteContactInput.id": self.contact,
            "AddToBlacklistInput.number": ASKED_FOR[1],
            "RemoveFromBlacklistInput.id": self.entry,
            "ProviderMessageInput.messageId": self.message,
            "ProviderMessageInput.provider": "twilio",
            "ProviderMessageInput.providerMessageIds": [f"own-{secrets.token_hex(8)}"],
            "ReceiptInput.messageId": self.message,
            "ReceiptInput.status": "RECEIVED",
            "ReceiptInput.at": LATER,
            "Subscription.campaignUpdated(minIntervalMs:)": 100,
            "Subscription.campaignsUpdated(minIntervalMs:)": 100,
            "Subscription.messagesUpdated(minIntervalMs:)": 100,
        }


@dataclass(frozen=True)
class Try:
    """A field of the root, a place in what is asked of it, and what is put there."""

    kind: str
    field: str
    place: str
    thing: Thing
    #: with the campaign that the cursor is of
    whole: bool = False

    @property
    def about(self) -> str:
        """For who reads that it failed."""
        return f"{self.kind} {self.field}, at {self.place}: {self.thing.name}"

    def document(self, base: Values, *, foreign: bool) -> Document:
        """The question."""
        value = self.thing.foreign if foreign else self.thing.unknown
        values = {**base, **FED[self.place], self.place: in_place(self.place, value)}
        if self.thing.place and self.place.startswith(self.thing.place):
            values |= self.thing.beside
        if self.whole and self.thing.of:
            campaign = self.thing.of[0] if foreign else self.thing.of[1]
            values |= {place: campaign for place in OF_A_CAMPAIGN if place != self.place}
        return Document.whole(self.kind, self.field, values, place=self.place)


def tries(scene: Scene, kind: str, how: str) -> Iterator[Try]:
    """What of the other is put where.

    `all`: everything, wherever something can be named. `each`: into each place of each field a campaign, or a cursor
    where one is taken; and once, in a query where there is one, into each place one thing of each form, of which
    cursors that are made for elsewhere are one.
    """
    once: set[str] = set() if kind == "query" else {p for p in inputs() if _in_queries(p)}
    for name in root(kind).fields:
        there = Document.whole(kind, name, scene.base(), place=None).places
        for place in sorted(there & FED.keys()):
            forms: set[tuple[str, bool]] = set()
            for thing in scene.things:
                if place in NUMBERS and not thing.foreign.startswith("+"):
                    continue  # whether that is a number at all hangs on its letters
                own = thing.place is not None and place.startswith(f"{thing.place}(")
                elsewhere = how == "each" and thing.place is not None and not own
                form = "cursor" if elsewhere else thing.form
                known = (form, own) in forms
                basic = own or thing.form == "campaign"
                if how == "each" and (known or (place in once and not basic)):
                    continue
                if known and thing.place is not None and not own:
                    continue
                forms.add((form, own))
                yield Try(kind, name, place, thing)
                if own and there & OF_A_CAMPAIGN:
                    yield Try(kind, name, place, thing, whole=True)
            once.add(place)


def _in_queries(place: str) -> bool:
    owner = place.partition(".")[0]
    return f"{owner}.{place.partition('.')[2].partition('(')[0]}" in paths("query") or (
        owner in ("CampaignFilter", "MessageFilter")
    )


each_and_all = pytest.mark.parametrize(
    "how",
    [
        # minutes on a machine that does much else
        pytest.param("each", marks=pytest.mark.timeout(400)),
        pytest.param("all", marks=[pytest.mark.long, pytest.mark.timeout(1200)]),
    ],
)


@pytest.fixture(scope="module")
async def standing(mongo_url: str) -> AsyncIterator[Api]:
    """A real server of which nobody is ever asked to wait."""
    database = await opened(mongo_url, f"tenants_{secrets.token_hex(6)}")
    await indexes.ensure(database, outbox_hours=24)
    settings = replace(settings_for(mongo_url), cost_per_minute=0, new_documents_per_minute=0)
    async with serving_api(settings, database) as api:
        yield api
    await database.drop()
    await database.close()


@pytest.fixture(scope="module")
async def scene(standing: Api) -> AsyncIterator[Scene]:
    """Two workspaces. In the end, whatever was tried, nothing of the other's has changed."""
    other = await furnished(standing, GERMAN)
    asking = await furnished(standing, FRENCH)
    scene = Scene(Stranger(asking, other.marks()), other, await purse(other))
    await scene.fresh()
    before = await everything_of(standing.db, other, but=asking.api.workspace)
    assert {"campaigns", "messages", "recipients", "orphans", "provider_keys", "people"} <= {
        name for name, rows in before.items() if rows
    }
    yield scene
    after = await everything_of(standing.db, other, but=asking.api.workspace)
    assert after == before


def test_every_place_in_which_something_can_be_named_is_tried() -> None:
    nameable = {
        place
        for place, type_ in inputs().items()
        if not is_input_object_type(named := get_named_type(type_))
        and not is_enum_type(named)
        and named.name not in NAMES_NOTHING
    }

    assert nameable == FED.keys() | WORDS
    assert not FED.keys() & WORDS


async def test_there_is_a_cursor_of_each_list_and_stream(scene: Scene) -> None:
    made = {thing.place for thing in scene.things if thing.place}
    fed = {place.partition("(")[0] for place in FED if place.endswith(("(after:)", "(before:)"))}

    assert made == fed


async def test_the_other_is_seen_by_itself(scene: Scene) -> None:
    """All that is looked for is there to be found: the same documents with its own key show it."""
    own = scene.other.api
    seen = ""
    for name in ("campaigns", "node"):
        document = Document.whole(
            "query", name, {**scene.base(), "Query.node(id:)": scene.other.campaigns["SENDING"]}
        )
        seen += (await own.post(document.text, document.variables)).text
    for mark in (
        *(scene.other.mark, scene.other.campaigns["SENDING"], scene.other.messages[0]["number"]),
        *(f"{scene.other.mark} reason", f"{scene.other.mark}-77", scene.other.messages[0]["id"]),
    ):
        assert mark in seen


@each_and_all
async def test_a_query_is_answered_as_of_what_nobody_has(scene: Scene, how: str) -> None:
    await scene.fresh()
    tried = 0
    for one in tries(scene, "query", how):
        base = scene.base()
        answers = [
            await scene.stranger.post(one.document(base, foreign=foreign), one.about)
            for foreign in (True, False)
        ]
        assert alike(answers[0]) == alike(answers[1]), one.about
        tried += 1
    assert tried > 200


async def test_so_it_is_by_get_whose_etags_are_of_no_use_to_another(scene: Scene) -> None:
    await scene.fresh()
    asked = [
        one
        for one in tries(scene, "query", "all")
        if one.place in OF_A_CAMPAIGN and one.thing.place is None
    ]
    assert asked
    for one in asked:
        document = one.document(scene.base(), foreign=True)
        theirs = await scene.other.api.http.get(
            f"{scene.other.api.base}/graphql",
            params={"query": document.text, "variables": json.dumps(document.variables)},
            headers={"authorization": f"Bearer {scene.other.api.key}"},
        )
        none_match = {"if-none-match": theirs.headers.get("etag", '"none"')}
        foreign = await scene.stranger.get(document, one.about, **none_match)
        unknown = await scene.stranger.get(
            one.document(scene.base(), foreign=False), one.about, **none_match
        )
        assert foreign.status_code == 200
        assert alike(foreign) == alike(unknown), one.about


async def test_an_answer_that_is_kept_is_kept_for_its_own_workspace(scene: Scene) -> None:
    """Each field by itself, as what hangs on a clock or on a list is not kept; asked for first by those whose it is."""
    other = scene.other
    theirs = {
        **scene.base(),
        "Query.node(id:)": other.campaigns["SENDING"],
        "Query.nodes(ids:)": [other.campaigns["SENDING"], other.messages[0]["id"]],
        "Query.campaign(id:)": other.campaigns["SENDING"],
        "Query.statistics(campaignIds:)": [*other.campaigns.values()],
    }
    given_again = ANSWERS.labels("again")._value
    before = given_again.get()
    for way in paths("query", first=["campaign"]).values():
        document = Document.along("query", way, theirs)
        for _ in range(2):
            await other.api.post(document.text, document.variables)
        answer = await scene.stranger.post(document, document.text)
        unknown = {**theirs, "Query.node(id:)": nobodys_campaign()}
        unknown["Query.nodes(ids:)"] = [nobodys_campaign(), nobodys_message()]
        unknown["Query.campaign(id:)"] = nobodys_campaign()
        unknown["Query.statistics(campaignIds:)"] = [nobodys_campaign() for _ in range(3)]
        twin = await scene.stranger.post(Document.along("query", way, unknown), document.text)
        assert alike(answer) == alike(twin), document.text
    assert given_again.get() - before > 50


@each_and_all
async def test_a_mutation_is_answered_as_of_what_nobody_has(scene: Scene, how: str) -> None:
    await scene.fresh()
    tried = 0
    for one in tries(scene, "mutation", how):
        stands = one.document(scene.base(), foreign=True).places - {one.place}
        # Between a campaign and what is done with it a minute may end: then its timeline has a point more.
        for _ in range(3):
            answers = []
            for foreign in (True, False):
                # Of its own, so that what the one try does is nothing to the next.
                await scene.fresh(stands)
                document = one.document(scene.base(), foreign=foreign)
                value = one.thing.foreign if foreign else one.thing.unknown
                written = value if one.place in NUMBERS else ""
                answer = await scene.stranger.post(document, one.about, written=written)
                answers.append((answer.status_code, settled(answer.json(), value)))
            if answers[0] == answers[1]:
                break
        assert answers[0] == answers[1], one.about
        tried += 1
    assert tried > 50


async def test_a_number_that_is_blacklisted_elsewhere_is_not_here(scene: Scene) -> None:
    await scene.fresh()
    # Not the one that is tried everywhere: that was erased here, among other things.
    number = f"{FRENCH}94000000"
    api = scene.other.api
    entry = await bar(api.db, api.workspace, number)
    document = Document.whole(
        "mutation", "addRecipients", {**scene.base(), "RecipientInput.number": number}
    )

    answer = await scene.stranger.post(document, "blacklisted", written=number)

    (message,) = answer.json()["data"]["addRecipients"]["messages"]
    assert (message["recipient"], message["status"]) == (number, "WAITING")
    await unbar(api.db, api.workspace, entry)
    await people.forget(api.db, api.workspace, number)


async def first_frame(socket: Socket, document: Document) -> Any:
    """What comes first, an event or the refusal; then it is over."""
    payload = {"query": document.text, "variables": document.variables}
    id_ = secrets.token_hex(4)
    await socket.send({"id": id_, "type": "subscribe", "payload": payload})
    found: Any = None
    while True:
        frame = await socket.receive()
        if frame["type"] == "ping":
            await socket.send({"type": "pong"})
        elif frame.get("id") != id_:
            continue  # the end of the one before
        elif frame["type"] == "complete":
            return found
        else:
            assert frame["type"] in ("next", "error"), frame
            found = found or {**frame, "id": "1"}
            if frame["type"] == "error":
                return found
            await socket.send({"id": id_, "type": "complete"})
            return found


@each_and_all
async def test_a_subscription_begins_as_that_of_what_nobody_has(scene: Scene, how: str) -> None:
    await scene.fresh()
    tried = 0
    async with acknowledged(scene.stranger.api) as socket:
        for one in tries(scene, "subscription", how):
            frames = []
            for foreign in (True, False):
                frame = await first_frame(socket, one.document(scene.base(), foreign=foreign))
                frames.append(scene.stranger.hear(json.dumps(frame), about=one.about))
            assert frames[0] == frames[1], one.about
            tried += 1
    assert tried > 50


async def first_event(api: Api, document: Document, **headers: str) -> str:
    """What comes first by server-sent events."""
    sent = {"accept": SSE, "authorization": f"Bearer {api.key}", **headers}
    body = {"query": document.text, "variables": document.variables}
    async with api.http.stream("POST", f"{api.base}/graphql", json=body, headers=sent) as answer:
        assert answer.headers["content-type"].startswith(SSE)
        return json.dumps(await Stream(answer).event())


@each_and_all
async def test_so_it_does_by_server_sent_events(scene: Scene, how: str) -> None:
    await scene.fresh()
    tried = 0
    for one in tries(scene, "subscription", how):
        events = []
        for foreign in (True, False):
            document = one.document(scene.base(), foreign=foreign)
            event = await first_event(scene.stranger.api, document)
            events.append(scene.stranger.hear(event, about=one.about))
        assert events[0] == events[1], one.about
        tried += 1
    assert tried > 50


async def test_nor_does_a_stream_go_on_from_an_event_of_another(scene: Scene) -> None:
    await scene.fresh()
    updates = [t for t in scene.things if t.place == "Subscription.messagesUpdated"]
    assert updates
    for thing in updates:
        for own in (True, False):
            events = []
            for which in (0, 1):
                assert thing.of is not None
                values = scene.base()
                if not own:
                    values["Subscription.messagesUpdated(campaignId:)"] = thing.of[which]
                document = Document.whole("subscription", "messagesUpdated", values)
                last = (thing.foreign, thing.unknown)[which]
                event = await first_event(scene.stranger.api, document, **{"last-event-id": last})
                events.append(scene.stranger.hear(event, about=thing.name))
            assert events[0] == events[1], thing.name


ROUTES: dict[str, Callable[[Scene], Awaitable[None]] | None] = {}
"""By its path, how a route is tried; None where the other tests do."""


def tried(path: str) -> Callable[[Callable[[Scene], Awaitable[None]]], Any]:
    """Say how a route is tried."""

    def note(how: Callable[[Scene], Awaitable[None]]) -> Callable[[Scene], Awaitable[None]]:
        ROUTES[path] = how
        return how

    return note


ROUTES["/graphql"] = None


@tried("/")
@tried("/health/live")
@tried("/health/ready")
@tried("/metrics")
@tried("/graphiql")
async def _public(scene: Scene) -> None:
    for path in ("/", "/health/live", "/health/ready", "/metrics", "/graphiql/"):
        answer = await scene.stranger.api.http.get(scene.stranger.api.base + path)
        assert answer.status_code in (200, 503), path
        if path != "/graphiql/":  # whose scripts are megabytes, and the same for everybody
            scene.stranger.hear(answer.text + str(answer.headers.raw), about=path)


ROUTES["/graphiql/"] = _public


@tried("/webhooks/{provider}/{token}")
async def _webhooks(scene: Scene) -> None:
    """A source of the stranger's is told of messages of the other's, under each of their names."""
    (hook, _) = scene.stranger.tenant.webhooks
    lines = {"content-type": "application/x-ndjson"}
    for thing in scene.things:
        if thing.place is not None:
            continue
        for named in ("reference", "messageId", "providerMessageId"):
            told: list[list[tuple[int, str]]] = []
            for value in (thing.foreign, thing.unknown):
                receipt = {named: value, "status": "RECEIVED", "at": FIRST, "provider": "twilio"}
                body = json.dumps(receipt)
                answers = [
                    await scene.stranger.api.http.post(hook, content=body),
                    await scene.stranger.api.http.post(hook, content=f"{body}\n", headers=lines),
                ]
                told.append([(answer.status_code, answer.text) for answer in answers])
                for answer in answers:
                    scene.stranger.hear(
                        answer.text + str(answer.headers.raw), about=f"webhook: {thing.name}"
                    )
            assert told[0] == told[1], thing.name
    # and the other's own address is no good without what stands in it
    (theirs, _) = scene.other.webhooks
    token = theirs.rpartition("/")[2]
    other_provider = theirs.replace("generic", "twilio")
    nobody = theirs.replace(token, secrets.token_urlsafe(24))
    answers = [
        await scene.stranger.api.http.post(address, content=b"[]")
        for address in (other_provider, nobody)
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content


@tried("/webhooks/{provider}/{token}/inbound")
async def _replies(scene: Scene) -> None:
    """A source of the stranger's is told of replies to messages of the other's, under each of their names."""
    (hook, _) = scene.stranger.tenant.webhooks
    (theirs, _) = scene.other.webhooks
    http = scene.stranger.api.http
    for n, thing in enumerate(scene.things):
        if thing.place is not None:
            continue
        told = []
        for value in (thing.foreign, thing.unknown):
            reply = {"from": f"+4915{n:09}", "text": "STOP", "reference": value, "id": value}
            answer = await http.post(f"{hook}/inbound", json=reply)
            scene.stranger.hear(
                answer.text + str(answer.headers.raw), about=f"inbound: {thing.name}"
            )
            told.append((answer.status_code, answer.text))
        assert told[0] == told[1], thing.name
    token = theirs.rpartition("/")[2]
    answers = [
        await http.post(f"{address}/inbound", json={"from": "+33612345678", "text": "STOP"})
        for address in (
            theirs.replace("generic", "twilio"),
            theirs.replace(token, secrets.token_urlsafe(24)),
        )
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content


@tried("/campaigns/{campaign}/report.{form}")
@tried("/campaigns/{campaign}/audience.{form}")
@tried("/contacts.{form}")
@tried("/blacklist.{form}")
async def _files(scene: Scene) -> None:
    """All files of the stranger's own, and those of whatever of the other's can be named."""
    api = scene.stranger.api
    await scene.fresh()
    # What it has written down itself when all was tried is its own.
    await api.db.collection("people").delete_many({"workspace": api.workspace})

    async def told(path: str, parameters: Mapping[str, str], *, about: str) -> Any:
        kept = []
        for form in ("ndjson", "csv"):
            headers = {"authorization": f"Bearer {api.key}"}
            address = f"{api.base}/{path}.{form}"
            answer = await api.http.get(address, params=parameters, headers=headers)
            asked = f"{address} {parameters}"
            scene.stranger.hear(
                answer.text + str(answer.headers.raw), about=about, written=unquote(asked)
            )
            kept.append(alike(answer))
        return kept

    for thing in scene.things:
        if thing.place is not None:
            continue
        names = {"foreign": quote(thing.foreign, safe=""), "unknown": quote(thing.unknown, safe="")}
        for path in ("campaigns/{}/report", "campaigns/{}/audience"):
            given = {"indicators": "RECEIPT"}
            answers = [
                await told(path.format(name), given, about=thing.name) for name in names.values()
            ]
            assert answers[0] == answers[1], thing.name
        own = f"campaigns/{scene.campaign}/report"
        for path, parameter in (
            *((own, name) for name in ("search", "country", "errorCode", "statuses")),
            ("contacts", "group"),
        ):
            answers = [
                await told(path, {parameter: value}, about=thing.name)
                for value in (thing.foreign, thing.unknown)
            ]
            assert answers[0] == answers[1], (thing.name, path, parameter)
    for path in ("contacts", "blacklist"):
        await told(path, {}, about=path)
    await told("contacts", {"removed": "true"}, about="removed contacts")


@tried("/campaigns/{campaign}/recipients")
@tried("/contacts")
@tried("/blacklist")
@tried("/imports")
@tried("/imports/{import}")
@tried("/imports/{import}/refused.csv")
async def _imports(scene: Scene) -> None:
    """A file for a campaign of the other's, and the other's own import, under its id and its key."""
    stranger = scene.stranger.api
    answers = [
        [
            await upload(stranger, campaign, "number\n+33612345601\n"),
            await get(stranger, f"/imports/{import_}"),
            await get(stranger, f"/imports/{import_}/refused.csv"),
            await get(stranger, "/imports", **{"idempotency-key": key}),
        ]
        for campaign, import_, key in (
            (scene.other.campaigns["SENDING"], scene.other.imported, scene.other.mark),
            (nobodys_campaign(), "0" * 32, "nobody's"),
        )
    ]
    for foreign, unknown in zip(*answers, strict=True):
        assert (foreign.status_code, foreign.text) == (404, unknown.text)
        scene.stranger.hear(foreign.text + str(foreign.headers.raw), about=str(foreign.url.path))
    # whoever takes the other's key for his own has an import of his own
    own = await upload(stranger, None, "number\nx\n", key=scene.other.mark)
    assert own.json()["id"] != scene.other.imported
    scene.stranger.hear(own.text, about="an import of its own")


def test_every_route_is_tried(settings: Settings) -> None:
    """A new one (an export, a download) has to say here how it is asked for what is another's."""
    routes = create_app(settings, graphql=View(settings)).routes

    assert all(isinstance(route, Route | WebSocketRoute | Mount) for route in routes)
    assert {route.path for route in routes} - ROUTES.keys() == set()  # type: ignore[attr-defined]


@pytest.mark.parametrize("how", sorted({how.__name__ for how in ROUTES.values() if how}))
async def test_no_route_tells_of_another(scene: Scene, how: str) -> None:
    (run,) = {one for one in ROUTES.values() if one is not None and one.__name__ == how}
    await run(scene)


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_one_does_the_other_is_answered_as_before(standing: Api, seed: int) -> None:
    """No answer hangs on anything but its own workspace, and no event tells of another."""
    random = Random(seed)
    asking = await furnished(standing, FRENCH)
    other = await furnished(standing, GERMAN)
    stranger = Stranger(asking, other.marks())
    scene = Scene(stranger, other, [], asking.campaigns["SENDING"], asking.messages[0]["id"])
    base = {
        **scene.base(),
        "Query.statistics(campaignIds:)": [*asking.campaigns.values()],
    }
    documents = [Document.whole("query", name, base) for name in root("query").fields]
    before = [alike(await stranger.post(one, one.text)) for one in documents]

    async def add() -> None:
        number = f"{GERMAN}{random.randrange(10**8):08}"
        stranger.marks.add(number)
        await other.api.add(random.choice([*other.campaigns.values()]), [number])

    async def create() -> None:
        stranger.marks.add(await other.api.new_campaign(1, name=f"{other.mark} new"))

    async def rename() -> None:
        values = {
            "UpdateCampaignInput.id": random.choice([*other.campaigns.values()]),
            "UpdateCampaignInput.name": f"{other.mark} {random.random()}",
            "Campaign.breakdown(by:)": "COUNTRY",
            "Campaign.audience(first:)": 2,
            "Campaign.audience(indicators:)": STANDING,
        }
        document = Document.whole("mutation", "updateCampaign", values)
        await other.api.ask(document.text, document.variables)

    async def receive() -> None:
        receipt = {
            "ReceiptInput.messageId": random.choice(other.messages)["reference"],
            "ReceiptInput.status": random.choice(["SENT", "RECEIVED", "ROUTING_ERROR"]),
            "ReceiptInput.at": f"2026-11-23T08:00:{random.randrange(60):02}Z",
            "ReceiptInput.errorCode": f"{other.mark}-{random.randrange(5)}",
        }
        document = Document.whole("mutation", "recordReceipts", receipt)
        await other.api.ask(document.text, document.variables)

    async with acknowledged(stranger.api) as socket:
        for name in root("subscription").fields:
            watching = Document.whole("subscription", name, base)
            await socket.subscribe(name, watching.text, variables=watching.variables)
        for _ in root("subscription").fields:
            assert (await socket.receive())["type"] == "next"

        for _ in range(12):
            await random.choice([add, create, rename, receive])()
            asked = random.randrange(len(documents))
            answer = await stranger.post(documents[asked], documents[asked].text)
            assert alike(answer) == before[asked], documents[asked].text

        # What the asking one does itself is the next that it is told of.
        values = {**base, "ReceiptInput.messageId": asking.messages[-1]["reference"]}
        document = Document.whole("mutation", "recordReceipts", values)
        await stranger.api.ask(document.text, document.variables)
        told: dict[str, Any] = {}
        while len(told) < len(root("subscription").fields):
            frame = await socket.receive()
            if frame["type"] == "next":
                stranger.hear(json.dumps(frame), about=frame["id"])
                told[frame["id"]] = frame["payload"]["data"]
        assert [one["id"] for one in told["campaignsUpdated"]["campaignsUpdated"]] == [
            asking.campaigns["SENDING"]
        ]


def test_ids_of_two_workspaces_have_one_form() -> None:
    """Which is why the one cannot be told from the other but by looking."""
    assert {len(ids.campaign_id(bits)) for bits in (0, 2**60 - 1)} == {ids.CAMPAIGN_LENGTH}
