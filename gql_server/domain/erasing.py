"""What is left of a message whose recipient was erased: what happened to it, and nothing of whom it happened to.

What a provider wrote in its own words may name the number, so each run of digits that is long enough to be one is
taken out of them, and so it is of what is reported later: whoever erases does not know any more which number it was.
Codes, networks and providers are words of a vocabulary, by which messages are counted; they stay as they are.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from gql_server.domain.receipt import History, HistoryEntry, merged

HIDDEN = "••••"
FEWEST_DIGITS = 7
"""Of a phone number, its country code and trunk prefix included."""
_MOST_DIGITS = 15
"""Of a number in E.164."""

_BETWEEN = r"[\s\u2010-\u2015_./()-]{0,3}"
"""What people and programs write between the digits: spaces of any width, dashes, dots."""
_WRITTEN = re.compile(rf"\+?\d(?:{_BETWEEN}\d){{{FEWEST_DIGITS - 1},}}")
_RUN = re.compile(r"\d+")


def redacted(text: str | None) -> str | None:
    """`text` without anything that may be a phone number; what is redacted stays as it is."""
    if text is None or len(text) < FEWEST_DIGITS:
        return text
    return _WRITTEN.sub(HIDDEN, text)


def without_number(entry: HistoryEntry, pseudonym: Callable[[str], str]) -> HistoryEntry:
    """A report without what names a person: `pseudonym` stands for the provider's id of a part, always the same."""
    reason = redacted(entry.error_reason)
    part = None if entry.part is None else pseudonym(entry.part)
    if reason == entry.error_reason and part == entry.part:
        return entry
    return replace(entry, error_reason=reason, part=part)


def without_numbers(reports: History, pseudonym: Callable[[str], str]) -> History:
    """All reports of a message so, in their order."""
    return merged((), *(without_number(entry, pseudonym) for entry in reports))


def counted_keys(keys: Iterable[str]) -> list[str]:
    """As many names as there are keys (`provider:key`), provider by provider: how many parts it had is asked later."""
    numbered: dict[str, int] = {}
    names = []
    for key in sorted(keys):
        provider = key.partition(":")[0]
        numbered[provider] = numbered.get(provider, 0) + 1
        names.append(f"{provider}:{numbered[provider]}")
    return names


def numbers_in(texts: Iterable[str | None]) -> set[str]:
    """What in these may be a number in E.164, such as the end of `batch:33612345678`."""
    return {
        f"+{run}"
        for text in texts
        if text is not None
        for run in _RUN.findall(text)
        if FEWEST_DIGITS <= len(run) <= _MOST_DIGITS
    }
