"""Breakdown: the largest values one by one, the rest together, and nothing twice."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gql_server.domain.breakdown import Breakdown, Row, key_of, rows
from gql_server.domain.status import DeliveryStatus as S


def all_ten(counts: dict[S, int]) -> dict[S, int]:
    return {status: counts.get(status, 0) for status in S}


def test_the_largest_come_first_and_the_rest_is_one_row() -> None:
    breakdown = Breakdown(
        values={
            "20801": {S.SENT: 2, S.RECEIVED: 3},
            "20820": {S.SENT: 9},
            "20810": {S.SENT: 5},
            "20815": {S.SENT: 0},
            "20802": {S.ROUTING_ERROR: 1},
        },
        none={S.WAITING: 4},
        others={S.ROUTING_ERROR: 2},
    )

    assert rows(breakdown, 3) == [
        Row("20820", "20820", {S.SENT: 9}),
        Row("20801", "20801", {S.SENT: 2, S.RECEIVED: 3}),
        Row("20810", "20810", {S.SENT: 5}),
        Row("OTHER", None, all_ten({S.WAITING: 4, S.ROUTING_ERROR: 3})),
    ]
    assert [(row.key, row.total) for row in rows(breakdown, 5)] == [
        ("20820", 9),
        ("20801", 5),
        ("20810", 5),
        ("UNKNOWN", 4),
        ("20802", 1),
        ("OTHER", 2),
    ]


def test_without_a_rest_there_is_no_row_for_it() -> None:
    breakdown = Breakdown({"FR": {S.SENT: 1}}, {}, {S.SENT: 0})

    assert rows(breakdown, 1) == [Row("FR", "FR", {S.SENT: 1})]
    assert rows(Breakdown({}, {}, {}), 1) == []


def test_a_provider_s_own_word_other_is_not_our_row() -> None:
    values = {word: {S.SENT: 1} for word in ("OTHER", "UNKNOWN", "=OTHER", "other", "=")}
    breakdown = Breakdown(values, {S.SENT: 2}, {S.SENT: 3})

    assert [(row.key, row.value, row.total) for row in rows(breakdown, 10)] == [
        ("UNKNOWN", None, 2),
        ("=", "=", 1),
        ("==OTHER", "=OTHER", 1),
        ("=OTHER", "OTHER", 1),
        ("=UNKNOWN", "UNKNOWN", 1),
        ("other", "other", 1),
        ("OTHER", None, 3),
    ]


words = st.sampled_from(["OTHER", "UNKNOWN", "FR"]).flatmap(
    lambda word: st.integers(0, 3).map(lambda times: "=" * times + word)
) | st.text(max_size=3)
counts = st.dictionaries(st.sampled_from(S), st.integers(0, 5), max_size=3)


@given(values=st.dictionaries(words, counts), none=counts, others=counts, first=st.integers(1, 9))
def test_rows_add_up_to_all_messages_and_have_keys_of_their_own(
    values: dict[str, dict[S, int]], none: dict[S, int], others: dict[S, int], first: int
) -> None:
    found = rows(Breakdown(values, none, others), first)

    wanted: Counter[S] = Counter()
    for one in (*values.values(), none, others):
        wanted.update(one)
    shown: Counter[S] = Counter()
    for row in found:
        shown.update(row.counts)
    assert shown == wanted
    assert len({row.key for row in found}) == len(found) <= first + 1
    ranked = [row for row in found if row.key != "OTHER"]
    assert ranked == sorted(ranked, key=lambda row: (-row.total, row.key))
    assert all(row.total for row in found)
    assert all(row.value is None or key_of(row.value) == row.key for row in found)
