"""A history is a function of the set of receipts: no order, no repeat and no batching changes it."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gql_server.domain.message import registered, standing
from gql_server.domain.receipt import (
    DeliveryReceipt,
    HistoryEntry,
    accepted,
    merged,
    present,
)
from gql_server.domain.status import DeliveryStatus as S

SENT_AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def minutes(count: float) -> datetime:
    return SENT_AT + timedelta(minutes=count)


entries = st.builds(
    HistoryEntry,
    status=st.sampled_from(S),
    at=st.integers(0, 5).map(minutes),
    error_code=st.none() | st.sampled_from(["1", "2"]),
    error_reason=st.none() | st.sampled_from(["a", "b"]),
    operator=st.none() | st.sampled_from(["20801", "20820"]),
    provider=st.sampled_from(["smsmode", "twilio"]),
)


@given(st.lists(entries, min_size=1), st.data())
def test_any_order_and_any_repeats_give_the_same_history(
    given_entries: list[HistoryEntry], data: st.DataObject
) -> None:
    start = registered(S.WAITING, SENT_AT)
    once = merged(start, *given_entries)
    again = data.draw(st.lists(st.sampled_from(given_entries)))
    shuffled = data.draw(st.permutations([*given_entries, *again]))

    assert merged(start, *shuffled) == once


@given(st.lists(entries, min_size=1), st.data())
def test_any_batching_gives_the_same_history(
    given_entries: list[HistoryEntry], data: st.DataObject
) -> None:
    start = registered(S.WAITING, SENT_AT)
    cut = data.draw(st.integers(0, len(given_entries)))

    in_two = merged(merged(start, *given_entries[:cut]), *given_entries[cut:])

    assert in_two == merged(start, *given_entries)


@given(st.lists(entries, min_size=1))
def test_the_status_is_the_highest_rank_and_each_status_stands_once(
    given_entries: list[HistoryEntry],
) -> None:
    history = merged(registered(S.WAITING, SENT_AT), *given_entries)

    statuses = [entry.status for entry in history]
    assert present(history).rank == max(entry.rank for entry in history)
    assert set(statuses) == {entry.status for entry in given_entries} | {S.WAITING}
    assert len(statuses) == len(set(statuses))
    assert [entry.at for entry in history] == sorted(entry.at for entry in history)


@given(st.lists(entries, min_size=1))
def test_each_status_has_its_earliest_time(given_entries: list[HistoryEntry]) -> None:
    history = merged((), *given_entries)

    for entry in history:
        same = [e for e in given_entries if e.status is entry.status]
        assert entry.at == min(e.at for e in same)


def test_a_late_lower_word_enters_the_history_and_leaves_the_status_alone() -> None:
    history = merged((), HistoryEntry(S.RECEIVED, minutes(2)), HistoryEntry(S.SENT, minutes(3)))

    assert [entry.status for entry in history] == [S.RECEIVED, S.SENT]
    assert standing(history).status is S.RECEIVED
    assert standing(history).at == minutes(2)


def test_received_beats_every_other_word_early_or_late() -> None:
    for status in S:
        history = merged((), HistoryEntry(S.RECEIVED, minutes(2)), HistoryEntry(status, minutes(1)))
        assert standing(history).status is S.RECEIVED


def test_at_one_time_the_smallest_error_code_stands_and_a_missing_one_last() -> None:
    at = minutes(1)
    coded = [HistoryEntry(S.OTHER_ERROR, at, code) for code in ("35", None, "2")]

    assert standing(merged((), *coded)).error_code == "2"


def test_an_assumed_error_gives_way_to_every_real_word_but_waiting() -> None:
    assumed = HistoryEntry(
        S.ABSENCE_TEMPORARY_ERROR, minutes(4320), error_code="NO_RECEIPT", assumed=True
    )
    waiting = merged(registered(S.WAITING, SENT_AT), assumed)
    assert standing(waiting).status is S.ABSENCE_TEMPORARY_ERROR

    still = merged(waiting, HistoryEntry(S.WAITING, minutes(1)))
    assert standing(still).status is S.ABSENCE_TEMPORARY_ERROR

    for status in set(S) - {S.WAITING}:
        real = HistoryEntry(status, minutes(5000))
        assert merged(waiting, real) == merged(registered(S.WAITING, SENT_AT), real)
        assert standing(merged(waiting, real)).status is status


def test_a_time_is_clamped_between_sending_and_arrival() -> None:
    def at(reported: datetime | None) -> datetime:
        receipt = DeliveryReceipt(S.SENT, "smsmode", key="1", at=reported)
        return accepted(receipt, arrived_at=minutes(10), sent_at=SENT_AT).at

    assert at(minutes(-60)) == minutes(-5)
    assert at(minutes(3)) == minutes(3)
    assert at(minutes(60)) == minutes(15)
    assert at(None) == minutes(10)


def test_without_a_sending_time_there_is_no_lower_bound() -> None:
    receipt = DeliveryReceipt(S.SENT, "smsmode", key="1", at=minutes(-60))

    assert accepted(receipt, arrived_at=minutes(10), sent_at=None).at == minutes(-60)


def test_a_time_is_cut_to_the_milliseconds_that_the_database_keeps() -> None:
    reported = SENT_AT.replace(microsecond=123_999)
    receipt = DeliveryReceipt(S.SENT, "smsmode", key="1", at=reported)

    entry = accepted(receipt, arrived_at=minutes(10), sent_at=SENT_AT)

    assert entry.at == SENT_AT.replace(microsecond=123_000)
