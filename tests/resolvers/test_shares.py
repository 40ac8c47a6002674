"""One execution for all equal subscriptions: who shares, who does not, and that nobody hangs or leaks.

The numbers are those of the fifteen ways to get it wrong that a first sketch was tried with.
"""

import asyncio
import contextlib
import contextvars
import gc
import json
import secrets
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import pytest
from graphql import GraphQLError
from strawberry.types.graphql import OperationType

from gql_server import auth, metrics
from gql_server.auth import Viewer
from gql_server.domain.ids import read_campaign
from gql_server.errors import Overloaded
from gql_server.live import Live
from gql_server.pace import Pace
from gql_server.services import Services
from resolvers import newest
from resolvers import share as share_module
from resolvers.context import Context
from resolvers.limits import MOST_TOKENS
from resolvers.newest import Newest, NewestSubscriber
from resolvers.results import Result, Stand
from resolvers.schema import FIELDS, Schema, make_schema
from resolvers.shapes import Shapes
from resolvers.share import Start
from resolvers.shares import Shares
from tests.conftest import ALL_SCOPES, Api
from tests.quiet import quiet
from tests.resolvers.mutating import act
from tests.wires import MULTIPART, acknowledged, nothing_went_wrong, streaming

MASKED = ALL_SCOPES - {"contacts:read"}
FIGURES = """subscription($c: ID!, $ms: Int = 100) { campaignUpdated(id: $c, minIntervalMs: $ms) {
  name statistics { revision } messages(first: 100) { nodes { recipient } } } }"""
UPDATES = """subscription($c: ID!, $after: String) { messagesUpdated(campaignId: $c, after: $after,
  minIntervalMs: 100) { cursor resync messages { id status recipient } } }"""
HISTORY = "subscription { campaignsUpdated(minIntervalMs: 100) { id name } }"
WATCHED = "query($c: ID!) { campaign(id: $c) { updatesCursor } }"


def gauge(name: str) -> float:
    value = metrics.REGISTRY.get_sample_value(name)
    assert value is not None
    return value


def executions() -> float:
    return gauge("gql_live_events_total")


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - many things may make it true
            await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
