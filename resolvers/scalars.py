"""The contract's own scalars: how they are written and read."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

BigInt = NewType("BigInt", int)
PhoneNumber = NewType("PhoneNumber", str)

_RFC3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})\Z", re.ASCII
)
_LARGEST = 2**53 - 1


def write_instant(at: datetime) -> str:
    """RFC 3339 in UTC, always with three decimals and Z."""
    if not _is_utc(at.tzinfo):
        at = at.astimezone(UTC)
    # Not strftime, which writes the year 1 as "1"; nor isoformat, which asks the driver's zone and takes twice as long.
    return "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ" % (  # noqa: UP031 - nor an f-string, which takes as long
        at.year,
        at.month,
        at.day,
        at.hour,
        at.minute,
        at.second,
        at.microsecond // 1000,
    )


@lru_cache(maxsize=64)
def _is_utc(zone: tzinfo | None) -> bool:
    """Whether this is UTC, at any time: of zones like London's the answer is None."""
    return zone is not None and zone.utcoffset(None) == timedelta(0)


def read_instant(text: object) -> datetime:
    """:raises ValueError: no RFC 3339 instant; the message does not repeat it."""
    if not isinstance(text, str) or not _RFC3339.match(text):
        raise ValueError(
            "A DateTime is written in RFC 3339 with its zone, such as 2026-11-23T08:15:30.120Z."
        )
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("This DateTime does not exist.") from None


def _read_big_int(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _LARGEST:
        raise ValueError("A BigInt is a whole number up to 2^53-1.")
    return value


SCALARS: dict[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description=(
            "An instant, RFC 3339 in UTC, always with three decimals and Z: 2026-11-23T08:15:30.120Z."
        ),
        serialize=write_instant,
        parse_value=read_instant,
    ),
    PhoneNumber: strawberry.scalar(
        name="PhoneNumber",
        description=(
            "An E.164 number such as +33612345678; masked (+33••••••678) unless the viewer may read "
            "contacts; +•••• once erased."
        ),
    ),
    BigInt: strawberry.scalar(
        name="BigInt",
        description="An integer beyond 32 bits, sent as a JSON number up to 2^53-1.",
        parse_value=_read_big_int,
    ),
}
