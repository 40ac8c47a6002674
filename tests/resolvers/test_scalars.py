"""The contract's own scalars: one way to write each, and nothing is read that may mean two things."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from resolvers.scalars import SCALARS, BigInt, read_instant, write_instant
from tests.conftest import Api

FORM = "A DateTime is written in RFC 3339 with its zone, such as 2026-11-23T08:15:30.120Z."
NEVER = "This DateTime does not exist."
CREATE = "campaign { sentAt } userErrors { code }"


async def sent_at(api: Api, written: Any, *, literal: bool) -> dict[str, Any]:
    """The raw answer to a campaign that is sent at this time."""
    if not literal:
        query = f"mutation($i: CreateCampaignInput!) {{ createCampaign(input: $i) {{ {CREATE} }} }}"
        given = {"i": {"name": "n", "text": "t", "sender": "s", "sentAt": written}}
        answer = await api.post(query, given)
    else:
        value = f'{{ name: "n", text: "t", sender: "s", sentAt: {json.dumps(written)} }}'
        answer = await api.post(f"mutation {{ createCampaign(input: {value}) {{ {CREATE} }} }}")
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("at", "written"),
    [
        (datetime(2026, 11, 23, 8, 15, 30, 120_000, UTC), "2026-11-23T08:15:30.120Z"),
        (datetime(2026, 11, 23, 8, 15, 30, 0, UTC), "2026-11-23T08:15:30.000Z"),
        # cut, and not rounded: 999.9 ms would be the next second
        (datetime(2026, 12, 31, 23, 59, 59, 999_999, UTC), "2026-12-31T23:59:59.999Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
        (datetime(999, 9, 9, 9, 9, 9, 9_000, UTC), "0999-09-09T09:09:09.009Z"),
        (
            datetime(2026, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=2))),
            "2025-12-31T23:00:00.000Z",
        ),
    ],
)
def test_an_instant_is_written_in_utc_with_three_decimals(at: datetime, written: str) -> None:
    assert write_instant(at) == written


@pytest.mark.parametrize(
    "at",
    [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(2026, 11, 23, 8, 15, 30, 120_000, UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_000, UTC),
    ],
)
def test_an_instant_is_read_as_it_was_written(at: datetime) -> None:
    assert read_instant(write_instant(at)) == at


@pytest.mark.parametrize("literal", [True, False])
@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("2026-01-01T08:00:00Z", "2026-01-01T08:00:00.000Z"),
        ("2026-01-01T08:00:00.5Z", "2026-01-01T08:00:00.500Z"),
        ("2026-01-01t08:00:00.123z", "2026-01-01T08:00:00.123Z"),
        ("2026-01-01T08:00:00.123999999Z", "2026-01-01T08:00:00.123Z"),
        ("2026-01-01T10:00:00+02:00", "2026-01-01T08:00:00.000Z"),
        ("2025-12-31T18:15:00-13:45", "2026-01-01T08:00:00.000Z"),
        ("2024-02-29T12:00:00-00:00", "2024-02-29T12:00:00.000Z"),
    ],
)
async def test_an_instant_is_taken_in_any_zone_and_shown_in_utc(
    api: Api, written: str, shown: str, literal: bool
) -> None:
    answer = await sent_at(api, written, literal=literal)
    assert answer["data"] == {"createCampaign": {"campaign": {"sentAt": shown}, "userErrors": []}}


@pytest.mark.parametrize("literal", [True, False])
@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("2026-01-01T08:00:00", FORM),
        ("2026-01-01", FORM),
        ("2026-01-01 08:00:00Z", FORM),
        ("2026-01-01T08:00Z", FORM),
        ("2026-01-01T08:00:00.Z", FORM),
        ("2026-01-01T08:00:00+0200", FORM),
        ("2026-01-01T08:00:00+02", FORM),
        ("2026-01-01T08:00:00Z\n", FORM),
        (" 2026-01-01T08:00:00Z", FORM),
        ("20260101T080000Z", FORM),
        ("٢٠٢٦-01-01T08:00:00Z", FORM),
        ("+33612345678", FORM),
        ("", FORM),
        (1767254400, FORM),
        (1767254400.5, FORM),
        (True, FORM),
        ([], FORM),
        ("2026-02-30T08:00:00Z", NEVER),
        ("2026-01-01T24:00:00Z", NEVER),
        ("2026-01-01T08:00:60Z", NEVER),
        ("2026-01-01T08:00:00+24:00", NEVER),
        ("0000-01-01T00:00:00Z", NEVER),
        # before the first day and after the last, once they are in UTC
        ("0001-01-01T00:00:00+01:00", NEVER),
        ("9999-12-31T23:59:59-01:00", NEVER),
    ],
)
async def test_what_is_no_instant_is_refused_and_nothing_is_made(
    api: Api, written: Any, reason: str, literal: bool
) -> None:
    answer = await sent_at(api, written, literal=literal)

    (error,) = answer["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    if literal:
        # what the document itself holds is told by its place
        assert error["message"].endswith(f"encountered error '{reason}'.")
        assert error["locations"]
    else:
        assert error["message"] == f"Variable '$i.sentAt' has an invalid value. {reason}"
    assert answer.get("data") is None
    assert await api.ask("{ campaigns { totalCount } }") == {"campaigns": {"totalCount": 0}}


async def test_an_instant_may_be_a_variable_of_its_own(api: Api) -> None:
    query = """mutation($at: DateTime) { createCampaign(input:
      { name: "n", text: "t", sender: "s", sentAt: $at }) { campaign { sentAt } } }"""

    assert await api.ask(query, {"at": "2026-01-01T10:00:00+02:00"}) == {
        "createCampaign": {"campaign": {"sentAt": "2026-01-01T08:00:00.000Z"}}
    }
    answer = (await api.post(query, {"at": "yesterday"})).json()
    assert [e["message"] for e in answer["errors"]] == [
        f"Variable '$at' has an invalid value. {FORM}"
    ]


async def test_a_revision_is_a_json_number_and_a_number_a_text(api: Api) -> None:
    campaign = await api.new_campaign(1)

    answer = await api.post(
        "query($c: ID!) { campaign(id: $c) { statistics { revision } "
        "messages { nodes { recipient } } } }",
        {"c": campaign},
    )

    assert '"revision":2' in answer.text
    assert '"recipient":"+33600000000"' in answer.text


def test_a_big_int_is_a_whole_number_that_json_can_carry() -> None:
    read = SCALARS[BigInt].parse_value
    assert read is not None
    for number in (0, -1, 2**31, 2**53 - 1, -(2**53) + 1):
        assert read(number) == number
    others: list[object] = [2**53, -(2**53), 1.5, 1.0, "1", True, None, []]
    for other in others:
        with pytest.raises(ValueError, match=r"A BigInt is a whole number up to 2\^53-1\."):
            read(other)
