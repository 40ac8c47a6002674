"""A follow-up campaign: to whom of an earlier one it goes, and that each is added once, whatever happens."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gql_server import audience as audience_module
from gql_server.audience import Audience
from gql_server.database import Database
from gql_server.domain.campaign import CampaignState, SmsType
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.status import DeliveryStatus as S
from gql_server.erasure import Erasure
from gql_server.errors import Overloaded
from gql_server.registration import MOST_FILLING, Again, NewCampaign
from gql_server.store import audiences, campaigns
from gql_server.store.message_lists import by_position
from gql_server.store.walk import Walk
from tests.barring import bar
from tests.conftest import Api
from tests.quiet import NOW, WORKSPACE, Quiet, quiet
from tests.resolvers.mutating import ERRORS, act, error

NUMBERS = [f"+336123456{n:02}" for n in range(12)]
FAILED = frozenset({S.OTHER_ERROR, S.ABSENCE_TEMPORARY_ERROR, S.OPERATOR_TEMPORARY_ERROR})
AUDIENCE = """query($c: ID!, $i: [DeliveryIndicator!]!, $first: Int, $after: String) {
  campaign(id: $c) { audience(indicators: $i, first: $first, after: $after) {
    totalCount nodes { recipient status } pageInfo { hasNextPage endCursor } } } }"""


@pytest.fixture
async def process(db: Database) -> AsyncIterator[Quiet]:
    async with quiet(db) as made:
        yield made


async def an_earlier_one(process: Quiet) -> str:
    """A campaign of which every second message has failed for a while."""
    made = await process.campaign()
    sent = await process.register(made, *NUMBERS)
    receipts = [
        DeliveryReceipt(S.OTHER_ERROR if n % 2 else S.RECEIVED, "twilio", reference=message, at=NOW)
        for n, message in enumerate(sent)
    ]
    await process.ingestion.record(WORKSPACE, receipts)
    return made


async def to_its_audience(process: Quiet, earlier: str | None) -> str:
    wanted = NewCampaign("Again", "Hello", "ACME", SmsType.MARKETING, None, Again(earlier, FAILED))
    made, errors = await process.registration.create_campaign(WORKSPACE, wanted)
    assert errors == []
    assert made is not None
    return made


async def recipients_of(db: Database, campaign: str) -> list[str]:
    rows = await by_position(db.latest, campaign, Walk(None, None, descending=False, limit=1000))
    return [row.recipient for row in rows]


async def test_it_goes_to_those_who_stand_there_less_the_blacklisted_and_the_erased(
    process: Quiet, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given an earlier campaign, of whose audience one is blacklisted since, and one erased
    monkeypatch.setattr(audience_module, "STEP", 2)
    earlier = await an_earlier_one(process)
    await bar(db, WORKSPACE, NUMBERS[3])
    erasure = Erasure(db, process.committer, clock=lambda: process.now)
    await erasure.erase(WORKSPACE, NUMBERS[5], by="test")
    made = await to_its_audience(process, earlier)
    assert await audiences.filling(db.latest) == [(WORKSPACE, made)]

    await Audience(db, process.committer, clock=lambda: process.now).fill(WORKSPACE, made)

    assert await recipients_of(db, made) == [NUMBERS[n] for n in (1, 7, 9, 11)]
    assert await process.counts(made) == {S.WAITING: 4}
    found = (await campaigns.some(db.latest, [made]))[made]
    assert (found.audience_of, found.filling) == (earlier, False)
    assert await audiences.filling(db.latest) == []


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
async def test_after_a_crash_at_any_step_the_job_goes_on_and_each_is_there_once(
    process: Quiet, db: Database, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    monkeypatch.setattr(audience_module, "STEP", 2)
    earlier = await an_earlier_one(process)
    made = await to_its_audience(process, earlier)
    audience = Audience(db, process.committer, clock=lambda: process.now)
    for _ in range(steps):
        await process.committer.commit(lambda tx: audience._step(tx, WORKSPACE, made))
    assert len(await recipients_of(db, made)) == 2 * steps

    # when two servers go on with it at once, and once more
    other = Audience(db, process.committer, clock=lambda: process.now)
    await asyncio.gather(audience.fill_all(), other.fill_all())
    await other.fill_all()

    assert await recipients_of(db, made) == [NUMBERS[n] for n in (1, 3, 5, 7, 9, 11)]
    assert await process.counts(made) == {S.WAITING: 6}


async def test_what_the_database_does_not_take_is_added_by_the_job(
    process: Quiet, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = await an_earlier_one(process)
    made = await to_its_audience(process, earlier)
    audience = Audience(db, process.committer, clock=lambda: process.now)
    with monkeypatch.context() as patched:

        async def away(*_: Any, **__: Any) -> None:
            raise Overloaded("away")

        patched.setattr(process.committer, "commit", away)
        await audience.begin(WORKSPACE, made, within=5)
    assert await recipients_of(db, made) == []

    await audience.fill_all()

    assert len(await recipients_of(db, made)) == 6


async def test_it_begins_at_once_and_tells_what_it_was_made_to(api: Api) -> None:
    earlier = await api.new_campaign()
    sent = [one["id"] for one in await api.add(earlier, NUMBERS)]
    for n, message in enumerate(sent):
        status = "OTHER_ERROR" if n % 3 else "RECEIVED"
        receipt = {"messageId": message, "status": status, "at": "2026-11-23T08:00:00Z"}
        await act(api, "recordReceipts", {"receipts": [receipt]}, "applied")
    await bar(api.db, api.workspace, NUMBERS[1])

    shown = await api.ask(AUDIENCE, {"c": earlier, "i": ["TEMPORARY_ERROR"], "first": 3})
    page = shown["campaign"]["audience"]
    assert page["nodes"] == [{"recipient": NUMBERS[n], "status": "OTHER_ERROR"} for n in (2, 4)]
    after = page["pageInfo"]["endCursor"]
    given = {"c": earlier, "i": ["TEMPORARY_ERROR"], "after": after}
    rest = (await api.ask(AUDIENCE, given))["campaign"]["audience"]
    assert [one["recipient"] for one in rest["nodes"]] == [NUMBERS[n] for n in (5, 7, 8, 10, 11)]
    assert rest["pageInfo"]["hasNextPage"] is False

    made = await act(
        api,
        "createCampaign",
        {
            "name": "Again",
            "text": "Hello",
            "sender": "ACME",
            "audienceOf": {"campaignId": earlier, "indicators": ["TEMPORARY_ERROR"]},
        },
        f"campaign {{ recipientCount filling audienceOf {{ id }} }} {ERRORS}",
    )
    assert made == {
        "campaign": {"recipientCount": 7, "filling": False, "audienceOf": {"id": earlier}},
        "userErrors": [],
    }


async def test_a_follow_up_of_one_that_is_not_full_yet_waits_for_it(
    process: Quiet, db: Database
) -> None:
    earlier = await an_earlier_one(process)
    middle = await to_its_audience(process, earlier)
    wanted = NewCampaign(
        "Last", "Hello", "ACME", SmsType.MARKETING, None, Again(middle, frozenset({S.WAITING}))
    )
    last, _ = await process.registration.create_campaign(WORKSPACE, wanted)
    assert last is not None
    audience = Audience(db, process.committer, clock=lambda: process.now)

    await audience.fill(WORKSPACE, last)
    assert await audiences.filling(db.latest) == [(WORKSPACE, middle), (WORKSPACE, last)]
    found = await campaigns.some(db.latest, [middle, last])
    assert {one.state for one in found.values()} == {CampaignState.SENDING}
    await audience.fill(WORKSPACE, middle)
    await audience.fill(WORKSPACE, last)

    assert await recipients_of(db, last) == await recipients_of(db, middle) != []
    assert await audiences.filling(db.latest) == []


async def test_no_more_than_some_are_added_to_at_a_time(process: Quiet) -> None:
    earlier = await an_earlier_one(process)
    for _ in range(MOST_FILLING):
        await to_its_audience(process, earlier)

    wanted = NewCampaign("x", "Hello", "ACME", SmsType.MARKETING, None, Again(earlier, FAILED))
    made, errors = await process.registration.create_campaign(WORKSPACE, wanted)

    assert (made, [e.code for e in errors]) == (None, ["TOO_MANY"])


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (
            {"campaignId": "x", "indicators": ["PENDING"]},
            error("audienceOf.campaignId", "NOT_FOUND", "There is no such campaign."),
        ),
        (
            {"indicators": []},
            error(
                "audienceOf.indicators",
                "REQUIRED",
                "Say of which messages: one indicator at least.",
            ),
        ),
    ],
)
async def test_what_has_no_audience_is_refused_and_nothing_is_made(
    api: Api, wanted: dict[str, Any], expected: dict[str, Any]
) -> None:
    earlier = await api.new_campaign()
    given = {"name": "Again", "text": "Hello", "sender": "ACME"}
    given["audienceOf"] = {"campaignId": earlier, **wanted}  # type: ignore[assignment]

    done = await act(api, "createCampaign", given, f"campaign {{ id }} {ERRORS}")

    assert done == {"campaign": None, "userErrors": [expected]}
    count = await api.ask("{ campaigns { totalCount } }")
    assert count == {"campaigns": {"totalCount": 1}}


async def test_who_opts_out_while_it_goes_on_is_left_out_or_blacklisted(
    process: Quiet, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audience_module, "STEP", 2)
    earlier = await an_earlier_one(process)
    made = await to_its_audience(process, earlier)
    audience = Audience(db, process.committer, clock=lambda: process.now)
    await process.committer.commit(lambda tx: audience._step(tx, WORKSPACE, made))

    for n in (1, 11):
        await bar(db, WORKSPACE, NUMBERS[n])
    await audience.fill(WORKSPACE, made)

    assert await recipients_of(db, made) == [NUMBERS[n] for n in (1, 3, 5, 7, 9)]
