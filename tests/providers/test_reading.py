"""Reading what a stranger sent."""

import logging
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from gql_server.errors import Unreadable
from gql_server.metrics import REGISTRY
from gql_server.providers import WebhookRequest, reading

PARIS = ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    ("written", "pairs"),
    [
        ("", ()),
        ("a=1&b=2", (("a", "1"), ("b", "2"))),
        ("a=1&a=2", (("a", "1"), ("a", "2"))),
        ("a=&b&=c", (("a", ""), ("b", ""), ("", "c"))),
        ("a=b=c&&d=%26%3D+%2B", (("a", "b=c"), ("d", "&= +"))),
        ("name=%C3%A9t%C3%A9", (("name", "été"),)),
        # the same in ISO-8859-15, with its euro sign
        ("name=%E9t%E9+%A4", (("name", "été €"),)),
        ("a=%zz%", (("a", "%zz%"),)),
        ("a=é", (("a", "é"),)),
        ("a=\ud800", (("a", "í\xa0\x80"),)),
        # bytes as they came, escaped: ISO-8859-15, then UTF-8
        (b"a=\xe9\xa4".decode("utf-8", "surrogateescape"), (("a", "é€"),)),
        ("é€".encode().decode("ascii", "surrogateescape"), (("é€", ""),)),
        (b"a=\xff\xfe", (("a", "ÿþ"),)),
    ],
)
def test_names_and_values_are_decoded_whatever_they_hold(
    written: str | bytes, pairs: tuple[tuple[str, str], ...]
) -> None:
    assert reading.pairs(written) == pairs


def test_the_query_is_that_of_the_public_url_without_its_fragment() -> None:
    request = WebhookRequest("GET", "https://reports.example/a?x=1&y=%3F?#z=2", {}, b"")

    assert request.query == (("x", "1"), ("y", "??"))


def test_a_wanted_field_that_stands_twice_is_refused_and_others_are_ignored() -> None:
    given = (("a", "1"), ("b", "2"), ("b", "3"))

    assert reading.singles(given, ("a", "c")) == {"a": "1"}
    with pytest.raises(Unreadable, match=r"^b: given more than once$"):
        reading.singles(given, ("b",))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{} {}",
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf\xef\xbb\xbf{}",
        b'{"a": 1}'.decode().encode("utf-16"),
        b"[" * 100_000,
        b"[" + b"9" * 5_000 + b"]",
    ],
)
def test_what_is_not_json_in_utf8_is_refused(body: bytes) -> None:
    with pytest.raises(Unreadable, match=r"^body: not JSON in UTF-8$"):
        reading.json_of(body)


def test_a_mark_of_the_encoding_before_json_is_no_part_of_it() -> None:
    assert reading.json_of(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    ("body", "is_json"),
    [
        *((b"{", True), (b" \r\n[1]", True), (b"\xef\xbb\xbf{}", True), (b"\xef\xbb\xbf []", True)),
        *((b"", False), (b"a={}", False), (b'"a"', False), (b"\xef\xbb\xbfa", False)),
    ],
)
def test_an_object_or_list_of_json_is_told_by_its_first_character(
    body: bytes, is_json: bool
) -> None:
    assert reading.is_json(body) is is_json


def several(one: object) -> list[object]:
    """What a provider might read: a number twice, nothing of None."""
    if one is not None and not isinstance(one, int):
        raise Unreadable("f: a number is expected")
    return [] if one is None else [one, one]


def left_out() -> float:
    return REGISTRY.get_sample_value("gql_left_out_total", {"provider": "x"}) or 0.0


