"""What an SMS centre (SMSC) says in SMPP 3.4, whoever hands it on.

Kannel, Jasmin and a gateway of one's own pass the SMSC's words through, so these stand here once:
the states of a message, the errors of the network and of a submission, and the receipt's text

    id:IIIIIIIIII sub:SSS dlvrd:DDD submit date:YYMMDDhhmm done date:YYMMDDhhmm stat:DDDDDDD err:E text:...

of which every SMSC writes its own dialect: `Text:`, no `sub`, `dlvrd` or `text`, a blank after the
colon, dates of 10, 12 or 14 digits, `err` of four digits or `nul`, a NUL at the end, a text in any
encoding. SMPP 3.4: https://smpp.org/SMPP_v3_4_Issue1_2.pdf, appendix B.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from gql_server.domain.status import DeliveryStatus as S
from gql_server.providers import reading
from gql_server.providers.shape import Meaning

# SMPP 3.4, appendix B and section 5.2.28 (`message_state`); SCHEDULED and SKIPPED are of 5.0.
STATES: Final[Mapping[str, Meaning]] = {
    "SCHEDULED": Meaning(S.WAITING),
    "ENROUTE": Meaning(S.SENT),
    "DELIVRD": Meaning(S.RECEIVED),
    "EXPIRED": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Validity period expired"),
    "DELETED": Meaning(S.OTHER_ERROR, "Message deleted"),
    "UNDELIV": Meaning(S.OTHER_ERROR, "Undeliverable"),  # refined by NETWORK_ERRORS
    "ACCEPTD": Meaning(S.SENT),
    "UNKNOWN": Meaning(S.WAITING),  # the SMSC does not know, so neither do we: no failure
    "REJECTD": Meaning(S.ROUTING_ERROR, "Rejected"),
    "SKIPPED": Meaning(S.OTHER_ERROR, "Message skipped"),
    # written so by some SMSCs: github.com/pruiz/kannel gw/smsc/smsc_smpp.c
    "ACKED": Meaning(S.SENT),
    "BUFFRED": Meaning(S.SENT),
    "BUFFERD": Meaning(S.SENT),
    # https://www.voip-sip-sdk.com/p_2628-smpp-error-codes.html
    "FAILED": Meaning(S.OTHER_ERROR, "Failed"),
}

# The same in words at their full length, and as `message_state` numbers them.
_SPELLINGS: Final[Mapping[str, str]] = {
    "DELIVERED": "DELIVRD",
    "UNDELIVERABLE": "UNDELIV",
    "ACCEPTED": "ACCEPTD",
    "REJECTED": "REJECTD",
    "0": "SCHEDULED",
    "1": "ENROUTE",
    "2": "DELIVRD",
    "3": "EXPIRED",
    "4": "DELETED",
    "5": "UNDELIV",
    "6": "ACCEPTD",
    "7": "UNKNOWN",
    "8": "REJECTD",
    "9": "SKIPPED",
}

# `err` of UNDELIV is the network's own, and SMPP names none. Most SMSCs write the user errors of MAP
# (3GPP TS 29.002, 17.6.6) in decimal; so do Infobip's `EC_...`
# (https://www.infobip.com/docs/developer-resources/api-fundamentals/error-code-reference) and MMG
# (github.com/alphagov/notifications-api app/clients/sms/mmg.py). That yours does is our inference.
NETWORK_ERRORS: Final[Mapping[str, Meaning]] = {
    "1": Meaning(S.ABSENCE_PERMANENT_ERROR, "Unknown subscriber", number_caused=True),
    "5": Meaning(S.ABSENCE_PERMANENT_ERROR, "Unidentified subscriber", number_caused=True),
    "6": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Absent subscriber (short message)"),
    "8": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Roaming not allowed"),
    "9": Meaning(S.ABSENCE_PERMANENT_ERROR, "Illegal subscriber", number_caused=True),
    "11": Meaning(S.ABSENCE_PERMANENT_ERROR, "Teleservice not provisioned", number_caused=True),
    # the handset's fault, which another handset cures
    "12": Meaning(S.ABSENCE_PERMANENT_ERROR, "Illegal equipment"),
    # for unpaid bills, as a rule: Infobip calls it not permanent
    "13": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Call barred"),
    "21": Meaning(S.ROUTING_ERROR, "Facility not supported"),
    "27": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Absent subscriber"),
    "31": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Subscriber busy"),
    "32": Meaning(S.ABSENCE_TEMPORARY_ERROR, "Delivery failure at the handset"),
    "33": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Waiting list full"),
    "34": Meaning(S.OPERATOR_TEMPORARY_ERROR, "System failure"),
    "35": Meaning(S.OTHER_ERROR, "Data missing"),
    "36": Meaning(S.OTHER_ERROR, "Unexpected data value"),
    "255": Meaning(S.OTHER_ERROR, "Unknown error"),
}

# `command_status` of a submission, SMPP 3.4 section 5.1.3. That it refuses the destination's address
# says as much of how the gateway is set up (type of number, routes) as of the number, which
# therefore is not accused. Any other is OTHER_ERROR: the bind, the sender or the message.
SUBMISSIONS: Final[Mapping[str, Meaning]] = {
    "ESME_ROK": Meaning(S.SENT),
    "ESME_RSYSERR": Meaning(S.OPERATOR_TEMPORARY_ERROR, "System error of the SMSC"),
    "ESME_RINVDSTADR": Meaning(S.ROUTING_ERROR, "Invalid destination address"),
    "ESME_RMSGQFUL": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Message queue full"),
    "ESME_RINVDSTTON": Meaning(S.ROUTING_ERROR, "Invalid destination type of number"),
    "ESME_RINVDSTNPI": Meaning(S.ROUTING_ERROR, "Invalid destination numbering plan"),
    "ESME_RTHROTTLED": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Throttled"),
    "ESME_RX_T_APPN": Meaning(S.OPERATOR_TEMPORARY_ERROR, "Temporary error of the receiver"),
}
_SUBMISSION_NUMBERS: Final[Mapping[int, str]] = {
    0x00: "ESME_ROK",
    0x08: "ESME_RSYSERR",
    0x0B: "ESME_RINVDSTADR",
    0x14: "ESME_RMSGQFUL",
    0x50: "ESME_RINVDSTTON",
    0x51: "ESME_RINVDSTNPI",
    0x58: "ESME_RTHROTTLED",
    0x64: "ESME_RX_T_APPN",
}
_OTHER_SUBMISSION = Meaning(S.OTHER_ERROR, "Refused by the SMSC")

_NO_ERROR = ("", "nul", "null", "none", "nd")

_KEYS = r"id|sub|dlvrd|submit[ _]?date|done[ _]?date|stat|err"
_TEXT = re.compile(r"(?<![\w-])text:", re.IGNORECASE)
_FIELD = re.compile(
    rf"(?<![\w-])({_KEYS}):[ \t]*((?!(?:{_KEYS}):)\S*)", re.IGNORECASE
)  # fmt: skip
_DATES = {10: ("%y%m%d%H%M",), 12: ("%y%m%d%H%M%S", "%Y%m%d%H%M"), 14: ("%Y%m%d%H%M%S",)}


@dataclass(frozen=True, slots=True)
class Told:
    """What the text of a receipt tells, as it is written there."""

    id: str | None = None
    stat: str | None = None
    err: str | None = None
    done: str | None = None


def told(line: str) -> Told | None:
    """What a line tells, up to its `text:`; None where it is no receipt at all.

    :raises Unreadable: a value is too long, or not Unicode.
    """
    found: dict[str, str] = {}
    for match in _FIELD.finditer(_TEXT.split(line.replace("\0", ""), 1)[0]):
        found.setdefault(match[1].lower().replace(" ", "").replace("_", ""), match[2])
    if "stat" not in found and "id" not in found:
        return None
    return Told(
        id=reading.text(found, "id"),
        stat=reading.text(found, "stat"),
        err=reading.text(found, "err"),
        done=reading.text(found, "donedate"),
    )


def state(word: str, err: str | None) -> Meaning | None:
    """What a state means, and with which error; None where the word is not known."""
    word = word.upper()
    if re.fullmatch("0X0?[0-9]", word):  # `message_state` is one octet
        word = word[-1]
    meaning = STATES.get(_SPELLINGS.get(word, word))
    if meaning is STATES["UNDELIV"] and err is not None:
        return NETWORK_ERRORS.get(err.lstrip("0"), meaning)
    return meaning


def submission(status: str) -> Meaning:
    """What the status of a submission means: its name, `ESME_RTHROTTLED`, or number, `0x00000058`."""
    status = status.upper()
    if status.startswith("0X"):
        try:
            status = _SUBMISSION_NUMBERS.get(int(status, 16), status)
        except ValueError:
            return _OTHER_SUBMISSION
    return SUBMISSIONS.get(status, _OTHER_SUBMISSION)


def error_code(err: str | None) -> str | None:
    """`err` as it came; None where it says that there was no error."""
    return None if err is None or err.lower() in _NO_ERROR or not err.strip("0") else err


def done_at(written: str | None, time_zone: ZoneInfo) -> datetime | None:
    """A `done date` in UTC; None where it is no time, for the state that comes with it is worth more.

    Twelve digits are YYMMDDhhmmss, or YYYYMMDDhhmm where they cannot be that: 2015 has no month 15,
    so the two are confused for the years 2001 to 2012 only.
    """
    if written is None or not (written.isascii() and written.isdigit()):
        return None
    for form in _DATES.get(len(written), ()):
        try:
            return reading.in_utc(datetime.strptime(written, form), time_zone)
        except (ValueError, OverflowError):
            continue
    return None
