"""Reading what a stranger sent: strict about shapes, silent about values.

Every failure is `Unreadable` with the name of a field that WE know. A value, and a name that the
sender made up, can be a phone number, so neither is ever in a message.
"""

import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ParamSpec, TypeVar
from urllib.parse import unquote_to_bytes
from zoneinfo import ZoneInfo

from jwt import PyJWS, PyJWTError
from jwt.algorithms import HMACAlgorithm

from gql_server.errors import Unreadable
from gql_server.logs import log
from gql_server.metrics import LEFT_OUT

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")

LONGEST = 255
"""Characters of an id, a word or a reason; a provider's own are below 100."""

_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?)(?: ?(Z|[+-]\d\d:?\d\d))?", re.ASCII
)
_MARK = b"\xef\xbb\xbf"  # that some writers put before UTF-8 (a "byte order mark")
_TO_THE_MINUTE = re.compile(r"(\d\d)" * 5, re.ASCII)
_NO_DIGIT = re.compile(r"[^0-9]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def pairs(text: str | bytes) -> tuple[tuple[str, str], ...]:
    """Names and values of a query or a form, decoded, in their order, empty values too.

    Not `urllib.parse.parse_qsl`, which fails on bytes that are not ASCII and knows one encoding:
    smsmode's legacy API writes ISO-8859-15. Text that is not UTF-8 is read as that, so this never
    fails.
    """
    written = text if isinstance(text, bytes) else raw(text)
    split = (piece.partition(b"=") for piece in written.split(b"&") if piece)
    return tuple((_decoded(name), _decoded(value)) for name, _, value in split)


def raw(text: str) -> bytes:
    """The bytes that a text came from, in UTF-8; never fails, whatever a stranger wrote.

    Bytes that were no UTF-8 are those again where they were escaped as PEP 383 says.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _decoded(quoted: bytes) -> str:
    plain = unquote_to_bytes(quoted.replace(b"+", b" "))
    try:
        return plain.decode("utf-8")
    except UnicodeDecodeError:
        return plain.decode("iso-8859-15")


def singles(given: Iterable[tuple[str, str]], names: Sequence[str]) -> dict[str, str]:
    """Those of these names that have a value; other names are ignored.

    :raises Unreadable: one of them is given twice, and nobody can tell which is meant.
    """
    found: dict[str, str] = {}
    for name, value in given:
        if name in names:
            if name in found:
                raise Unreadable(f"{name}: given more than once")
            found[name] = value
    return found


def is_json(body: bytes) -> bool:
    """Is it an object or a list? By its first character, which no form has: the header is often wrong."""
    return body.removeprefix(_MARK).lstrip()[:1] in (b"{", b"[")


def json_of(body: bytes) -> Any:
    """The JSON value of a body, which may begin with a mark of its encoding.

    The standard library's parser, not orjson, since only it can see a name that stands twice
    (orjson keeps the last silently); the price is 1 microsecond a receipt in a list, 9 for a
    smsmode callback alone.

    :raises Unreadable: not JSON in UTF-8, too deep, or a name stands twice in one object.
    """
    try:
        return _DECODER.decode(body.removeprefix(_MARK).decode("utf-8"))
    except (ValueError, RecursionError):
        raise Unreadable("body: not JSON in UTF-8") from None


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        raise Unreadable("body: a name stands twice in one object")
    return found


def _constant(_: str) -> None:
    # NaN and Infinity are Python's idea of JSON, not RFC 8259's
    raise ValueError


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
"""Made once: `json.loads` makes one for each call that wants anything special."""


def mapping(value: object, field: str) -> Mapping[str, Any]:
    """`value`, which must be a JSON object.

    :raises Unreadable: it is something else.
    """
    if not isinstance(value, dict):
        raise Unreadable(f"{field}: an object is expected")
    return value


def text(source: Mapping[str, Any], name: str, field: str | None = None) -> str | None:
    """The text under `name`, stripped; None where it is missing, null or empty.

    `field` is what an error calls it, where that is not `name`.

    :raises Unreadable: no text, too long, or not to be written in UTF-8 (a lone surrogate).
    """
    value = source.get(name)
    if value is None:
        return None
    field = field or name
    if not isinstance(value, str):
        raise Unreadable(f"{field}: a text is expected")
    value = value.strip()
    if len(value) > LONGEST:
        raise Unreadable(f"{field}: longer than {LONGEST} characters")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        # MongoDB keeps UTF-8 only, and would refuse the whole batch
        raise Unreadable(f"{field}: not Unicode text") from None
    return value or None


def word(source: Mapping[str, Any], name: str, field: str | None = None) -> str | None:
    """`text`, where a whole number is as good: 30003 is "30003"."""
    value = source.get(name)
    if type(value) is int:  # and not a bool, which is one too
        return text({name: str(value)}, name, field)
    return text(source, name, field)


def said(source: Mapping[str, Any], *names: str) -> str:
    """What somebody wrote, under the first of these names that there is; "" where he wrote nothing.

    Of any length, and half a character does no harm: it is looked at, and never kept.

    :raises Unreadable: it is neither a text nor a number.
    """
    for name in names:
        value = source.get(name)
        if value is not None:
            if not isinstance(value, str | int):
                raise Unreadable(f"{name}: a text is expected")
            return raw(str(value)).decode("utf-8", "replace")
    return ""


def sender(source: Mapping[str, Any], name: str, field: str | None = None) -> str:
    """The number of whoever wrote.

    :raises Unreadable: it is missing, or no text.
    """
    found = word(source, name, field)
    if found is None:
        raise Unreadable(f"{field or name}: missing")
    return found


def aside(read: Callable[P, T], *given: P.args, **named: P.kwargs) -> T | None:
    """What `read` gives of a side remark; None where that is unreadable: the receipt is worth more."""
    try:
        return read(*given, **named)
    except Unreadable:
        return None


def each(provider: str, found: Iterable[T], read: Callable[[T], Iterable[R]]) -> list[R]:
    """What `read` gives of each of these, in their order; one that is unreadable takes no other with it.

    A provider sends a list that was refused again as it is, or never: the others would be lost for good.
    What is left out is counted, and told in the log by the name of its field.

    :raises Unreadable: nothing of it reads; the first one's.
    """
    read_well: list[Iterable[R]] = []
    errors: list[Unreadable] = []
    for one in found:
        try:
            read_well.append(read(one))
        except Unreadable as error:
            errors.append(error)
    if errors and not read_well:
        raise errors[0]
    if errors:
        LEFT_OUT.labels(provider=provider).inc(len(errors))
        log.warning("webhook %s: %d left out of a list, %s", provider, len(errors), errors[0])
    return [given for several in read_well for given in several]


def moment(written: str | None, zone: ZoneInfo, field: str) -> datetime | None:
    """A point in time, aware and in UTC, from `YYYY-MM-DDTHH:MM[:SS[.f]]` with or without offset.

    None gives None. A blank may stand for the T, and before the offset. Without an offset it is in `zone`: in the hour
    that the clocks repeat, the first is meant; in the one that they skip, the offset before holds.

    :raises Unreadable: it is written otherwise, or no such time exists.
    """
    if written is None:
        return None
    written = written.upper()
    try:
        match = _MOMENT.fullmatch(written)
        if match is None:
            raise ValueError
        return in_utc(datetime.fromisoformat("".join(match.groups(default=""))), zone)
    except (ValueError, OverflowError):
        raise Unreadable(f"{field}: no date and time of the form YYYY-MM-DDTHH:MM:SS") from None


def instant(written: str | None, zone: ZoneInfo, field: str) -> datetime | None:
    """`moment`, or seconds or milliseconds since 1970, which are told apart by their size.

    :raises Unreadable: neither.
    """
    if written is None or not (written.isascii() and written.isdigit()):
        return moment(written, zone, field)
    number = int(written[:20])
    try:
        # as seconds that would be the year 5138, as milliseconds it was 1973
        return _EPOCH + timedelta(milliseconds=number if number >= 10**11 else number * 1000)
    except OverflowError:
        raise Unreadable(f"{field}: no such time") from None


def to_the_minute(written: str | None, zone: ZoneInfo) -> datetime | None:
    """`YYMMDDhhmm`, as carriers write it, in UTC; None where it is no time."""
    match = _TO_THE_MINUTE.fullmatch(written or "")
    if match is None:
        return None
    year, month, day, hour, minute = map(int, match.groups())
    try:
        return in_utc(datetime(2000 + year, month, day, hour, minute), zone)
    except ValueError:
        return None


def age(timestamp: str, arrived_at: datetime) -> float | None:
    """How many seconds before its arrival a request was signed; None where that is no time."""
    if not (timestamp.isascii() and timestamp.isdigit()):
        return None
    return (arrived_at - _EPOCH).total_seconds() - int(timestamp[:20])


def in_utc(at: datetime, zone: ZoneInfo) -> datetime:
    """`at` in UTC; in `zone` where it has no offset.

    :raises OverflowError: beyond the calendar's first or last day.
    """
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)


def basic(authorization: str) -> bytes | None:
    """The `user:password` of a header of basic auth; None where it is none."""
    scheme, _, written = authorization.strip().partition(" ")
    try:
        return b64decode(written.strip(), validate=True) if scheme.lower() == "basic" else None
    except ValueError:
        return None


def digits(number: str) -> str:
    """The digits 0-9 of a number however it is written: `+33 6 00...` and `336 00...` are one."""
    return _NO_DIGIT.sub("", number)


class _AnyLength(HMACAlgorithm):
    """Without PyJWT's warning at each use of a short secret: the provider chose its length."""

    def check_key_length(self, key: bytes) -> str | None:
        return None


_JWS = PyJWS(algorithms=[])
_HMACS = {
    "HS256": HMACAlgorithm.SHA256,
    "HS384": HMACAlgorithm.SHA384,
    "HS512": HMACAlgorithm.SHA512,
}
for _name, _hash in _HMACS.items():
    _JWS.register_algorithm(_name, _AnyLength(_hash))


def claims(token: str, secret: str) -> Mapping[str, Any]:
    """The claims of a JWT that is signed with this secret by HMAC; empty where it is not.

    Its times are the caller's to judge: when a request arrived, and not when it is read, counts.
    """
    if not secret:  # anybody can sign with an empty one
        return {}
    try:
        found = json_of(_JWS.decode(raw(token), raw(secret), algorithms=list(_HMACS)))
    except (PyJWTError, Unreadable, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
