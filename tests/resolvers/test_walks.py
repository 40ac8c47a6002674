"""Whatever a list holds, walking it either way with pages of any size gives what a plain sort gives."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as how
from hypothesis import strategies as st

from gql_server.domain import ids
from gql_server.domain.folding import folded
from gql_server.domain.status import STATUSES_OF, DeliveryIndicator
from tests.conftest import Api
from tests.resolvers.test_pages import CAMPAIGNS, MESSAGES, backwards, forwards, messages, report

Row = dict[str, Any]
ROWS = """query($c: ID!) { campaign(id: $c) { messages(first: 100) {
  nodes { id recipient contactName status statusAt errorCode country } } } }"""

NAMES = ("Éléonore", "eleonore b", "ELEA", "Łukasz", "Zoë", None)
NUMBERS = ("+33612345", "+33712345", "+49151234567")
STATUSES = ("SENT", "RECEIVED", "OTHER_ERROR", "ROUTING_ERROR")


@dataclass(frozen=True)
class Person:
    """A recipient, and what is reported of the message to it."""

    number: str
    name: str | None
    status: str | None
    code: str | None
    second: int


people = st.lists(
    st.builds(
        Person,
        number=st.builds(
            lambda start, rest: f"{start}{rest:03}", st.sampled_from(NUMBERS), st.integers(0, 999)
        ),
        name=st.sampled_from(NAMES),
        status=st.none() | st.sampled_from(STATUSES),
        code=st.none() | st.sampled_from(["9", "3501"]),
        second=st.integers(0, 3),
    ),
    min_size=5,
    max_size=20,
    unique_by=lambda person: person.number,
)


async def campaign_to(api: Api, everybody: list[Person]) -> tuple[str, list[Row]]:
    """A campaign to these people with what is reported of it, and its rows in the order of their positions."""
    campaign = await api.new_campaign(sentAt="2026-11-23T07:00:00Z")
    if everybody:
        added = await api.ask(
            "mutation($i: AddRecipientsInput!) { addRecipients(input: $i) "
            "{ messages { id } userErrors { code } } }",
            {
                "i": {
                    "campaignId": campaign,
                    "recipients": [{"number": p.number, "name": p.name} for p in everybody],
                }
            },
        )
        sent = [message["id"] for message in added["addRecipients"]["messages"]]
        receipts = [
            {
                "messageId": message,
                "status": person.status,
                "at": f"2026-11-23T08:00:0{person.second}Z",
                "errorCode": person.code,
            }
            for message, person in zip(sent, everybody, strict=True)
            if person.status is not None
        ]
        await api.ask(
            "mutation($i: RecordReceiptsInput!) { recordReceipts(input: $i) { applied } }",
            {"i": {"receipts": receipts}},
        )
    rows = (await api.ask(ROWS, {"c": campaign}))["campaign"]["messages"]["nodes"]
    assert [(row["recipient"], row["contactName"]) for row in rows] == [
        (person.number, person.name) for person in everybody
    ]
    return campaign, rows


WALKED = how(
    max_examples=8,
    deadline=None,
    # Each example asks a real server a hundred times: what fails is shown as it is.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

Keep = Callable[[Row], bool]
Key = Callable[[Row], Any]


def position(row: Row) -> Any:
    return ids.read_message(row["id"])


def begins(text: str) -> Keep:
    return lambda row: row["recipient"].startswith(text)


def ends(text: str) -> Keep:
    return lambda row: row["recipient"].endswith(text)


def named(text: str) -> Keep:
    return lambda row: folded(row["contactName"] or "").startswith(text)


def everything(row: Row) -> bool:
    return True


def in_time(row: Row) -> Any:
    return row["statusAt"], position(row)


def by_number(row: Row) -> Any:
    return row["recipient"]


def from_the_end(row: Row) -> Any:
    return row["recipient"][::-1]


def by_name(row: Row) -> Any:
    return folded(row["contactName"]), position(row)


PERMANENT = {s.value for s in STATUSES_OF[DeliveryIndicator.PERMANENT_ERROR]}

OFFERED: list[tuple[dict[str, Any], str | None, Keep, Key]] = [
    ({}, None, everything, position),
    ({}, "POSITION", everything, position),
    ({}, "STATUS_AT", everything, in_time),
    ({}, "RECIPIENT", everything, by_number),
    ({"statuses": ["SENT", "WAITING"]}, "POSITION", lambda r: r["status"] in ("SENT", "WAITING"), position),
    ({"indicators": ["PERMANENT_ERROR"]}, None, lambda r: r["status"] in PERMANENT, position),
    (
        {"indicators": ["PERMANENT_ERROR"], "statuses": ["SENT", "ROUTING_ERROR"]},
        "STATUS_AT",
        lambda r: r["status"] == "ROUTING_ERROR",
        in_time,
    ),
    ({"statuses": ["RECEIVED"]}, "STATUS_AT", lambda r: r["status"] == "RECEIVED", in_time),
    ({"statuses": []}, "STATUS_AT", lambda r: False, in_time),
    ({"statuses": []}, "POSITION", lambda r: False, position),
    ({"country": "fr"}, "POSITION", lambda r: r["country"] == "FR", position),
    ({"errorCode": "9"}, "POSITION", lambda r: r["errorCode"] == "9", position),
    ({"errorCode": ""}, None, lambda r: False, position),
    ({"search": "+336"}, None, begins("+336"), by_number),
    ({"search": "49151*"}, "RECIPIENT", begins("+49151"), by_number),
    ({"search": "06 12 34 51"}, "RECIPIENT", ends("06123451"), from_the_end),
    ({"search": "450"}, "RECIPIENT", ends("450"), from_the_end),
    ({"search": "ÉLÉ"}, None, named("ele"), by_name),
    ({"search": "eleonore b"}, None, named("eleonore b"), by_name),
    ({"search": "  "}, "STATUS_AT", everything, in_time),
]  # fmt: skip


@WALKED
@given(everybody=people, data=st.data())
async def test_every_list_of_messages_is_what_a_plain_sort_gives_in_both_directions(
    api: Api, everybody: list[Person], data: st.DataObject
) -> None:
    campaign, rows = await campaign_to(api, everybody)

    for chosen, field, keep, key in OFFERED:
        size = data.draw(st.integers(2, 9))
        expected = [row["id"] for row in sorted(filter(keep, rows), key=key)]
        given: dict[str, Any] = {"filter": chosen}
        orders: list[tuple[str | None, list[Any]]] = [(None, expected)]
        if field is not None:
            orders = [("ASC", expected), ("DESC", expected[::-1])]
        for direction, in_order in orders:
            if direction is not None:
                given["order"] = {"field": field, "direction": direction}
            assert await forwards(api, campaign, size, **given) == in_order, given
            assert await backwards(api, campaign, size, **given) == in_order, given
        total = (await messages(api, campaign, first=1, **given))["totalCount"]
        counted = set(chosen) <= {"statuses", "indicators"} or chosen.get("search") == "  "
        assert total == (len(expected) if counted else None), given


TITLES = ("Été", "ete 2", "Rentrée", "rentree", "a.b*c")
campaigns = st.lists(
    st.tuples(
        st.sampled_from(TITLES),
        st.sampled_from(["MARKETING", "OTP"]),
        st.integers(0, 3) | st.just(99),
        st.integers(0, 1),
    ),
    max_size=10,
)


@WALKED
@given(made=campaigns, size=st.integers(2, 5), data=st.data())
async def test_every_list_of_campaigns_is_what_a_plain_sort_gives_in_both_directions(
    api: Api, made: list[tuple[str, str, int, int]], size: int, data: st.DataObject
) -> None:
    own = replace(api, workspace=f"{api.workspace}{id(made):x}{size}")
    own.key = await own.new_key()
    for name, kind, hour, recipients in made:
        at = "2099-01-01T00:00:00Z" if hour == 99 else f"2026-11-23T0{hour}:00:00Z"
        await own.new_campaign(recipients, name=name, type=kind, sentAt=at)
    everything = (
        await own.ask("{ campaigns(first: 100) { nodes { id name type state createdAt sentAt } } }")
    )["campaigns"]["nodes"]
    assert len(everything) == len(made)

    conditions: dict[str, tuple[Any, Keep]] = {
        "search": ("ÉTE", lambda r: "ete" in folded(r["name"])),
        "type": ("OTP", lambda r: r["type"] == "OTP"),
        "state": ("COMPLETED", lambda r: r["state"] == "COMPLETED"),
        "sentFrom": ("2026-11-23T01:00:00Z", lambda r: r["sentAt"] >= "2026-11-23T01:00:00.000Z"),
        "sentTo": ("2026-11-23T03:00:00Z", lambda r: r["sentAt"] < "2026-11-23T03:00:00.000Z"),
    }
    keys: dict[str, Key] = {
        "CREATED_AT": lambda r: (r["createdAt"], ids.read_campaign(r["id"])),
        "SENT_AT": lambda r: (r["sentAt"], ids.read_campaign(r["id"])),
        "NAME": lambda r: (folded(r["name"]), ids.read_campaign(r["id"])),
    }
    for field, direction in itertools.product(keys, ("ASC", "DESC")):
        names = data.draw(st.sets(st.sampled_from(sorted(conditions))))
        kept = [r for r in everything if all(conditions[name][1](r) for name in names)]
        in_order = [r["id"] for r in sorted(kept, key=keys[field])]
        given = {
            "filter": {name: conditions[name][0] for name in names},
            "order": {"field": field, "direction": direction},
        }
        expected = in_order if direction == "ASC" else in_order[::-1]
        for way in (1, -1):
            found, total = await all_campaigns(own, size, way, given)
            assert found == expected, given
            assert total == len(expected), given


async def all_campaigns(
    api: Api, size: int, way: int, given: dict[str, Any]
) -> tuple[list[str], int]:
    """The ids of all pages in the list's order, walked forwards or backwards; and how many there are said to be."""
    names = ("first", "after", "hasNextPage", "endCursor")
    if way < 0:
        names = ("last", "before", "hasPreviousPage", "startCursor")
    length, place, more, edge = names
    found: list[str] = []
    cursor = None
    while True:
        page = (await api.ask(CAMPAIGNS, {**given, length: size, place: cursor}))["campaigns"]
        rows = [node["id"] for node in page["nodes"]]
        found = found + rows if way > 0 else rows + found
        if not page["pageInfo"][more]:
            return found, page["totalCount"]
        cursor = page["pageInfo"][edge]


