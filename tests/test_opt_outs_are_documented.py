"""docs/opt-outs.md names the keywords that count, and each provider that hands on replies."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from gql_server.domain.keywords import OPT_IN, OPT_OUT, OPT_OUT_ALONE
from gql_server.providers import INBOUND

DOCUMENT = (Path(__file__).parent.parent / "docs/opt-outs.md").read_text("utf-8")
LANGUAGES = {
    "English": "en",
    "French": "fr",
    "Spanish": "es",
    "Italian": "it",
    "German": "de",
    "Portuguese": "pt",
    "Dutch": "nl",
    "Polish": "pl",
    "Russian": "ru",
    "Swedish": "sv",
    "Danish": "da",
    "Norwegian": "no",
}


def rows() -> dict[str, list[str]]:
    """The rows of all tables by their first cells."""
    lines = [line for line in DOCUMENT.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("`"): row[1:] for row in cells}


def test_the_table_has_each_keyword_and_no_other() -> None:
    tables: Sequence[Mapping[str, Sequence[str]]] = (OPT_OUT, OPT_OUT_ALONE, OPT_IN)
    known = rows()

    for language, code in LANGUAGES.items():
        told = [re.split(", ", cell) if cell else [] for cell in known[language]]
        assert told == [list(table.get(code, ())) for table in tables], language
    assert {code for table in tables for code in table} == set(LANGUAGES.values())


def test_each_provider_that_hands_on_replies_has_a_row() -> None:
    assert INBOUND.keys() <= rows().keys()
