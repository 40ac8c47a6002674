"""A thousand who come back, each with a cursor of its own, are soon one execution again."""

import asyncio
import contextlib
import json
import time
from typing import Any

import pytest

from gql_server import metrics
from resolvers import schema as schema_module
from tests.conftest import ALL_SCOPES, Api
from tests.resolvers.mutating import act
from tests.wires import Socket, acknowledged

UPDATES = """subscription($c: ID!, $after: String) { messagesUpdated(campaignId: $c, after: $after,
  minIntervalMs: 250) { cursor messages { id status recipient } } }"""
CURSOR = "query($c: ID!) { campaign(id: $c) { updatesCursor } }"
MASKED = ALL_SCOPES - {"contacts:read"}


class Executions:
    """Every event that was executed, for one or for many."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        coded = schema_module._coded

        def counted(result: Any, context: Any, *more: Any) -> Any:
            self.count += getattr(context, "stand", None) is not None
            return coded(result, context, *more)

        monkeypatch.setattr(schema_module, "_coded", counted)


class Phone:
    """One who follows the messages, and all that it is told."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.seen: dict[str, str] = {}
        self.recipients: set[str] = set()
        self.events = 0
        self.task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        async for frame in self.socket.connection:
            told = json.loads(frame)
            if told["type"] == "ping":
                await self.socket.send({"type": "pong"})
                continue
            assert told["type"] == "next", told
            self.events += 1
            for message in told["payload"]["data"]["messagesUpdated"]["messages"]:
                self.seen[message["id"]] = message["status"]
                self.recipients.add(message["recipient"])

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


RECORD = "mutation($i: RecordReceiptsInput!) { recordReceipts(input: $i) { userErrors { code } } }"


async def record(api: Api, message: str, status: str) -> None:
    given = [{"messageId": message, "status": status, "at": "2026-11-23T08:00:00Z"}]
    for _ in range(
        5
    ):  # where the machine does much else, it may be told to come again, and does no harm by it
        answer = (await api.post(RECORD, {"i": {"receipts": given}})).json()
        if "errors" not in answer:
            return
        await asyncio.sleep(1)
    raise AssertionError(answer)


async def all_have_seen(phones: list[Phone], message: str, status: str) -> None:
    async with asyncio.timeout(60):
        while not all(phone.seen.get(message) == status for phone in phones):
            for phone in phones:
                if phone.task.done():
                    phone.task.result()
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.long)])
async def test_as_many_cursors_as_phones_are_one_execution_for_each_event_within_seconds(
    api: Api, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    # given a campaign that has changed many times, a cursor from before each of these changes, and a few receipts
    campaign = await api.new_campaign()
    numbers = [f"+3361000{number:04}" for number in range(300)]
    messages = [message["id"] for message in await api.add(campaign, numbers)]
    fresh = iter(messages)
    cursors, missed = [], []
    for number in range(count):
        cursors.append((await api.ask(CURSOR, {"c": campaign}))["campaign"]["updatesCursor"])
        new = {"id": campaign, "name": f"Spring {number}"}
        await act(api, "updateCampaign", new, "userErrors { code }")
        if number % (count // 20) == 0:
            await record(api, message := next(fresh), "SENT")
            missed.append((number, message))
    assert len(set(cursors)) == count
    masked = await api.new_key(scopes=MASKED)
    executions = Executions(monkeypatch)

    async with contextlib.AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(acknowledged(api)) for _ in range(count)]
        blind = await stack.enter_async_context(acknowledged(api, masked))
        # when all come back at once, while the campaign goes on changing
        for socket, cursor in zip(sockets, cursors, strict=True):
            await socket.subscribe("1", UPDATES, variables={"c": campaign, "after": cursor})
        await blind.subscribe("1", UPDATES, variables={"c": campaign, "after": cursors[0]})
        phones = [Phone(socket) for socket in sockets]
        other = Phone(blind)
        for _ in range(10):
            await record(api, message := next(fresh), "SENT")
            missed.append((count, message))
        await all_have_seen([*phones, other], message, "SENT")

        # then each has been told of all that it had missed, and of nothing else
        for number, phone in enumerate(phones):
            assert {message for at, message in missed if at >= number} == phone.seen.keys()
        # and soon each change is executed once for all of them, and once for those of other rights
        async with asyncio.timeout(60):
            alone = True
            while alone:
                before = executions.count
                await record(api, message := next(fresh), "SENT")
                await all_have_seen([*phones, other], message, "SENT")
                await asyncio.sleep(0.3)  # an interval, in which nobody may catch up any more
                alone = executions.count > before + 2
        assert metrics.REGISTRY.get_sample_value("gql_live_subscribers") == count + 1
        for _ in range(5):
            before = executions.count
            await record(api, message := next(fresh), "SENT")
            await all_have_seen([*phones, other], message, "SENT")
            assert executions.count == before + 2
        # and they stay one while changes come as fast as they can
        before, began = executions.count, time.monotonic()
        for _ in range(100):
            await record(api, message := next(fresh), "SENT")
        await all_have_seen([*phones, other], message, "SENT")
        seconds = time.monotonic() - began
        assert executions.count - before <= 2 * (seconds / 0.25 + 2)
        assert {len(phone.recipients) > 0 for phone in phones} == {True}
        assert not any("•" in number for phone in phones for number in phone.recipients)
        assert all("•" in number for number in other.recipients)
        for phone in (*phones, other):
            await phone.stop()
