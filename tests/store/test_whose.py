"""Whose it is, is part of every question: no function of the store answers, or changes, without being told.

It is told the workspace, or a campaign that was looked up with it: its id has 60 random bits, and all that looks up one
that a caller names takes the workspace with it.
"""

import asyncio
import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from strawberry.http import GraphQLRequestData

from gql_server import pictures, store
from gql_server.auth import Viewer
from gql_server.database import Database, Reads, Transaction
from gql_server.domain import cursor, ids
from gql_server.domain.blacklist import BlacklistReason
from gql_server.domain.condition import CampaignCondition
from gql_server.domain.imports import Counts
from gql_server.domain.retention import Retention, Then
from gql_server.domain.search import NamePrefix, NumberPrefix
from gql_server.services import Services, utc_now
from gql_server.store import campaigns, counters, keys
from gql_server.store.campaign_lists import CampaignOrder
from gql_server.store.contacts import ContactCondition
from gql_server.store.keys import Key
from gql_server.store.walk import Walk
from resolvers.context import Context
from resolvers.keeping import _key
from resolvers.schema import make_schema
from tests.conftest import Api
from tests.live.world import until
from tests.tenants import GERMAN, Tenant, everything_of, furnished, purse

OF_A_CAMPAIGN = frozenset({"campaign", "campaigns"})
"""Parameters: campaigns that were looked up with their workspace; or what stands under them, by campaign."""

OF_ALL: dict[str, str] = {
    **dict.fromkeys(
        ("campaigns.due", "campaigns.unfinished", "campaigns.sending", "campaigns.ids_after"),
        "the jobs' own round through all workspaces",
    ),
    **dict.fromkeys(
        ("orphans.after", "orphans.count", "orphans.count_by_source", "orphans.give_time_to_live"),
        "the sweep's own round; each row says whose it is",
    ),
    "orphans.adopt": "ids of rows that were read with their workspace, hashes over it",
    "outbox.changed_in": "the proof of a slot after an unclean end",
    "outbox.newest_campaigns": "the same",
    "timeline.old": "the roll-up's own round",
    "timeline.merge": "keys that `old` gave",
    "messages.write": "rows that were read with their workspace, by their ids",
    **dict.fromkeys(
        ("messages.remove", "recipients.remove"), "messages of a campaign that is being retired"
    ),
    "erased.count_unfinished": "a number for the metrics",
    "workspaces.retaining": "the retention's own round; it says of each whose it is",
    "blacklist.counted": "a query that its callers make, with the workspace",
    "recipients.add": "rows that `row_of` makes, which takes the workspace",
    "audiences.filling": "the job's own round; it says of each whose it is",
    "campaigns.change": "by campaign, each looked up with its workspace",
    "outbox.append": "by campaign, with its workspace",
    **dict.fromkeys(
        ("dead.page", "dead.count", "dead.forget"), "the operator's own: kept aside, never shown"
    ),
    **dict.fromkeys(
        ("keys.one", "keys.some", "keys.set_last_used", "keys.rehash", "sources.by_token"),
        "this is what says which workspace it is",
    ),
    **dict.fromkeys(
        ("leases.take", "leases.renew", "leases.release", "leases.listed", "leases.clear"),
        "no tenant's: who of the servers does what",
    ),
    **dict.fromkeys(
        (
            "unclean.note",
            "unclean.listed",
            "unclean.forget",
            "installation.load",
            "installation.mark_keys",
            "installation.version",
            "installation.mark_version",
            "installation.begin_epoch",
        ),
        "no tenant's: of the servers",
    ),
    **dict.fromkeys(
        ("indexes.ensure", "moving.drop", "moving.fill_recipients"),
        "no tenant's: the database's own shape",
    ),
    **dict.fromkeys(
        ("moving.fold_names", "moving.move_keys", "moving.move_blacklist"),
        "no tenant's: the database's own shape",
    ),
}
"""Functions that take neither, and why they may."""


