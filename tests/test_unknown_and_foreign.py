"""An id of another workspace's takes the same commands of the database as one that nobody has, and the same time."""

import asyncio
import contextlib
import secrets
import statistics
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gql_server.auth import SCOPES, Viewer
from gql_server.database import Database
from gql_server.domain import ids
from gql_server.services import Services, running
from gql_server.store import indexes
from resolvers.context import Context
from resolvers.schema import Schema, make_schema
from tests.asking import Document
from tests.commands import Commands, listening
from tests.conftest import serving_api
from tests.driver import DRIVER, opened, settings_for
from tests.tenants import (
    GERMAN,
    LATER,
    Tenant,
    furnished,
    nobodys_campaign,
    nobodys_cursor,
    nobodys_message,
    nobodys_reference,
)

TRIES = 10_000
CLOSE = 50e-6
ROUNDS = 5
"""In which the medians are compared: one that somebody else's work has fallen upon says nothing."""
AGAIN = 3
"""Times that all is measured anew where the rounds say no: a machine may be busy for longer than a round."""

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Question:
    """A way to ask for something by its id: its name, what is asked, and where the id stands."""

    kind: str
    way: str
    place: str
    #: how many commands it takes where there is nothing; None: that hangs on more
    commands: int | None
    unknown: Callable[[], str]
    foreign: Callable[[Tenant], str]
    beside: Callable[[str, str], Values] = lambda own, value: {}

    @property
    def name(self) -> str:
        """For who reads that it failed."""
        return f"{self.kind} {self.way.split()[0]} by {self.place}"

    def document(self, value: Any, own: str) -> Document:
        """With this id, by somebody whose own campaign that is."""
        given = [value] if self.place.endswith("s:)") else value
        values = {**self.beside(own, value), self.place: given}
        return Document.along(self.kind, self.way.split(), values)


def campaign_of(tenant: Tenant) -> str:
    return tenant.campaigns["SENDING"]


def message_of(tenant: Tenant) -> str:
    return str(tenant.messages[0]["id"])


def reference_of(tenant: Tenant) -> str:
    return str(tenant.messages[0]["reference"])


def campaign_asked(kind: str, way: str, place: str, commands: int | None, **more: Any) -> Question:
    return Question(kind, way, place, commands, nobodys_campaign, campaign_of, **more)


def message_asked(kind: str, way: str, place: str, commands: int | None, **more: Any) -> Question:
    return Question(kind, way, place, commands, nobodys_message, message_of, **more)


def receipt(own: str, value: str) -> Values:
    return {"ReceiptInput.status": "RECEIVED", "ReceiptInput.at": LATER}


def binding(own: str, value: str) -> Values:
    return {
        "ProviderMessageInput.provider": "twilio",
        "ProviderMessageInput.providerMessageIds": ["SM1"],
    }


QUESTIONS: Sequence[Question] = (
    campaign_asked("query", "campaign name", "Query.campaign(id:)", 1),
    campaign_asked("query", "campaign statistics total", "Query.campaign(id:)", 1),
    campaign_asked("query", "campaign messages nodes recipient", "Query.campaign(id:)", 1),
    campaign_asked("query", "node id", "Query.node(id:)", 1),
    message_asked("query", "node recipient", "Query.node(id:)", 1),
    Question("query", "node recipient", "Query.node(id:)", 1, nobodys_reference, reference_of),
    campaign_asked("query", "nodes id", "Query.nodes(ids:)", 1),
    message_asked("query", "nodes id", "Query.nodes(ids:)", 1),
    campaign_asked("query", "statistics total", "Query.statistics(campaignIds:)", 1),
    campaign_asked("subscription", "campaignUpdated name", "Subscription.campaignUpdated(id:)", 1),
    campaign_asked(
        "subscription", "messagesUpdated cursor", "Subscription.messagesUpdated(campaignId:)", 1
    ),
    campaign_asked(
        "mutation",
        "updateCampaign userErrors code",
        "UpdateCampaignInput.id",
        None,
        beside=lambda own, value: {"UpdateCampaignInput.name": "Mine"},
    ),
    campaign_asked(
        "mutation",
        "addRecipients userErrors code",
        "AddRecipientsInput.campaignId",
        None,
        beside=lambda own, value: {"RecipientInput.number": "+33612345678"},
    ),
    message_asked(
        "mutation",
        "bindProviderMessages userErrors code",
        "ProviderMessageInput.messageId",
        None,
        beside=binding,
    ),
    message_asked(
        "mutation", "recordReceipts parked", "ReceiptInput.messageId", None, beside=receipt
    ),
)


