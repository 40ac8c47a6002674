"""The simulated carrier: what it plans is a campaign's life in small, in words that our provider file can read."""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from gql_server.carrier import Carrier, read_messages
from gql_server.domain.receipt import DeliveryReceipt, History, accepted, merged, present
from gql_server.domain.status import DeliveryStatus as S
from gql_server.errors import StartError
from gql_server.providers import smsmode
from gql_server.providers.shape import WebhookRequest
from gql_server.simulator import Callback, Message, Request, plan, request_of
from tests.conftest import Api

MakeApi = Callable[..., AbstractAsyncContextManager[Api]]

MESSAGES = [Message(f"0123456789ab-{n:06}", f"+3363998{n:04}") for n in range(5000)]
FOUR_MINUTES = 240.0
STARTED = datetime(2026, 7, 1, 10, 0, 0, tzinfo=UTC)
PARIS = ZoneInfo("Europe/Paris")


@pytest.fixture(scope="module")
def callbacks() -> list[Callback]:
    return plan(MESSAGES, seed=1, duration=FOUR_MINUTES)


def receipt(callback: Callback) -> DeliveryReceipt:
    """What our provider file reads out of a callback."""
    sent = request_of(callback, started=STARTED, zone=PARIS)
    url = f"http://127.0.0.1/webhooks/smsmode/token?{sent.query}"
    found = smsmode.parse_receipts(WebhookRequest(sent.method, url, {}, sent.body), PARIS)
    assert len(found) == 1
    return found[0]


def standings(callbacks: Sequence[Callback]) -> dict[str, S]:
    """Where each message stands after these callbacks, by the rules of the domain."""
    histories: dict[str, History] = {}
    for callback in callbacks:
        arrived = STARTED + timedelta(seconds=callback.at)
        entry = accepted(receipt(callback), arrived_at=arrived, sent_at=STARTED)
        reference = callback.message.reference
        histories[reference] = merged(histories.get(reference, ()), entry)
    return {reference: present(history).status for reference, history in histories.items()}


def test_the_same_seed_plans_the_same_and_another_seed_another() -> None:
    assert plan(MESSAGES[:50], 7, 12.0) == plan(MESSAGES[:50], 7, 12.0)
    assert plan(MESSAGES[:50], 7, 12.0) != plan(MESSAGES[:50], 8, 12.0)


@pytest.mark.parametrize("seed", range(5))
def test_five_thousand_messages_take_three_to_five_minutes(seed: int) -> None:
    planned = plan(MESSAGES, seed, FOUR_MINUTES)
    assert 180 <= planned[-1].at <= 300
    assert planned[0].at <= 2
    assert all(earlier.at <= later.at for earlier, later in pairwise(planned))


def test_no_second_is_crowded(callbacks: list[Callback]) -> None:
    busiest = max(Counter(int(callback.at) for callback in callbacks).values())
    assert busiest <= 100


def test_every_message_comes_to_its_end(callbacks: list[Callback]) -> None:
    found = standings(callbacks)
    assert found.keys() == {message.reference for message in MESSAGES}
    counts = Counter(found.values())
    assert counts[S.WAITING] == 0
    assert 0.85 <= counts[S.RECEIVED] / 5000 <= 0.90
    small = set(S) - {S.WAITING, S.RECEIVED}
    assert all(0.004 <= counts[status] / 5000 <= 0.04 for status in small), counts


@pytest.mark.parametrize(("messages", "duration"), [(5000, 240.0), (300, 12.0), (9, 240.0)])
def test_all_ten_statuses_show_within_ten_seconds(messages: int, duration: float) -> None:
    early = [one for one in plan(MESSAGES[:messages], 3, duration) if one.at <= 10]
    assert {receipt(callback).status for callback in early} == set(S)
    # not only said: nine messages stand there, all at the same time
    assert set(standings(early).values()) >= set(S) - {S.WAITING}


@pytest.mark.parametrize("count", [0, 1, 2, 8])
def test_a_handful_of_messages_comes_to_its_end_as_well(count: int) -> None:
    found = standings(plan(MESSAGES[:count], 1, 30.0))
    assert len(found) == count
    assert S.WAITING not in found.values()


def test_half_comes_by_each_api_and_one_message_only_by_one(callbacks: list[Callback]) -> None:
    by_rest = {callback.message for callback in callbacks if callback.rest}
    by_legacy = {callback.message for callback in callbacks if not callback.rest}
    assert not by_rest & by_legacy
    assert 0.45 <= len(by_rest) / 5000 <= 0.55


def test_some_come_twice_word_for_word(callbacks: list[Callback]) -> None:
    said = Counter(request_of(one, started=STARTED, zone=PARIS) for one in callbacks)
    assert 0.03 <= sum(times == 2 for times in said.values()) / len(said) <= 0.07


def test_some_come_late(callbacks: list[Callback]) -> None:
    first_told: dict[Request, Callback] = {}
    for callback in callbacks:
        first_told.setdefault(request_of(callback, started=STARTED, zone=PARIS), callback)
    received = [one for one in first_told.values() if one.word in {"DELIVERED", "11", "14"}]
    late = [one for one in received if one.at - one.happened > 8]
    assert 0.02 <= len(late) / len(received) <= 0.06


def test_some_come_out_of_order(callbacks: list[Callback]) -> None:
    ended: dict[str, S] = {}
    overtaken = 0
    for callback in callbacks:
        status = receipt(callback).status
        before = ended.setdefault(callback.message.reference, status)
        overtaken += before is S.RECEIVED and status in {S.SENT, S.DELIVERED_OPERATOR}
    assert 20 <= overtaken <= 200


