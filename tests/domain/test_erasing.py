"""What may be a phone number is found in words, however it is written there, and nothing else is taken out."""

import time

import pytest

from gql_server.domain.erasing import HIDDEN, redacted


@pytest.mark.parametrize(
    "written",
    [
        *("+33612345678", "0033612345678", "33612345678", "0612345678", "6834001"),
        *("+33 6 12 34 56 78", "06.12.34.56.78", "06-12-34-56-78", "06/12/34/56/78"),
        *("+33\u202f6\u202f12\u202f34\u202f56\u202f78", "+33\u00a06\u200912 34 56 78", "06\t12\t34\t56\t78"),
        *("+33_612_345_678", "+33 \u2013 6 12 34 56 78", "+33 (0)6 12 34 56 78", "06\u201012\u201134\u201256\u201478"),
    ],
)  # fmt: skip
def test_a_number_is_taken_out_of_words_however_it_is_written(written: str) -> None:
    words = f"The number {written} is switched off (27)"

    assert redacted(words) == f"The number {HIDDEN} is switched off (27)"
    assert redacted(redacted(words)) == redacted(words)


@pytest.mark.parametrize(
    "words",
    [
        *("Absent subscriber", "error 27", "20801", "SMS 1 of 2, 3 of 4", "HTTP/1.1 503", ""),
        *("at 10:15:30", "code 12a34b56c78d90", "a b c d e f g"),
    ],
)
def test_what_is_no_number_stays(words: str) -> None:
    assert redacted(words) == words


@pytest.mark.parametrize(
    "piece", ["1 ", "1   ", "1", "12345 x", "+", " ", "1  2  3  4  5  x", "+1-", "1\u202f "]
)
def test_a_long_text_is_looked_through_once(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    began = time.process_time()

    redacted(text)

    # linear takes some milliseconds; anything else would take minutes
    assert time.process_time() - began < 2