@dataclass
class Asking:
    """One who asks, without a server between: what is measured is what hangs on the id."""

    schema: Schema
    services: Services
    viewer: Viewer
    other: Tenant
    commands: Commands
    own: str

    async def ask(self, kind: str, text: str, variables: dict[str, Any]) -> Any:
        """The answer to it, or the first thing that a subscription says."""
        context = Context(self.services, self.viewer)
        if kind != "subscription":
            return await self.schema.execute(text, variables, context_value=context)
        stream = await self.schema.stream(text, variables, context_value=context)
        async with aclosing(stream) as events:
            async for event in events:
                return event
        raise AssertionError("it said nothing")

    async def asked(self, question: Question, value: str) -> Any:
        """The answer to a question about this id."""
        document = question.document(value, self.own)
        return await self.ask(question.kind, document.text, document.variables)

    async def heard(self, question: Question, value: str) -> tuple[str, ...]:
        """What the database is asked for in the course of it, without what differs each time."""
        self.commands.clear()
        await self.asked(question, value)
        return tuple(
            f"{next(iter(command))} {shape(command)}"
            for command in self.commands.seen
            if command.get(next(iter(command))) in OF_TENANTS
            or next(iter(command)) in ("commitTransaction", "abortTransaction")
        )


OF_TENANTS = {
    *("campaigns", "messages", "recipients", "counters", "values", "timeline"),
    *("outbox", "orphans", "provider_keys", "blacklist", "workspaces"),
}
LEFT_OUT = {
    *("lsid", "txnNumber", "$clusterTime", "$db", "maxTimeMS", "startTransaction", "autocommit"),
    *("readConcern", "$readPreference", "writeConcern"),
}


def shape(value: Any) -> Any:
    """What is asked, without ids and times."""
    if isinstance(value, Mapping):
        return {k: shape(v) for k, v in value.items() if k not in LEFT_OUT}
    if isinstance(value, list | tuple):
        return [shape(one) for one in value]
    if isinstance(value, str):
        return value if len(value) < ids.CAMPAIGN_LENGTH else "…"
    return value if isinstance(value, int) else type(value).__name__


@contextlib.asynccontextmanager
async def asking_of(db: Database, commands: Commands, other: Tenant) -> AsyncIterator[Asking]:
    """One who asks by way of this database's driver."""
    settings = replace(
        settings_for("mongodb://unused"),
        cost_per_minute=0,
        new_documents_per_minute=0,
        answer_cache_mb=0,
    )
    async with running(settings, db) as services:
        viewer = Viewer(f"w{secrets.token_hex(6)}", frozenset(SCOPES), "nobody")
        asking = Asking(make_schema(), services, viewer, other, commands, "")
        made = Document.along(
            "mutation",
            ["createCampaign", "campaign", "id"],
            {
                "CreateCampaignInput.name": "Mine",
                "CreateCampaignInput.text": "Hello",
                "CreateCampaignInput.sender": "ME",
            },
        )
        answer = await asking.ask("mutation", made.text, made.variables)
        asking.own = answer.data["createCampaign"]["campaign"]["id"]
        # What a server does first of all has to be over.
        while commands.seen:
            commands.clear()
            await asyncio.sleep(0.3)
        yield asking