def test_what_reads_of_a_list_is_kept_and_the_rest_is_counted_without_its_value(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = left_out()

    with caplog.at_level(logging.DEBUG, "gql_server"):
        found = reading.each("x", [1, "33612345678", None, "33612345679", 2], several)

    assert found == [1, 1, 2, 2]
    assert left_out() == before + 2
    assert caplog.messages == ["webhook x: 2 left out of a list, f: a number is expected"]


def test_where_nothing_of_a_list_reads_it_is_unreadable_and_nothing_is_counted() -> None:
    before = left_out()

    with pytest.raises(Unreadable, match=r"^f: a number is expected$"):
        reading.each("x", ["a", "b"], several)

    # what is read and holds no receipt is read, too
    assert reading.each("x", [None], several) == []
    assert reading.each("x", [], several) == []
    assert left_out() == before
    assert reading.each("x", ["a", None], several) == []


def test_a_name_that_stands_twice_is_refused_and_not_repeated() -> None:
    with pytest.raises(Unreadable, match=r"^body: a name stands twice in one object$"):
        reading.json_of(b'{"a": {"33612345678": 1, "33612345678": 2}}')


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "a"), (" a\n", "a"), ("", None), ("  ", None), (None, None), ("é" * 255, "é" * 255)],
)
def test_a_text_is_stripped_and_an_empty_one_is_none(value: object, text: str | None) -> None:
    assert reading.text({"f": value}, "f") == text
    assert reading.text({}, "f") is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1, "x.f: a text is expected"),
        (False, "x.f: a text is expected"),
        (["a"], "x.f: a text is expected"),
        ({}, "x.f: a text is expected"),
        ("é" * 256, "x.f: longer than 255 characters"),
        ("a\ud800", "x.f: not Unicode text"),
    ],
)
def test_what_is_no_text_is_refused_by_the_name_of_its_field(value: object, words: str) -> None:
    with pytest.raises(Unreadable) as refused:
        reading.text({"f": value}, "f", "x.f")

    assert str(refused.value) == words


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        # winter and summer in Paris
        ("2025-01-15T12:00:00", datetime(2025, 1, 15, 11, tzinfo=UTC)),
        ("2025-07-15 12:00:00", datetime(2025, 7, 15, 10, tzinfo=UTC)),
        ("2025-07-15T12:00", datetime(2025, 7, 15, 10, tzinfo=UTC)),
        # 30 March 2025: 02:00 to 03:00 was skipped; the offset of before holds
        ("2025-03-30T01:59:59", datetime(2025, 3, 30, 0, 59, 59, tzinfo=UTC)),
        ("2025-03-30T02:30:00", datetime(2025, 3, 30, 1, 30, tzinfo=UTC)),
        ("2025-03-30T03:00:00", datetime(2025, 3, 30, 1, tzinfo=UTC)),
        # 26 October 2025: 02:00 to 03:00 came twice; the first is meant
        ("2025-10-26T02:30:00", datetime(2025, 10, 26, 0, 30, tzinfo=UTC)),
        ("2025-10-26T03:00:00", datetime(2025, 10, 26, 2, tzinfo=UTC)),
        # with an offset, the zone has no say
        ("2025-07-15T12:00:00Z", datetime(2025, 7, 15, 12, tzinfo=UTC)),
        ("2025-07-15t12:00:00z", datetime(2025, 7, 15, 12, tzinfo=UTC)),
        ("2025-07-15T12:00:00.123456789+05:30", datetime(2025, 7, 15, 6, 30, 0, 123456, UTC)),
        ("2025-07-15T12:00:00-0300", datetime(2025, 7, 15, 15, tzinfo=UTC)),
        ("2025-07-15 12:00:00 -0300", datetime(2025, 7, 15, 15, tzinfo=UTC)),
        ("2025-07-15T12:00:00 z", datetime(2025, 7, 15, 12, tzinfo=UTC)),
    ],
)
def test_a_time_is_brought_to_utc(written: str, utc: datetime) -> None:
    at = reading.moment(written, PARIS, "f")

    assert at == utc
    assert at is not None
    assert at.tzinfo is UTC


def test_no_time_stays_none() -> None:
    assert reading.moment(None, PARIS, "f") is None


@pytest.mark.parametrize(
    "written",
    [
        *(
            "2025-07-15",
            "12:00:00",
            "20250715T120000",
            "2025-W29-2T12:00:00",
            "15/07/2025 12:00:00",
        ),
        *("2025-02-30T12:00:00", "2025-07-15T24:00:00", "0000-01-01T00:00:00", "2025-07-15T12"),
        *("0001-01-01T00:00:00", "9999-12-31T23:59:59-23:00", "2025-07-15T12:00:00+99:00"),
        *("٢٠٢٥-07-15T12:00:00", "2025-07-15T12:00:00 ", "now", "1752573600"),
    ],
)
def test_what_is_no_time_is_refused(written: str) -> None:
    with pytest.raises(Unreadable, match=r"^f: no date and time of the form YYYY-MM-DDTHH:MM:SS$"):
        reading.moment(written, PARIS, "f")


@pytest.mark.parametrize(
    ("value", "words"),
    [("30003", "30003"), (30003, "30003"), (0, "0"), (" a ", "a"), ("", None), (None, None)],
)
def test_a_whole_number_is_as_good_as_a_text(value: object, words: str | None) -> None:
    assert reading.word({"code": value}, "code") == words


@pytest.mark.parametrize("value", [True, 1.5, [], {}, 10**300])
def test_nothing_else_is_as_good_as_a_text(value: object) -> None:
    with pytest.raises(Unreadable, match=r"^error\.code: "):
        reading.word({"code": value}, "code", "error.code")


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("1686975103470", datetime(2023, 6, 17, 4, 11, 43, 470_000, tzinfo=UTC)),
        ("1686975103", datetime(2023, 6, 17, 4, 11, 43, tzinfo=UTC)),
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
        ("2023-06-17T06:11:43", datetime(2023, 6, 17, 4, 11, 43, tzinfo=UTC)),
        (None, None),
    ],
)
def test_an_instant_is_a_moment_or_seconds_or_milliseconds_since_1970(
    written: str | None, utc: datetime | None
) -> None:
    assert reading.instant(written, PARIS, "f") == utc


@pytest.mark.parametrize("written", ["", "-1", "1.5", "1e9", "٣", "9" * 16, "9" * 300])
def test_what_is_no_instant_is_refused(written: str) -> None:
    with pytest.raises(Unreadable, match=r"^f: no "):
        reading.instant(written, PARIS, "f")


def test_the_digits_of_a_number_are_the_same_however_it_is_written() -> None:
    assert reading.digits("+33 6 00.00-00(00)") == "33600000000"
    assert reading.digits("33600000000") == "33600000000"
    assert reading.digits("٣٣") == ""