def test_nothing_is_posted_before_it_happened(callbacks: list[Callback]) -> None:
    assert all(0 <= callback.happened <= callback.at <= FOUR_MINUTES for callback in callbacks)


def test_both_formats_are_read_as_they_are_meant() -> None:
    message = Message("0123456789ab-000001", "+33639980001")
    legacy = Callback(
        at=2.0,
        happened=1.5,
        message=message,
        rest=False,
        message_id="S7EpYZ5kmS87",
        word="3502",
        detail=None,
        network=("Orange", "20801"),
    )
    sent = request_of(legacy, started=STARTED, zone=PARIS)
    assert (sent.method, sent.body) == ("GET", b"")
    assert sent.query == (
        "numero=33639980001&date_reception=2026-07-01+12%3A00%3A01&statut=3502"
        "&smsID=S7EpYZ5kmS87&refClient=0123456789ab-000001&mcc_mnc=20801"
    )
    found = receipt(legacy)
    assert found.status is S.ABSENCE_TEMPORARY_ERROR
    assert found.reference == "0123456789ab-000001"
    assert found.key == "S7EpYZ5kmS87:33639980001"
    assert found.at == STARTED + timedelta(seconds=1)
    assert found.operator == "20801"

    rest = Callback(
        at=2.0,
        happened=1.5,
        message=message,
        rest=True,
        message_id="e5ab32e9-caf1-464b-92ac-382a0899445f",
        word="UNDELIVERABLE",
        detail="BLACKLISTED",
        network=("Orange", "20801"),
    )
    assert request_of(rest, started=STARTED, zone=PARIS).method == "POST"
    found = receipt(rest)
    assert found.status is S.BLACKLISTED
    assert found.reference == "0123456789ab-000001"
    assert found.key == "e5ab32e9-caf1-464b-92ac-382a0899445f"
    assert found.at == STARTED + timedelta(seconds=1)
    assert found.error_code == "BLACKLISTED"
    assert found.operator == "Orange"


STATISTICS = """query ($id: ID!) { campaign(id: $id) {
  state statistics { total statuses { status count } }
} }"""


async def counted(api: Api, campaign: str) -> tuple[str, dict[str, int]]:
    """The campaign's state, and how many of its messages stand where."""
    found = (await api.ask(STATISTICS, {"id": campaign}))["campaign"]
    counts = {row["status"]: row["count"] for row in found["statistics"]["statuses"]}
    assert sum(counts.values()) == found["statistics"]["total"]
    return found["state"], counts


async def test_a_campaign_read_over_the_api_is_answered_to_its_end(api: Api) -> None:
    campaign = await api.new_campaign(recipients=250)
    webhook = await api.new_source("smsmode", time_zone="Europe/Paris")

    messages = await read_messages(api.base, api.key, campaign)
    planned = plan(messages, seed=1, duration=2.0)
    carrier = Carrier(planned, webhook, zone=PARIS)
    await carrier.run()

    assert [message.recipient for message in messages[:2]] == ["+33600000000", "+33600000001"]
    assert len({message.reference for message in messages}) == 250
    assert (carrier.posted, carrier.given_up) == (len(planned), 0)
    expected = Counter(status.value for status in standings(planned).values())
    state, counts = await counted(api, campaign)
    assert state == "COMPLETED"
    assert {status: count for status, count in counts.items() if count} == dict(expected)


async def test_a_restart_of_the_server_costs_time_and_no_receipt(make_api: MakeApi) -> None:
    async with make_api() as api:
        campaign = await api.new_campaign(recipients=250)
        webhook = await api.new_source("smsmode")
        messages = await read_messages(api.base, api.key, campaign)
        planned = plan(messages, seed=2, duration=3.0)
        carrier = Carrier(planned, webhook, zone=ZoneInfo("UTC"))
        posting = asyncio.create_task(carrier.run())
        await asyncio.sleep(0.8)
        posted_before = carrier.posted
    await asyncio.sleep(0.8)
    async with make_api(port=int(api.base.rpartition(":")[2])) as again:
        await posting
        state, counts = await counted(again, campaign)

    assert 0 < posted_before < len(planned)
    assert carrier.repeated > 0
    assert (carrier.posted, carrier.given_up) == (len(planned), 0)
    assert (state, counts["WAITING"]) == ("COMPLETED", 0)


async def test_a_wrong_address_is_told_at_once(api: Api) -> None:
    planned = plan(MESSAGES[:20], seed=1, duration=60.0)
    carrier = Carrier(planned, f"{api.base}/webhooks/smsmode/nobody", zone=PARIS)
    with pytest.raises(StartError, match="answers 404"):
        await asyncio.wait_for(carrier.run(), timeout=5)


async def test_reading_says_what_is_wrong(api: Api, unused_port: int) -> None:
    campaign = await api.new_campaign(recipients=1)
    masked = await api.new_key(scopes=frozenset({"reports:read"}))
    with pytest.raises(StartError, match="contacts:read"):
        await read_messages(api.base, masked, campaign)
    with pytest.raises(StartError, match="no such campaign"):
        await read_messages(api.base, api.key, "Q2FtcGFpZ246MDAwMDAwMDAwMDAw")
    with pytest.raises(StartError, match="not known"):
        await read_messages(api.base, f"gqs_{'0' * 12}_{'0' * 43}", campaign)
    with pytest.raises(StartError, match="no GraphQL API answers"):
        await read_messages(f"http://127.0.0.1:{unused_port}", api.key, campaign)


@pytest.fixture
def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port