def speaking() -> dict[str, Callable[..., Any]]:
    """The functions of the store that speak to the database, by room and name."""
    found: dict[str, Callable[..., Any]] = {}
    for room in pkgutil.iter_modules(store.__path__):
        module = importlib.import_module(f"{store.__name__}.{room.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            own = function.__module__ == module.__name__ and not name.startswith("_")
            if own and {Reads, Transaction, Database} & {*types_of(function).values()}:
                found[f"{room.name}.{name}"] = function
    return found


def types_of(function: Callable[..., Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(function)
    hints.pop("return", None)
    return hints


def within(hint: Any) -> Iterator[Any]:
    """A type and all that it is made of."""
    yield hint
    for inner in typing.get_args(hint):
        yield from within(inner)


def says_whose(function: Callable[..., Any]) -> bool:
    hints = types_of(function)
    return (
        "workspace" in hints
        or bool(OF_A_CAMPAIGN & hints.keys())
        or any(
            is_dataclass(part) and "workspace" in {one.name for one in fields(part)}
            for hint in hints.values()
            for part in within(hint)
        )
        # (workspace, id), each
        or any(part == tuple[str, str] for hint in hints.values() for part in within(hint))
    )


def test_every_function_of_the_store_is_told_whose_it_is() -> None:
    there = speaking()
    without = {name for name, function in there.items() if not says_whose(function)}

    assert without - OF_ALL.keys() == set()
    assert OF_ALL.keys() - there.keys() == set()
    # It takes a campaign as the place to go on from.
    assert {name for name in OF_ALL if says_whose(there[name])} == {"campaigns.ids_after"}


@dataclass
class World:
    """A tenant, and a workspace that has nothing."""

    db: Database
    tenant: Tenant
    key: Key
    source: str
    orphans: list[str]

    @property
    def campaign(self) -> str:
        """Of the tenant."""
        found = ids.read_campaign(self.tenant.campaigns["SENDING"])
        assert found is not None
        return found

    def given(self) -> dict[str, Any]:
        """By the name of a parameter: the tenant's own."""
        message = self.tenant.messages[0]
        return {
            "db": self.db,
            "reads": self.db.latest,
            "workspace": "stranger",
            "campaign": self.campaign,
            "campaigns": [self.campaign],
            "message": message["reference"],
            "messages": [message["reference"]],
            "keys": [f"twilio:{self.tenant.provider_id}", f"twilio:{self.tenant.parked_key}"],
            "number": self.tenant.blacklisted,
            "numbers": [self.tenant.blacklisted],
            "prefix": "",
            "suffix": message["number"][-4:],
            "country": "DE",
            "walk": Walk(None, None, False, 100),
            "condition": CampaignCondition(),
            "order": CampaignOrder.CREATED_AT,
            "begin": None,
            "end": None,
            "since": datetime(2020, 1, 1, tzinfo=UTC),
            "until": datetime(2090, 1, 1, tzinfo=UTC),
            "limit": 100,
            "key_id": self.key.id,
            "successor": self.key,
            "now": utc_now(),
            "source": None,
            "source_id": self.source,
            "secrets": ["s"],
            "keep": 0,
            "batch": 100,
            "before": datetime(2090, 1, 1, tzinfo=UTC),
            "then": Then.ANONYMISE,
            "digits": self.tenant.mark,
            "orphans": self.orphans,
            "receipts": self.orphans,
            "collection": "orphans",
            "retention": Retention(),
            "entry": self.tenant.entry,
            "entries": [self.tenant.entry],
            "person": self.tenant.contact,
            "contact": self.tenant.contact,
            "contacts": [self.tenant.contact],
            "search": NumberPrefix(self.tenant.blacklisted[1:5]),
            "chosen": ContactCondition(),
            "removed": False,
            "news": {},
            "cards": {},
            "there": {},
            "reason": BlacklistReason.MANUAL,
            "by": "command",
            "import_": self.tenant.imported,
            "holder": "nobody",
            "at_line": 0,
            "lines": 1,
            "digest": b"",
            "more": Counts(rows=1),
            "at": utc_now(),
            "refused": [(1, "INVALID_NUMBER")],
            "failure": None,
        }


BEGINS = {
    "import_refusals.add",
    "people.hear",
    "people.hold",
    "workspaces.ensure",
    "workspaces.set_thresholds",
}
"""What makes something of a workspace's own, whatever else there is."""


NOTHING = {
    *("audiences.count", "audit.of_workspace", "dead.speaking_of", "campaigns.begun_to_go"),
    *("campaigns.over", "campaigns.overdue", "erased.unfinished"),
}
"""What the tenant has nothing of."""


@pytest.fixture
async def world(api: Api) -> World:
    tenant = await furnished(api, GERMAN)
    [key, *_] = await keys.of_workspace(api.db.latest, tenant.api.workspace)

    async def kept(collection: str) -> list[Any]:
        found = api.db.collection(collection).find({"workspace": tenant.api.workspace})
        return [row["_id"] async for row in found]

    [source, *_] = await kept("sources")
    return World(api.db, tenant, key, source, await kept("orphans"))


async def answer(function: Callable[..., Any], given: dict[str, Any]) -> Any:
    """What a function of the store gives; of one that gives it in batches, all of them."""
    names = inspect.signature(function).parameters
    if "tx" in names:
        within = {name: given[name] for name in names if name != "tx"}
        return await given["db"].transaction(lambda tx: function(tx=tx, **within))
    found = function(**{name: given[name] for name in names})
    return [one async for one in found if one] if inspect.isasyncgen(found) else await found


async def test_who_is_told_another_workspace_finds_and_changes_nothing(world: World) -> None:
    before = await everything_of(world.db, world.tenant, but="stranger")
    kept = await keys.of_workspace(world.db.latest, world.tenant.api.workspace)
    asked = []
    for name, function in speaking().items():
        if "workspace" not in types_of(function) or name in BEGINS:
            continue
        given = world.given()
        parameters = inspect.signature(function).parameters
        assert parameters.keys() - {"tx"} <= given.keys(), f"given has nothing for all of {name}"
        found = await answer(function, given)
        assert not found, (name, found)
        asked.append(name)
    assert len(asked) > 25
    assert await everything_of(world.db, world.tenant, but="stranger") == before
    assert await keys.of_workspace(world.db.latest, world.tenant.api.workspace) == kept


async def test_the_tenant_itself_finds_it(world: World) -> None:
    """So that it is not for another reason that the other finds nothing."""
    for name, function in speaking().items():
        hints = types_of(function)
        if "workspace" not in hints or Reads not in hints.values():
            continue
        given = {**world.given(), "workspace": world.tenant.api.workspace}
        if name.endswith("message_lists.by_name"):
            given["prefix"] = world.tenant.mark
        if name == "contacts.found":
            given["search"] = NamePrefix(world.tenant.mark)
        assert await answer(function, given) or name in NOTHING, name


async def test_no_picture_of_a_campaign_is_another_workspaces(world: World) -> None:
    db, campaign, own = world.db, world.campaign, world.tenant.api.workspace
    for workspace, there in (("stranger", False), (own, True)):
        assert bool(await pictures.read_pictures(db, workspace, [campaign])) == there
        assert bool(await pictures.pictures_of(db.latest, workspace, [campaign])) == there
        many = [campaign, *(ids.campaign_id(n) for n in range(pictures.FEW))]
        assert bool(await pictures.pictures_of(db.latest, workspace, many)) == there
    place = dict.fromkeys(await _versions(db, campaign), 0)
    mixed = [("stranger", campaign), (own, campaign), (own, "0" * 12)]
    mixed += [(own, ids.campaign_id(n)) for n in range(pictures.FEW)]
    for some in (mixed[:3], mixed):
        asked = [pictures.Asked(workspace, one, since=place) for workspace, one in some]
        looked = await pictures.read_looks(db, asked)
        assert [look is not None for look in looked][:3] == [False, True, False]
        assert looked[3:] == [None] * len(looked[3:])
        assert looked[1] is not None
        assert looked[1].batch is not None
        assert looked[1].batch.rows
    # and of several that are asked for by several at once each has its own alone
    second = ids.read_campaign(world.tenant.campaigns["COMPLETED"])
    assert second is not None
    both = {("stranger", campaign), (own, second)}
    assert {*await campaigns.of_workspaces(db.latest, both)} == {second}
    # what was missed is read for who has seen a picture of the campaign: its messages are looked up anew all the same
    for workspace, there in (("stranger", False), (own, True)):
        [missed] = await pictures.read_missed(db, workspace, campaign, [place])
        assert missed.batch is not None
        assert bool(missed.batch.rows) == there


async def _versions(db: Database, campaign: str) -> Any:
    return (await counters.figures(db.latest, [campaign]))[campaign].versions


async def test_every_cursor_is_bound_to_its_workspace(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bindings: list[list[object]] = []
    bound = cursor._bound

    def noting(secret: bytes, binding: Any) -> Any:
        bindings.append([*binding])
        return bound(secret, binding)

    monkeypatch.setattr(cursor, "_bound", noting)
    await purse(world.tenant)

    assert {binding[0] for binding in bindings} == {
        *("campaigns", "messages", "updates", "contacts", "blacklist", "removed by")
    }
    assert all(binding[1] == world.tenant.api.workspace for binding in bindings)
    # the campaign as well, where there is one
    of_one = [b for b in bindings if b[0] in ("messages", "removed by")]
    assert all(world.campaign in binding for binding in of_one)


def test_answers_are_kept_by_workspace_and_by_rights() -> None:
    asked = GraphQLRequestData("{ campaigns { totalCount } }", None, None, None, "http")
    one = Viewer("one", frozenset({"reports:read", "contacts:read"}), "key")

    known = _key(asked, one)

    assert known is not None
    assert _key(asked, Viewer("two", one.scopes, "key")) != known
    assert _key(asked, Viewer("one", frozenset({"reports:read"}), "key")) != known
    assert _key(asked, Viewer("one", one.scopes, "another key")) == known
    assert _key(asked, None) is None


async def test_executions_are_shared_by_workspace_and_by_rights(services: Services) -> None:
    schema = make_schema()
    rights = frozenset({"reports:read", "contacts:read"})
    viewers = [
        Viewer("one", rights, "a"),
        Viewer("one", rights, "b"),
        Viewer("two", rights, "c"),
        Viewer("one", frozenset({"reports:read"}), "d"),
    ]
    streams, waiting = [], []
    for viewer in viewers:
        stream = await schema.stream(
            "subscription { campaignsUpdated { id } }", context_value=Context(services, viewer)
        )
        streams.append(stream)
        assert (await anext(stream)).data == {"campaignsUpdated": []}
        # who has seen the first event goes on with the others
        waiting.append(asyncio.create_task(anext(stream)))
    await until(lambda: len(schema.shares) == 3)
    await asyncio.sleep(0.1)

    found = list(schema.shares._shares)
    assert len(found) == 3
    for key in found:
        assert isinstance(key, tuple)
        assert {"one", "two"} & {part for part in key if isinstance(part, str)}
        assert any(part in (rights, frozenset({"reports:read"})) for part in key)

    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for stream in streams:
        await stream.aclose()
    await schema.shares.close()