async def nothing_left(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """No test leaves an execution, a subscriber, a connection or a task behind."""
    monkeypatch.setattr(share_module, "LINGER", 0.05)
    names = ("gql_live_shares", "gql_live_subscribers", "gql_connections")
    # What another file's last test has left lingers for a second.
    await until(lambda: gauge("gql_live_shares") == 0)
    before = {name: gauge(name) for name in names}
    tasks = len(asyncio.all_tasks())
    yield
    try:
        await until(lambda: {name: gauge(name) for name in names} == before, 10)
        await until(lambda: len(asyncio.all_tasks()) <= tasks, 10)
    except TimeoutError:
        now = {name: gauge(name) for name in names}
        raise AssertionError((before, now, asyncio.all_tasks())) from None


class Source:
    """An execution whose events the test gives."""

    def __init__(self) -> None:
        self.opened = 0
        self.closed = 0
        self.starts: list[Start | None] = []
        self._given: asyncio.Queue[Any] = asyncio.Queue()

    def give(self, *events: Any) -> None:
        """Events; an exception is raised, None is the end."""
        for event in events:
            self._given.put_nowait(event)

    async def open(self, pace: Pace, start: Start | None) -> AsyncGenerator[Any, None]:
        self.opened += 1
        self.starts.append(start)
        try:
            while (event := await self._given.get()) is not None:
                if isinstance(event, Exception):
                    raise event
                await pace.wait()
                pace.mark()
                yield event
        finally:
            self.closed += 1


def result(number: int) -> Result:
    return Result({"number": number}, None)


async def one(subscriber: Any) -> Any:
    """The next event."""
    async with asyncio.timeout(10):
        return await anext(subscriber)


async def numbers(subscriber: Any) -> list[int]:
    """All that come until the end."""
    async with asyncio.timeout(10):
        return [event.data["number"] async for event in subscriber]


# 1. What is no subscription


@pytest.mark.parametrize("operation", ["mutation", "query"])
async def test_an_operation_with_the_word_subscription_in_it_runs_once_for_each_who_sends_it(
    api: Api, operation: str
) -> None:
    given = {"name": "subscription", "text": "subscription", "sender": "ACME"}
    mutation = """mutation subscription($i: CreateCampaignInput!) { # subscription
      createCampaign(input: $i) { campaign { id } } }"""
    query = "query subscription { subscription: campaigns { totalCount } }"
    async with acknowledged(api) as one_, acknowledged(api) as other:
        for each in (one_, other):
            if operation == "mutation":
                await each.subscribe("1", mutation, variables={"i": given})
            else:
                await each.subscribe("1", query)
        answers = [await each.next() for each in (one_, other)]

        count = (await api.ask("{ campaigns { totalCount } }"))["campaigns"]["totalCount"]
    assert gauge("gql_live_shares") == 0
    if operation == "query":
        assert answers == [{"subscription": {"totalCount": 0}}] * 2
    else:
        ids = {answer["createCampaign"]["campaign"]["id"] for answer in answers}
        assert (len(ids), count) == (2, 2)


# 2. Whose it is, and what they may see


async def test_two_with_different_rights_see_the_same_change_each_with_its_own_eyes(
    api: Api,
) -> None:
    # given two who may see numbers and two who may not, on the same three subscriptions
    campaign = await api.new_campaign()
    masked = await api.new_key(scopes=MASKED)
    async with contextlib.AsyncExitStack() as stack:
        clear = [await stack.enter_async_context(acknowledged(api)) for _ in range(2)]
        blind = [await stack.enter_async_context(acknowledged(api, masked)) for _ in range(2)]
        for each in (*clear, *blind):
            await each.subscribe("figures", FIGURES, variables={"c": campaign})
            assert (await each.next())["campaignUpdated"]["messages"]["nodes"] == []
            await each.subscribe("updates", UPDATES, variables={"c": campaign})
            assert (await each.next())["messagesUpdated"]["messages"] == []

        # when numbers are added, again and again
        for number in range(5):
            await api.add(campaign, [f"+3361234567{number}"])
            seen: list[list[set[str]]] = [[], []]
            for which, group in enumerate((clear, blind)):
                for each in group:
                    for _ in range(2):
                        text = json.dumps(await each.next(), ensure_ascii=False)
                        seen[which].append({w for w in text.split('"') if w.startswith("+33")})

            # then those who may see them see them, and the others never do
            assert seen[0][0] >= {f"+3361234567{number}"}
            assert all(numbers_ and all("•" not in n for n in numbers_) for numbers_ in seen[0])
            assert all(
                numbers_ == {f"+33••••••67{n}" for n in ids_of(numbers_)} for numbers_ in seen[1]
            )
        # and there were two executions of each, not one and not four
        assert gauge("gql_live_shares") == 4


def ids_of(masked: set[str]) -> set[str]:
    return {number[-1] for number in masked}


async def test_another_workspace_gets_nothing_of_it(api: Api) -> None:
    campaign = await api.new_campaign()
    stranger = await api.new_key(workspace=f"w{secrets.token_hex(6)}")
    async with acknowledged(api) as own, acknowledged(api, stranger) as other:
        await own.subscribe("1", HISTORY)
        assert await own.next() == {"campaignsUpdated": []}
        await own.subscribe("2", FIGURES, variables={"c": campaign})
        assert (await own.next())["campaignUpdated"]["name"] == "Spring"

        await other.subscribe("1", HISTORY)
        assert await other.next() == {"campaignsUpdated": []}
        await other.subscribe("2", FIGURES, variables={"c": campaign})
        frame = await other.receive()
        assert frame["payload"]["errors"][0]["extensions"]["code"] == "NOT_FOUND"
        assert await other.receive() == {"id": "2", "type": "complete"}

        await act(api, "updateCampaign", {"id": campaign, "name": "Summer"}, "userErrors { code }")
        assert {next(iter(await own.next())), next(iter(await own.next()))} == {
            "campaignsUpdated",
            "campaignUpdated",
        }
        await other.subscribe("3", "{ campaigns { totalCount } }")
        assert await other.next() == {"campaigns": {"totalCount": 0}}


async def test_who_may_not_read_reports_is_refused_while_others_watch_the_same(api: Api) -> None:
    campaign = await api.new_campaign()
    key = await api.new_key(scopes=ALL_SCOPES - {"reports:read"})
    async with acknowledged(api) as allowed, acknowledged(api, key) as refused:
        for query, variables in (
            (FIGURES, {"c": campaign}),
            (UPDATES, {"c": campaign}),
            (HISTORY, {}),
        ):
            await allowed.subscribe(query[:40], query, variables=variables)
            await allowed.next()
            before = gauge("gql_live_subscribers")
            await refused.subscribe("1", query, variables=variables)
            frame = await refused.receive()
            assert frame["payload"]["errors"][0]["extensions"]["code"] == "FORBIDDEN"
            assert frame["payload"]["data"] is None
            assert await refused.receive() == {"id": "1", "type": "complete"}
            assert gauge("gql_live_subscribers") <= before + 1


# 3. Who comes late


async def test_who_comes_late_gets_the_present_state_at_once_and_not_one_of_before(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given somebody who watches, and another process whose nudges are lost
    campaign = await api.new_campaign()
    monkeypatch.setattr(Live, "_look_at_versions", _nothing)
    async with quiet(api.db, slots=(50,)) as elsewhere, acknowledged(api) as early:
        await early.subscribe("1", FIGURES, variables={"c": campaign, "ms": 60_000})
        assert (await early.next())["campaignUpdated"]["name"] == "Spring"
        for number in range(20):
            # when that changes something, and then somebody comes
            new = {"name": f"Summer {number}"}
            errors = await elsewhere.registration.update_campaign(
                api.workspace, read_campaign(campaign), new
            )
            assert errors == []
            async with acknowledged(api) as late:
                await late.subscribe("1", FIGURES, variables={"c": campaign, "ms": 60_000})
                # then what it gets first is what is true now
                assert (await late.next())["campaignUpdated"]["name"] == new["name"]


async def _nothing(*_: Any) -> None:
    """No look at the versions: a change is seen by who asks, or by nobody."""


async def test_who_comes_late_costs_no_execution_where_nothing_has_changed(api: Api) -> None:
    campaign = await api.new_campaign(3)
    async with acknowledged(api) as early:
        await early.subscribe("1", FIGURES, variables={"c": campaign})
        first = await early.next()
        before = executions()
        for interval in (100, 250, 60_000):
            async with acknowledged(api) as late:
                variables = {"c": campaign, "ms": interval}
                await late.subscribe("1", FIGURES, variables=variables)
                assert await late.next() == first
        assert executions() == before


# 4. The end, whatever it is


@pytest.mark.parametrize(
    ("events", "texts"),
    [
        ([None], []),
        ([result(1), None], ['{"data":{"number":1}}']),
        ([ValueError("+33612345678")], ["INTERNAL_ERROR"]),
        ([result(1), ValueError("+33612345678")], ["INTERNAL_ERROR"]),
    ],
)
async def test_an_end_ends_everybody_with_the_last_that_there_was_and_the_next_one_begins_anew(
    events: list[Any], texts: list[str]
) -> None:
    shares, source = Shares(), Source()
    subscribers = [shares.newest("key", source.open, interval=0.1) for _ in range(3)]
    waiting = [asyncio.create_task(_all(subscriber)) for subscriber in subscribers]
    await asyncio.sleep(0)
    source.give(*events)

    async with asyncio.timeout(10):
        seen = await asyncio.gather(*waiting)

    for each in seen:
        assert len(each) in (len(texts), len(events) - 1 + len(texts))
        for text, expected in zip([r.text for r in each][-len(texts) :], texts, strict=False):
            assert expected in text
            assert "33612345678" not in text
    assert len(shares) == 0
    again = Source()
    again.give(result(2), None)
    assert await numbers(shares.newest("key", again.open, interval=0.1)) == [2]


async def _all(subscriber: Any) -> list[Any]:
    return [event async for event in subscriber]


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        ("subscription { campaignUpdated(id: 1) { nonsense } }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { campaignUpdated { id } }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("subscription {", {}, "GRAPHQL_PARSE_FAILED"),
        ("subscription { }", {}, None),
        (FIGURES, {}, "BAD_USER_INPUT"),
        (FIGURES, {"c": "nonsense"}, "NOT_FOUND"),
        (FIGURES, {"c": "nonsense", "ms": 5}, "INVALID_INTERVAL"),
        (UPDATES, {"c": "nonsense"}, "NOT_FOUND"),
        (UPDATES, {"c": "nonsense", "after": "nonsense"}, "NOT_FOUND"),
    ],
)
async def test_what_cannot_be_executed_is_told_to_each_and_spoils_nothing(
    api: Api, query: str, variables: dict[str, Any], code: str | None
) -> None:
    async with acknowledged(api) as one_, acknowledged(api) as other:
        for id_ in ("1", "2"):
            for each in (one_, other):
                await each.subscribe(id_, query, variables=variables)
            for each in (one_, other):
                frame = await each.receive()
                assert (frame["id"], frame["type"] in ("error", "next")) == (id_, True)
                errors = (
                    frame["payload"] if frame["type"] == "error" else frame["payload"]["errors"]
                )
                if code is not None:
                    assert [error["extensions"]["code"] for error in errors] == [code]
                if frame["type"] == "next":
                    assert await each.receive() == {"id": id_, "type": "complete"}


async def test_a_database_that_is_away_when_somebody_subscribes_is_an_error_and_no_end(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`complete` alone would tell a client that all is well, and that it need not come back."""

    async def away(*_: Any) -> Viewer:
        raise Overloaded("away")

    campaign = await api.new_campaign()
    async with acknowledged(api) as socket:
        monkeypatch.setattr(auth.Authenticator, "viewer", away)
        for id_, query in (("1", FIGURES), ("2", UPDATES), ("3", HISTORY)):
            await socket.subscribe(id_, query, variables={"c": campaign})
            frame = await socket.receive()
            assert (frame["id"], frame["type"]) == (id_, "error")
            assert [e["extensions"]["code"] for e in frame["payload"]] == ["UNAVAILABLE"]


# 5. Closed before it was begun


@pytest.mark.parametrize("query", [FIGURES, UPDATES, HISTORY])
async def test_subscribing_and_completing_at_once_leaves_nothing(
    api: Api, query: str, caplog: pytest.LogCaptureFixture
) -> None:
    campaign = await api.new_campaign()
    async with acknowledged(api) as socket:
        for number in range(50):
            await socket.subscribe(f"{number}", query, variables={"c": campaign})
            await socket.send({"id": f"{number}", "type": "complete"})
        await until(lambda: gauge("gql_live_subscribers") == gauge("gql_live_shares") == 0)
    nothing_went_wrong(caplog)


async def test_a_subscriber_who_is_closed_before_it_began_ends_the_execution() -> None:
    shares, source = Shares(), Source()
    await shares.newest("newest", source.open, interval=0.1).aclose()
    await shares.chain("chain", source.open, source.open, interval=0.1).aclose()

    # The execution ends a moment after its share.
    await until(lambda: len(shares) == 0 and source.opened == source.closed)


# 6. Who is slow


async def test_who_is_slow_gets_the_newest_and_nothing_is_kept_for_it() -> None:
    shares, source = Shares(), Source()
    fast = shares.newest("key", source.open, interval=0.0)
    slow = shares.newest("key", source.open, interval=0.0)
    source.give(result(0))
    assert (await one(slow)).data == {"number": 0}
    seen = [(await one(fast)).data["number"]]
    results: list[weakref.ref[Result]] = []
    for number in range(1, 6):
        source.give(made := result(number))
        results.append(weakref.ref(made))
        del made
        while seen[-1] < number:
            seen.append((await one(fast)).data["number"])

    assert seen == [0, 1, 2, 3, 4, 5]
    gc.collect()
    assert [there() is not None for there in results] == [False] * 4 + [True], (
        "one result is there, whoever has not taken the others"
    )
    assert (await one(slow)).data == {"number": 5}
    for subscriber in (fast, slow):
        await subscriber.aclose()


# 7. Without data


async def test_who_watches_what_changes_all_the_time_is_told_all_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given changes that come faster than they can be executed
    monkeypatch.setattr(newest, "GAP", 0.0)
    executed = 0

    async def execute(pace: Pace, start: Start | None) -> AsyncGenerator[Any, None]:
        nonlocal executed
        while True:
            await pace.wait()
            pace.mark()
            await asyncio.sleep(0.01)
            executed += 1
            yield result(executed)

    # when somebody watches
    shares = Shares()
    subscriber = shares.newest("a", execute, interval=0.0)
    try:
        told = [(await one(subscriber)).data["number"] for _ in range(10)]
    finally:
        await subscriber.aclose()
        await shares.close()

    # then it is told of every one, and not only when there is nothing newer on its way
    assert told == list(range(1, 11))


async def test_two_results_without_data_keep_each_its_own_error() -> None:
    shares = Shares()
    sources = {word: Source() for word in ("one", "two")}
    for word, source in sources.items():
        source.give(Result(None, [GraphQLError(word)]), None)
    subscribers = [
        (word, shares.newest(word, sources[word].open, interval=0.1))
        for word in ("one", "two", "one", "two")
    ]

    for word, subscriber in subscribers:
        (event,) = await _all(subscriber)
        assert json.loads(event.text) == {"data": None, "errors": [{"message": word}]}


# 8. Frames


@pytest.mark.parametrize(
    "id_",
    [
        '"',
        '","type":"complete","x":"',
        "\n",
        "\r\n\r\ndata: x",
        "\\",
        "",
        "é\u2028😀",
        "\x00",
        "{}",
    ],
)
async def test_an_operation_id_is_told_back_as_it_is_and_ends_no_string(api: Api, id_: str) -> None:
    async with acknowledged(api) as socket:
        await socket.subscribe(id_, HISTORY)
        first = {"id": id_, "type": "next", "payload": {"data": {"campaignsUpdated": []}}}
        assert await socket.receive() == first
        await socket.subscribe("2", "{ campaigns { totalCount } }")
        assert (await socket.receive())["id"] == "2"


async def test_who_goes_in_the_middle_of_a_frame_is_no_error(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    # given many who watch, all of whom go without a word while frames are on their way
    campaign = await api.new_campaign()
    (message,) = await api.add(campaign, ["+33612345678"])
    for _ in range(3):
        async with contextlib.AsyncExitStack() as stack:
            sockets = [await stack.enter_async_context(acknowledged(api)) for _ in range(10)]
            for socket in sockets:
                for id_, query in (("1", FIGURES), ("2", UPDATES), ("3", HISTORY)):
                    await socket.subscribe(id_, query, variables={"c": campaign})
                    await socket.next()
            for number, socket in enumerate(sockets):
                await act(
                    api,
                    "updateCampaign",
                    {"id": campaign, "name": f"{number}"},
                    "userErrors { code }",
                )
                socket.reset()
    await until(lambda: gauge("gql_live_subscribers") == gauge("gql_connections") == 0)
    assert message
    nothing_went_wrong(caplog)


# 9. What cannot be a key


@pytest.fixture(scope="module")
def shapes() -> Shapes:
    schema = make_schema()
    return Shapes(schema._schema, frozenset(FIELDS), most_tokens=MOST_TOKENS)


def deep(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (None, None),
        (5, None),
        ("", None),
        ("subscription {", None),
        ("subscription { }", None),
        ("subscription { campaignUpdated(id: 1) { id } } # " + "x " * 10_000, {"x": float("nan")}),
        (FIGURES, None),
        (FIGURES, {"c": None}),
        (FIGURES, {"c": float("nan")}),
        (FIGURES, {"c": "1", "x": float("nan")}),
        (FIGURES, {"c": "1", "x": float("inf")}),
        (FIGURES, {"c": "1", "x": deep(1_000)}),
        (FIGURES, {"c": "1", "x": deep(100_000)}),
        (FIGURES, {"c": "1", "x": {1, 2}}),
        (FIGURES, {"c": "1", "ms": 2**70}),
        (FIGURES, {"c": "1", "ms": "x"}),
        ("subscription { campaignUpdated(id: 1) @include(if: true) { id } }", None),
        ("subscription { ...F } fragment F on Subscription { campaignUpdated(id: 1) { id } }", None),
        ("subscription { a: campaignUpdated(id: 1) { id } b: campaignUpdated(id: 1) { id } }", None),
        ("subscription { __typename }", None),
        ("query { campaigns { totalCount } } # subscription", None),
        ("subscription A { campaignUpdated(id: 1) { id } } query B { campaigns { totalCount } }", None),
        ("subscription { campaignUpdated(id: " + "[" * 490 + "]" * 490 + ") { id } }", None),
    ],
)  # fmt: skip
def test_what_is_wrong_or_cannot_be_written_down_runs_alone(
    shapes: Shapes, query: Any, variables: Any
) -> None:
    assert shapes.shared(query, None, variables) is None


def test_large_numbers_are_no_trouble_and_differ(shapes: Shapes) -> None:
    keys = set()
    for value in (2**70, 2**70 + 1, "1", 1, 1.5, True, None, "", "null", "2"):
        shared = shapes.shared(FIGURES, None, {"c": "1", "x": value})
        assert shared is not None
        keys.add(shared.key)
    assert len(keys) == 10


def test_where_each_begins_and_how_often_it_is_told_are_its_own_and_nothing_else(
    shapes: Shapes,
) -> None:
    one_ = shapes.shared(UPDATES, None, {"c": "1", "after": "a"})
    two = shapes.shared(UPDATES, None, {"after": "b", "c": "1"})
    other = shapes.shared(UPDATES, None, {"c": "2", "after": "a"})
    assert one_ is not None
    assert two is not None
    assert other is not None
    assert one_ == two
    assert one_.key != other.key

    slow = shapes.shared(FIGURES, None, {"c": "1", "ms": 60_000})
    fast = shapes.shared(FIGURES, None, {"c": "1"})
    assert slow is not None
    assert fast is not None
    assert slow.key == fast.key
    assert (slow.interval, fast.interval) == (60_000, 100)


def test_a_variable_that_is_used_elsewhere_too_is_part_of_what_is_asked_for(shapes: Shapes) -> None:
    query = """subscription($n: Int) { campaignUpdated(id: 1, minIntervalMs: $n) {
      messages(first: $n) { nodes { id } } } }"""
    keys = {shapes.shared(query, None, {"n": n}) for n in (100, 101)}
    assert len({shared.key for shared in keys if shared is not None}) == 2


@pytest.mark.parametrize("levels", [10, 61])
async def test_variables_of_many_levels_end_no_operation(
    api: Api, levels: int, caplog: pytest.LogCaptureFixture
) -> None:
    campaign = await api.new_campaign()
    async with acknowledged(api) as socket:
        payload = json.dumps({"query": FIGURES, "variables": {"c": campaign, "x": "DEEP"}})
        payload = payload.replace('"DEEP"', "[" * levels + "]" * levels)
        await socket.send(f'{{"type":"subscribe","id":"1","payload":{payload}}}')
        assert (await socket.next())["campaignUpdated"]["name"] == "Spring"
    nothing_went_wrong(caplog)


# 10. Whose context it runs in

SAID = contextvars.ContextVar("SAID", default="nothing")


async def test_what_the_first_one_has_set_is_not_there_for_the_others() -> None:
    shares, source = Shares(), Source()
    found: list[str] = []

    async def execute(pace: Pace, start: Start | None) -> AsyncGenerator[Any, None]:
        async for event in source.open(pace, start):
            found.append(SAID.get())
            yield event

    SAID.set("by the first")
    subscriber = shares.newest("key", execute, interval=0.1)
    source.give(result(1))
    await one(subscriber)

    assert found == ["nothing"]
    await subscriber.aclose()


async def test_a_shared_execution_knows_rights_and_workspace_and_no_key_no_place_and_no_socket(
    services: Services,
) -> None:
    viewer = Viewer("acme", frozenset({"reports:read"}), "key1")
    context = Context(services, viewer, "Bearer secret")
    context.last_event_id, context.connection_params = "place", {"authorization": "secret"}
    context.sign_in = lambda viewer: None
    pace = _NoPace()
    shared = context.for_share(pace, {0: 1})

    assert shared.viewer == Viewer("acme", frozenset({"reports:read"}), "")
    assert (shared.authorization, shared.last_event_id) == (None, None)
    assert (shared.connection_params, shared.sign_in) == (None, None)
    assert (shared.pace, shared.start) == (pace, {0: 1})


class _NoPace:
    def attach(self, refresh: Any) -> None: ...
    async def wait(self) -> None: ...
    def mark(self) -> None: ...


# 11. Who joins what


async def test_who_comes_when_the_last_one_goes_finds_an_execution_that_lives() -> None:
    shares, first, second = Shares(), Source(), Source()
    gone = shares.newest("key", first.open, interval=0.0)
    first.give(result(1))
    await one(gone)
    await gone.aclose()
    ending = gone._share

    # at every moment of its end somebody comes
    for _ in range(200):
        if ending.ended:
            break
        assert len(shares) == 1
        await asyncio.sleep(0.001)
    second.give(result(2), None)
    assert await numbers(shares.newest("key", second.open, interval=0.0)) == [2]
    await until(lambda: first.closed == 1)
    assert len(shares) == 0


async def test_an_execution_that_ends_forgets_itself_alone() -> None:
    shares, first, second = Shares(), Source(), Source()
    old = shares.newest("key", first.open, interval=0.0)
    old._share.end()
    new = shares.newest("key", second.open, interval=0.0)
    assert new._share is not old._share
    await until(old._share.task.done)

    assert len(shares) == 1, "the newer one is there still"
    second.give(result(1))
    assert (await one(new)).data == {"number": 1}
    assert await numbers(old) == []
    await new.aclose()


async def test_all_who_come_at_once_are_one_execution() -> None:
    shares, source = Shares(), Source()
    subscribers = [shares.newest("key", source.open, interval=0.0) for _ in range(100)]
    waiting = [asyncio.create_task(one(subscriber)) for subscriber in subscribers]
    await asyncio.sleep(0)
    source.give(result(1))

    assert [event.data for event in await asyncio.gather(*waiting)] == [{"number": 1}] * 100
    assert len({id(task.result()) for task in waiting}) == 1, "and one result, encoded once"
    assert source.opened == 1
    for subscriber in subscribers:
        await subscriber.aclose()


# 12. Who goes without a word


@pytest.mark.parametrize("kind", ["newest", "chain"])
async def test_who_is_cancelled_while_it_waits_has_left(kind: str) -> None:
    shares, source = Shares(), Source()
    subscriber = _subscriber(shares, kind, source)
    waiting = asyncio.create_task(one(subscriber))
    await asyncio.sleep(0.02)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert subscriber.left
    await until(lambda: len(shares) == 0 and source.opened == source.closed == 1)
    with pytest.raises(StopAsyncIteration):
        await anext(subscriber)


def _subscriber(shares: Shares, kind: str, source: Source) -> Any:
    if kind == "newest":
        return shares.newest("key", source.open, interval=0.0)
    return shares.chain("key", source.open, source.open, interval=0.0)


@pytest.mark.parametrize("kind", ["newest", "chain"])
async def test_who_is_dropped_without_a_word_has_left_also_when_a_thread_collects_it(
    kind: str,
) -> None:
    shares, source = Shares(), Source()
    stand = Stand({0: 0}, {0: 1})
    subscriber = _subscriber(shares, kind, source)
    source.give(Result({"number": 1}, None, stand=stand))
    await one(subscriber)
    subscribers = gauge("gql_live_subscribers")
    # a circle, as a cancelled task leaves one
    subscriber.circle = subscriber

    gc.disable()
    try:
        del subscriber
        thread = threading.Thread(target=gc.collect)
        thread.start()
        while thread.is_alive():  # noqa: ASYNC110 - not a wait for something of asyncio's
            await asyncio.sleep(0.001)
    finally:
        gc.enable()

    await until(lambda: len(shares) == 0 and source.opened == source.closed)
    assert gauge("gql_live_subscribers") <= subscribers


async def test_who_takes_the_place_in_memory_of_one_who_was_dropped_is_not_let_go_in_its_stead() -> (
    None
):
    shares, source = Shares(), Source()
    keeps_it = shares.newest("key", source.open, interval=0.0)
    again = 0
    for number in range(100):
        dropped = shares.newest("key", source.open, interval=0.0)
        place = id(dropped)
        del dropped
        subscriber = shares.newest("key", source.open, interval=0.0)
        again += id(subscriber) == place
        await asyncio.sleep(0)  # the dropped one is let go of now
        assert list(subscriber._share.present()) == [keeps_it, subscriber]
        waiting = asyncio.create_task(one(subscriber))
        await asyncio.sleep(0)
        source.give(result(number))
        while (await waiting).data != {"number": number}:
            waiting = asyncio.create_task(one(subscriber))
        await subscriber.aclose()
    assert again, "this test has tested nothing"
    await keeps_it.aclose()


@pytest.mark.parametrize("accept", ["text/event-stream", MULTIPART])
@pytest.mark.parametrize("query", [FIGURES, UPDATES, HISTORY])
async def test_who_closes_a_stream_has_left(
    api: Api, query: str, accept: str, caplog: pytest.LogCaptureFixture
) -> None:
    campaign = await api.new_campaign()
    for reset in (False, True):
        async with streaming(api, query, {"c": campaign}, accept=accept) as stream:
            if accept == MULTIPART:
                assert (await stream.part())["data"]
            else:
                assert await stream.next()
            if reset:
                stream.reset()
        await until(lambda: gauge("gql_live_subscribers") == gauge("gql_connections") == 0)
    nothing_went_wrong(caplog)


# 13. A context for each operation


async def test_each_operation_on_a_socket_has_a_context_of_its_own(api: Api) -> None:
    campaign = await api.new_campaign()
    query = "query($c: ID!) { campaign(id: $c) { name } }"
    async with acknowledged(api) as socket:
        for name in ("Summer", "Autumn"):
            await act(api, "updateCampaign", {"id": campaign, "name": name}, "userErrors { code }")
            await socket.subscribe(name, query, variables={"c": campaign})
            assert await socket.next() == {"campaign": {"name": name}}, "nothing of before is kept"
            assert await socket.receive() == {"id": name, "type": "complete"}


async def test_a_context_for_an_operation_is_a_new_one_with_the_same_viewer(
    services: Services,
) -> None:
    viewer = Viewer("acme", ALL_SCOPES, "key1")
    context = Context(services, viewer)
    one_, two = await context.for_operation(), await context.for_operation()

    assert len({id(context), id(one_), id(two)}) == 3
    assert one_.viewer == two.viewer == viewer
    assert one_.reading() is not two.reading()
    await one_.close()
    await two.close()


# 14. What is not in the key


@pytest.mark.parametrize(
    ("given", "shared"),
    [
        ({}, True),
        ({"allowed_operation_types": [OperationType.SUBSCRIPTION]}, True),
        ({"allowed_operation_types": [OperationType.QUERY]}, False),
        ({"operation_extensions": {"persistedQuery": 1}}, False),
        ({"context_value": None}, False),
    ],
)
async def test_what_came_by_get_or_with_extensions_runs_alone(
    services: Services, given: dict[str, Any], shared: bool
) -> None:
    schema: Schema = make_schema()
    context = Context(services, Viewer("acme", ALL_SCOPES, "key1"))
    query = 'subscription { campaignUpdated(id: "1") { id } }'

    source = await schema.stream(query, **{"context_value": context, **given})

    assert isinstance(source, NewestSubscriber) is shared
    assert len(schema.shares) == shared
    await source.aclose()
    await schema.shares.close()


# 15. The end of the server, and a moment's patience


async def test_at_the_end_of_the_server_everybody_is_ended_even_who_had_not_begun() -> None:
    shares, sources = Shares(), [Source() for _ in range(3)]
    begun = shares.newest("begun", sources[0].open, interval=0.0)
    sources[0].give(result(1))
    await one(begun)
    waiting = asyncio.create_task(numbers(begun))
    await asyncio.sleep(0.01)
    not_begun = shares.newest("not begun", sources[1].open, interval=0.0)

    await shares.close()

    assert await waiting == []
    assert await numbers(not_begun) == []
    assert (len(shares), sources[0].closed) == (0, 1)


async def test_a_page_that_is_loaded_anew_finds_the_execution_that_it_left(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(share_module, "LINGER", 5.0)
    campaign = await api.new_campaign()
    before = executions()
    try:
        for _ in range(5):
            async with acknowledged(api) as socket:
                await socket.subscribe("1", FIGURES, variables={"c": campaign})
                assert (await socket.next())["campaignUpdated"]["name"] == "Spring"
            await until(lambda: gauge("gql_live_subscribers") == 0)
            assert gauge("gql_live_shares") == 1
        assert executions() == before + 1
    finally:
        for lingering in [s for s in gc.get_objects() if type(s) is Newest and not s.ended]:
            lingering.end()


async def test_what_is_counted_is_what_is_there(api: Api) -> None:
    campaign = await api.new_campaign()
    async with acknowledged(api) as one_, acknowledged(api) as other:
        for count, each in enumerate((one_, other), start=1):
            await each.subscribe("1", FIGURES, variables={"c": campaign})
            await each.next()
            assert gauge("gql_live_shares") == 1
            assert gauge("gql_live_subscribers") == count
            assert gauge("gql_connections") == 2
        before = executions()
        await act(api, "updateCampaign", {"id": campaign, "name": "Summer"}, "userErrors { code }")
        assert await one_.next() == await other.next()
        assert executions() == before + 1
        text = (await api.http.get(f"{api.base}/metrics")).text
        assert "\ngql_live_shares 1.0\n" in text
        assert "\ngql_live_subscribers 2.0\n" in text


async def test_a_subscription_lives_on_while_the_database_cannot_say_whose_it_is(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that runs alone asks for its key with each event."""
    campaign = await api.new_campaign()
    other = await api.new_key()
    viewer = auth.Authenticator.viewer

    async def known(self: auth.Authenticator, authorization: str | None) -> Viewer:
        if authorization == f"Bearer {api.key}":
            raise Overloaded("away")
        return await viewer(self, authorization)

    alone = """subscription($c: ID!) { ...F } fragment F on Subscription {
      campaignUpdated(id: $c, minIntervalMs: 100) { name } }"""
    async with acknowledged(api) as socket:
        await socket.subscribe("1", alone, variables={"c": campaign})
        assert await socket.next() == {"campaignUpdated": {"name": "Spring"}}
        assert gauge("gql_live_shares") == 0

        monkeypatch.setattr(auth.Authenticator, "viewer", known)
        new = {"id": campaign, "name": "Summer"}
        await act(api, "updateCampaign", new, "userErrors { code }", key=other)

        assert await socket.next() == {"campaignUpdated": {"name": "Summer"}}