UNMOVED: list[tuple[dict[str, Any], str | None]] = [
    ({}, "POSITION"),
    ({}, "RECIPIENT"),
    ({"country": "FR"}, "POSITION"),
    ({"search": "+336"}, None),
    ({"search": "678"}, None),
]
MOVING: list[tuple[dict[str, Any], str | None]] = [
    ({}, "STATUS_AT"),
    ({"statuses": ["SENT"]}, "STATUS_AT"),
    ({"statuses": ["SENT", "WAITING"]}, "POSITION"),
    ({"errorCode": "9"}, "POSITION"),
]


@pytest.mark.parametrize("offered", UNMOVED, ids=str)
async def test_no_row_is_lost_or_doubled_while_all_of_them_change(
    api: Api, offered: tuple[dict[str, Any], str | None]
) -> None:
    campaign = await api.new_campaign()
    await api.add(campaign, [f"+336{n * 7919 % 100_000:05}678" for n in range(60)])
    given = asked(offered)
    still = await forwards(api, campaign, 100, **given)

    async with changing(api, campaign):
        for _ in range(3):
            assert await forwards(api, campaign, 3, **given) == still
            assert await backwards(api, campaign, 3, **given) == still
    assert len(still) == len(set(still)) == 60


@pytest.mark.parametrize("offered", MOVING, ids=str)
async def test_a_list_of_what_changes_is_walked_to_its_end_while_it_does(
    api: Api, offered: tuple[dict[str, Any], str | None]
) -> None:
    campaign = await api.new_campaign(60)
    given = asked(offered)
    everything = set(await forwards(api, campaign))

    async with changing(api, campaign) as rounds:
        while len(rounds) < 3:
            assert set(await forwards(api, campaign, 3, **given)) <= everything
            assert set(await backwards(api, campaign, 3, **given)) <= everything