@pytest.fixture(scope="module")
async def home(mongo_url: str) -> AsyncIterator[tuple[Database, Tenant]]:
    """A database with somebody's workspace in it."""
    database = await opened(mongo_url, f"foreign_{secrets.token_hex(6)}")
    await indexes.ensure(database, outbox_hours=24)
    async with serving_api(settings_for(mongo_url), database) as api:
        other = await furnished(api, GERMAN)
    yield database, other
    await database.drop()
    await database.close()


@pytest.fixture(scope="module")
async def heard(home: tuple[Database, Tenant], mongo_url: str) -> AsyncIterator[Asking]:
    """One whose every command is heard."""
    database, other = home
    async with (
        listening(database, mongo_url, DRIVER) as (loud, commands),
        asking_of(loud, commands, other) as asking,
    ):
        yield asking


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
async def test_both_take_the_same_commands(heard: Asking, question: Question) -> None:
    # What the server does by itself falls in between at times, and only ever adds to it.
    foreign = [await heard.heard(question, question.foreign(heard.other)) for _ in range(5)]
    unknown = [await heard.heard(question, question.unknown()) for _ in range(5)]

    commands = min(foreign, key=len)
    assert min(unknown, key=len) == commands
    assert commands != ()
    if question.commands is not None:
        assert len(commands) == question.commands, commands


async def test_a_cursor_that_does_not_fit_is_refused_before_anything_is_read_by_it(
    heard: Asking,
) -> None:
    way = ["campaign", "messages", "pageInfo", "endCursor"]
    context = Context(
        heard.services, Viewer(heard.other.api.workspace, frozenset(SCOPES), "somebody")
    )
    theirs = Document.along("query", way, {"Query.campaign(id:)": campaign_of(heard.other)})
    found = await heard.schema.execute(theirs.text, theirs.variables, context_value=context)
    assert found.data is not None
    cursor = found.data["campaign"]["messages"]["pageInfo"]["endCursor"]
    question = Question(
        "query",
        "campaign messages totalCount",
        "Campaign.messages(after:)",
        1,
        lambda: nobodys_cursor(cursor),
        lambda _: cursor,
        lambda own, _: {"Query.campaign(id:)": own},
    )
    for value in (cursor, question.unknown()):
        answer = await heard.asked(question, value)
        (error,) = answer.errors
        assert error.extensions["code"] == "INVALID_CURSOR"

    await test_both_take_the_same_commands(heard, question)


@pytest.fixture(scope="module")
async def quick(home: tuple[Database, Tenant]) -> AsyncIterator[Asking]:
    """One whom nobody listens to."""
    database, other = home
    async with asking_of(database, Commands(), other) as asking:
        yield asking


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "question", [one for one in QUESTIONS if one.kind != "mutation"], ids=lambda one: one.name
)
async def test_both_take_the_same_time(quick: Asking, question: Question) -> None:
    theirs = question.foreign(quick.other)

    async def took(value: str) -> float:
        document = question.document(value, quick.own)
        text, variables = document.text, document.variables
        began = time.perf_counter()
        await quick.ask(question.kind, text, variables)
        return time.perf_counter() - began

    for _ in range(50):
        await took(theirs)
        await took(question.unknown())
    for _ in range(AGAIN):
        differences: list[float] = []
        for _ in range(ROUNDS):
            foreign: list[float] = []
            unknown: list[float] = []
            # by turns, so that what else happens on the machine falls upon both, and each first as often as second
            for number in range(TRIES // 2 // ROUNDS):
                if number % 2:
                    foreign.append(await took(theirs))
                    unknown.append(await took(question.unknown()))
                else:
                    unknown.append(await took(question.unknown()))
                    foreign.append(await took(theirs))
                await asyncio.sleep(0)
            differences.append(statistics.median(foreign) - statistics.median(unknown))
        print(question.name, [f"{one * 1e6:+.1f} µs" for one in differences])  # noqa: T201
        if abs(statistics.median(differences)) < CLOSE:
            return
    raise AssertionError([f"{one * 1e6:+.1f} µs" for one in differences])
