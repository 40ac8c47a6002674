"""Every language of the dashboard says everything."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

LOCALES = Path(__file__).parents[2] / "dashboard" / "src" / "i18n" / "locales"
LANGUAGES = sorted(folder.name for folder in LOCALES.iterdir())
FILES = sorted(file.name for file in (LOCALES / "en").iterdir())
PLURALS = {
    "en": {"one", "other"},
    "de": {"one", "other"},
    "fr": {"one", "many", "other"},
    "es": {"one", "many", "other"},
    "it": {"one", "many", "other"},
}
"""The forms that a language has for cardinal numbers, after CLDR."""
_PLURAL = re.compile(r"_(zero|one|two|few|many|other)$")
_FILLED = re.compile(r"\{\{\s*(\w+)\s*\}\}|<(/?\w+)>")


def texts(language: str, file: str) -> dict[str, str]:
    """Every text of a file, by the path of its key."""

    def walk(value: Any, path: str) -> dict[str, str]:
        if isinstance(value, str):
            return {path: value}
        return {
            at: text
            for key, inner in value.items()
            for at, text in walk(inner, f"{path}.{key}" if path else key).items()
        }

    return walk(json.loads((LOCALES / language / file).read_text()), "")


def names(found: dict[str, str]) -> set[str]:
    """The keys, those of plurals once."""
    return {_PLURAL.sub("", key) for key in found}


def test_there_are_five_languages() -> None:
    assert LANGUAGES == ["de", "en", "es", "fr", "it"]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_the_words_of_english_and_no_others(language: str, file: str) -> None:
    english, found = texts("en", file), texts(language, file)

    assert names(found) == names(english)
    assert not [key for key, text in found.items() if not text.strip()]
    counted = {_PLURAL.sub("", key) for key in found if _PLURAL.search(key)}
    for key in counted:
        forms = {
            match[1] for at in found if (match := _PLURAL.search(at)) and at.startswith(f"{key}_")
        }
        assert forms == PLURALS[language], key


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_filled_in_is_the_same_in_every_language(language: str, file: str) -> None:
    def filled(text: str) -> set[str]:
        return {"".join(found) for found in _FILLED.findall(text)}

    english = texts("en", file)

    def wanted(key: str) -> set[str]:
        base = _PLURAL.sub("", key)
        same = [key, f"{base}_other", base]  # "one" may say less than the others
        return next(filled(english[at]) for at in same if at in english)

    wrong = {
        key: text for key, text in texts(language, file).items() if filled(text) != wanted(key)
    }
    assert wrong == {}