def asked(offered: tuple[dict[str, Any], str | None]) -> dict[str, Any]:
    chosen, field = offered
    order = {} if field is None else {"order": {"field": field, "direction": "DESC"}}
    return {"filter": chosen, **order}


@contextlib.asynccontextmanager
async def changing(api: Api, campaign: str) -> AsyncIterator[Sequence[int]]:
    """Receipts come in for all messages, again and again: the rounds that there were."""
    everything = await forwards(api, campaign)
    rounds: list[int] = []

    async def change() -> None:
        words = itertools.cycle(["SENT", "OTHER_ERROR", "ROUTING_ERROR", "RECEIVED"])
        for second in range(60):
            receipts = [
                {
                    "messageId": message,
                    "status": next(words),
                    "at": f"2026-11-23T08:00:{second:02}Z",
                    "errorCode": "9",
                }
                for message in everything[second % 3 :: 3]
            ]
            await api.ask(
                "mutation($i: RecordReceiptsInput!) { recordReceipts(input: $i) { applied } }",
                {"i": {"receipts": receipts}},
            )
            rounds.append(second)

    task = asyncio.create_task(change())
    try:
        yield rounds
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_message_that_is_in_no_list_of_numbers_any_more_is_no_place(api: Api) -> None:
    campaign = await api.new_campaign(3)
    order = {"field": "RECIPIENT", "direction": "ASC"}
    page = await messages(api, campaign, first=1, order=order)
    await report(api, {page["nodes"][0]["id"]: "SENT"})
    assert (
        len(
            (await messages(api, campaign, after=page["pageInfo"]["endCursor"], order=order))[
                "nodes"
            ]
        )
        == 2
    )

    # as an erasure would
    await api.db.collection("recipients").delete_one(
        {"workspace": api.workspace, "number": "+33600000000"}
    )

    # which steps the campaign's version, so that no answer of before is given again
    await report(api, {page["nodes"][0]["id"]: "RECEIVED"})

    given = {"c": campaign, "after": page["pageInfo"]["endCursor"], "order": order}
    assert await api.codes(MESSAGES, given) == ["INVALID_CURSOR"]
