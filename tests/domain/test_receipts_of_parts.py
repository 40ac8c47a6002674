"""A long message, each part of which is reported: what its reports make of it, whatever their order."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql_server.domain.message import registered, standing
from gql_server.domain.receipt import (
    MOST_PARTS,
    DeliveryReceipt,
    History,
    HistoryEntry,
    accepted,
    merged,
    no_receipt,
    of_parts,
)
from gql_server.domain.status import DeliveryStatus as S

SENT_AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
TWO_BOUND = {"vonage": 2}


def minutes(count: float) -> datetime:
    return SENT_AT + timedelta(minutes=count)


def part(
    name: str,
    status: S,
    minute: float,
    *,
    of: int | None = None,
    code: str | None = None,
    provider: str = "vonage",
) -> HistoryEntry:
    return HistoryEntry(status, minutes(minute), code, provider=provider, part=name, parts=of)


def made_of(
    *reports: HistoryEntry, bound: Mapping[str, int] = TWO_BOUND, expected: int = 1
) -> History:
    """The history of a message of which this was reported."""
    return of_parts(
        merged(registered(S.WAITING, SENT_AT), *reports), bound=bound, expected=expected
    )


def told(history: Iterable[HistoryEntry]) -> list[tuple[S, datetime]]:
    return [(entry.status, entry.at) for entry in history]


reports_of_parts = st.builds(
    HistoryEntry,
    status=st.sampled_from([S.RECEIVED, S.SENT, S.OTHER_ERROR, S.WAITING]),
    at=st.integers(0, 2).map(minutes),
    error_code=st.none() | st.just("1"),
    provider=st.sampled_from(["vonage", "generic"]),
    part=st.sampled_from(["a", "b", None]),
    parts=st.none() | st.integers(1, 3),
)
totals = st.dictionaries(st.sampled_from(["vonage", "generic"]), st.integers(1, 3))


@given(st.lists(reports_of_parts, min_size=1, max_size=12), totals, st.integers(1, 3), st.data())
def test_any_order_any_repeats_and_any_batching_make_the_same_message(
    reports: list[HistoryEntry], bound: dict[str, int], expected: int, data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(reports), max_size=4))
    shuffled = data.draw(st.permutations([*reports, *again]))
    cut = data.draw(st.integers(0, len(shuffled)))
    start = registered(S.WAITING, SENT_AT)

    once = merged(start, *reports)
    one_by_one = start
    for report in shuffled:
        one_by_one = merged(one_by_one, report)

    assert one_by_one == once
    assert merged(merged(start, *shuffled[:cut]), *shuffled[cut:]) == once
    assert of_parts(one_by_one, bound=bound, expected=expected) == of_parts(
        once, bound=bound, expected=expected
    )


@given(st.lists(reports_of_parts, min_size=1, max_size=12), totals, st.integers(1, 3))
def test_a_history_tells_nothing_of_parts_and_holds_each_status_once(
    reports: list[HistoryEntry], bound: dict[str, int], expected: int
) -> None:
    reports = [*registered(S.WAITING, SENT_AT), *reports]

    history = of_parts(merged(reports), bound=bound, expected=expected)

    if any(report.part for report in reports):
        assert {(entry.part, entry.parts) for entry in history} == {(None, None)}
    statuses = [entry.status for entry in history]
    assert len(statuses) == len(set(statuses))
    assert [entry.at for entry in history] == sorted(entry.at for entry in history)


def test_where_one_of_two_parts_is_received_the_message_is_sent() -> None:
    history = made_of(part("a", S.RECEIVED, 2))

    assert told(history) == [(S.WAITING, SENT_AT), (S.SENT, minutes(2))]
    assert standing(history).status is S.SENT


def test_where_both_parts_are_received_the_message_is_at_the_later_time() -> None:
    history = made_of(part("b", S.RECEIVED, 5), part("a", S.RECEIVED, 2))

    assert told(history) == [
        (S.WAITING, SENT_AT),
        (S.SENT, minutes(2)),
        (S.RECEIVED, minutes(5)),
    ]


def test_a_part_that_failed_gives_the_message_its_failure() -> None:
    history = made_of(part("a", S.RECEIVED, 2), part("b", S.ROUTING_ERROR, 3, code="34"))

    assert told(history) == [
        (S.WAITING, SENT_AT),
        (S.SENT, minutes(2)),
        (S.ROUTING_ERROR, minutes(3)),
    ]
    assert standing(history).error_code == "34"


@pytest.mark.parametrize("minute", [1, 3])
def test_a_part_that_failed_and_was_received_did_not_fail(minute: float) -> None:
    history = made_of(
        part("a", S.RECEIVED, 2),
        part("b", S.OTHER_ERROR, 2.5, code="35"),
        part("b", S.RECEIVED, minute),
    )

    assert told(history) == [
        (S.WAITING, SENT_AT),
        (S.SENT, minutes(min(minute, 2))),
        (S.RECEIVED, minutes(max(minute, 2))),
    ]


def test_of_two_parts_that_failed_the_message_has_both_and_stands_in_the_worse() -> None:
    history = made_of(part("a", S.OTHER_ERROR, 2), part("b", S.ROUTING_ERROR, 1))

    assert told(history) == [
        (S.WAITING, SENT_AT),
        (S.ROUTING_ERROR, minutes(1)),
        (S.OTHER_ERROR, minutes(2)),
    ]
    assert standing(history).status is S.ROUTING_ERROR


def test_what_the_provider_tells_of_the_parts_counts_more_than_what_is_bound() -> None:
    two = part("a", S.RECEIVED, 2, of=3), part("b", S.RECEIVED, 3)

    assert standing(made_of(*two)).status is S.SENT
    assert standing(made_of(*two, part("c", S.RECEIVED, 4))).at == minutes(4)


def test_what_is_bound_counts_more_than_the_text() -> None:
    two = part("a", S.RECEIVED, 2), part("b", S.RECEIVED, 3)

    assert standing(made_of(*two, expected=3)).status is S.RECEIVED


def test_where_nothing_is_told_or_bound_the_text_says_how_many_parts_there_are() -> None:
    two = part("a", S.RECEIVED, 2), part("b", S.RECEIVED, 3)

    assert standing(made_of(*two, bound={}, expected=3)).status is S.SENT
    assert standing(made_of(*two, bound={}, expected=2)).at == minutes(3)
    # the ids of another provider say nothing of this one's parts
    assert standing(made_of(*two, bound={"generic": 2}, expected=3)).status is S.SENT


def test_how_many_parts_there_are_is_not_forgotten_for_an_earlier_report_without_it() -> None:
    silent, telling = part("a", S.SENT, 1), part("a", S.SENT, 2, of=3)
    received = part("a", S.RECEIVED, 3), part("b", S.RECEIVED, 3)

    for order in ((silent, telling), (telling, silent)):
        assert standing(made_of(*order, *received)).status is S.SENT


def test_the_largest_number_of_parts_that_was_told_stands() -> None:
    at_once = [part("a", S.RECEIVED, 1, of=2), part("a", S.RECEIVED, 1, of=3)]

    for order in (at_once, at_once[::-1]):
        history = made_of(*order, part("b", S.RECEIVED, 2))
        assert standing(history).status is S.SENT


def test_of_a_message_of_one_part_everything_that_is_said_of_the_part_is_said_of_it() -> None:
    words = [part("a", status, minute) for minute, status in enumerate(S)]

    history = made_of(*words, bound={"vonage": 1}, expected=3)

    assert told(history) == [
        (status, SENT_AT if status is S.WAITING else minutes(minute))
        for minute, status in sorted(
            enumerate(S), key=lambda one: 0 if one[1] is S.WAITING else one[0] + 1
        )
    ]


def test_what_is_said_of_the_whole_message_stands_beside_its_parts() -> None:
    whole = HistoryEntry(S.DELIVERED_OPERATOR, minutes(4), provider="vonage")

    history = made_of(whole, part("a", S.RECEIVED, 2))

    assert told(history)[-1] == (S.DELIVERED_OPERATOR, minutes(4))


def test_two_providers_do_not_share_their_parts() -> None:
    one, other = part("a", S.RECEIVED, 1), part("b", S.RECEIVED, 2, provider="generic")

    assert standing(made_of(one, other, bound={"vonage": 2, "generic": 2})).status is S.SENT


def test_a_report_of_a_part_takes_the_place_of_what_was_assumed() -> None:
    waited = merged(registered(S.WAITING, SENT_AT), no_receipt(minutes(4320)))

    history = of_parts(merged(waited, part("a", S.SENT, 5000)), bound=TWO_BOUND, expected=2)

    assert told(history) == [(S.WAITING, SENT_AT), (S.SENT, minutes(5000))]


@given(st.permutations(range(MOST_PARTS + 10)))
def test_of_too_many_parts_the_same_are_kept_in_any_order(order: list[int]) -> None:
    start = registered(S.WAITING, SENT_AT)
    reports = start
    for n in order:
        reports = merged(reports, part(f"{n:03}", S.SENT, 1))

    assert {e.part for e in reports if e.part} == {f"{n:03}" for n in range(MOST_PARTS)}


def test_of_how_many_parts_is_kept_only_with_the_part_that_it_was_told_of() -> None:
    whole = DeliveryReceipt(S.SENT, "twilio", key="1", at=SENT_AT, parts=3)

    assert accepted(whole, arrived_at=SENT_AT, sent_at=SENT_AT).parts is None
