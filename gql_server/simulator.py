"""A simulated carrier: what it tells of each message of a campaign, and when, in smsmode's own two formats.

A pure function of the messages, a seed and a duration; `carrier.py` posts it. The mix and the delays are ours, made
up to look like those of a European campaign: nine of ten received, within seconds or a minute, some errors, some
callbacks twice, some late, some before what happened earlier.
"""

import json
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

NATURAL = 240.0
"""Seconds that a campaign takes where every delay below is what it says; others are stretched to their duration."""
FIRST_FATES_WITHIN = 5.0
"""Seconds in which every fate has shown itself once, however long the whole takes."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a carrier is handed: our reference, and the number in E.164."""

    reference: str
    recipient: str


@dataclass(frozen=True, slots=True)
class Callback:
    """One request to the webhook, in seconds after the start: posted `at`, of what `happened` then."""

    at: float
    happened: float
    message: Message
    #: by the REST API (a UUID names the message), or by the legacy one (an `smsID` names the campaign)
    rest: bool
    message_id: str
    #: `status.value` or `statut`
    word: str
    #: `status.detail`
    detail: str | None
    #: the network's name and its MCC-MNC
    network: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Request:
    """A callback as it is sent; `query` is percent-encoded."""

    method: str
    query: str
    body: bytes


@dataclass(frozen=True, slots=True)
class _Fate:
    """How a message ends: of 1,000 so many, by one of these last words, so long after the word before."""

    share: int
    legacy: tuple[str, ...]
    #: (value, detail); where there is none, the REST API has no word for it
    rest: tuple[tuple[str, str | None], ...]
    #: shortest, longest, most frequent
    seconds: tuple[float, float, float]
    #: "0 Sent" comes before it, where the operator had taken it over
    taken_over: bool = True


# What they become here: providers/smsmode.py. The legacy numbers: its table LEGACY.
_RECEIVED = _Fate(880, ("11", "11", "11", "14"), (("DELIVERED", None),), (1, 45, 3))
_FATES = (
    _RECEIVED,
    # for good: routes that give no receipts, and a phone that stays off
    _Fate(15, ("0",), (), (0.2, 2, 0.5), taken_over=False),
    _Fate(15, ("13",), (), (1, 8, 3)),
    _Fate(25, ("3502", "3502", "3503", "37"), (), (20, 80, 50)),
    _Fate(12, ("3501", "3504"), (), (5, 60, 20)),
    _Fate(15, ("35", "39", "50"), (("UNDELIVERED", None),), (2, 60, 10)),
    _Fate(18, ("3522", "3998", "21"), (("UNDELIVERABLE", "INVALID_PHONE_NUMBER"),), (0.3, 6, 1)),
    _Fate(
        10,
        ("34", "22", "3560"),
        (("UNDELIVERABLE", None), ("UNDELIVERABLE", "SPAM")),
        (0.2, 3, 0.5),
        taken_over=False,
    ),
    _Fate(10, ("3999",), (("UNDELIVERABLE", "BLACKLISTED"),), (0.1, 1, 0.3), taken_over=False),
)

_BY_REST = 500 / sum(fate.share for fate in _FATES if fate.rest)
"""The chance of the REST API where a fate has words in both, so that it carries half of all messages."""
_SENDING = 0.6
"""The part of the duration in which the messages leave, evenly: a carrier takes so many a second."""

_IN_PROGRESS = 0.15
_SENT = 0.6
_OPERATOR = 0.25
_OUT_OF_ORDER = 0.04
_LATE = 0.04
_TWICE = 0.05

_NETWORKS: dict[str, tuple[tuple[str, str], ...]] = {
    "+33": (
        *(("Orange", "20801"), ("SFR", "20810")),
        *(("Bouygues Telecom", "20820"), ("Free Mobile", "20815")),
    ),
    "+34": (("Movistar", "21407"), ("Vodafone", "21401"), ("Orange", "21403")),
    "+39": (("TIM", "22201"), ("Vodafone", "22210"), ("WindTre", "22288")),
    "+44": (("EE", "23430"), ("O2", "23410"), ("Vodafone", "23415"), ("Three", "23420")),
    "+46": (("Telia", "24001"), ("Tele2", "24007"), ("Telenor", "24008")),
    "+49": (("Telekom", "26201"), ("Vodafone", "26202"), ("O2", "26203")),
    "+353": (("Vodafone", "27201"), ("eir", "27203"), ("Three", "27205")),
    "+1": (("T-Mobile", "310260"), ("AT&T", "310410"), ("Verizon", "311480")),
}


def plan(messages: Sequence[Message], seed: int, duration: float) -> list[Callback]:
    """Everything that is posted, in this order: each message comes to its end within `duration` seconds.

    The same for the same arguments. Some callbacks come twice, some late, some before what happened earlier. The
    first nine messages to leave meet the nine ends that there are, in the first seconds.
    """
    dice = random.Random(seed)
    pace = duration / NATURAL
    batch_id = "".join(
        dice.choices("0123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", k=12)
    )
    leaving = dice.sample(messages, len(messages))
    callbacks: list[Callback] = []
    early = min(1.0, duration / 20)
    for index, (message, fate) in enumerate(zip(leaving, _FATES, strict=False)):
        ends = early * (0.4 + (FIRST_FATES_WITHIN - 0.4) * index / len(_FATES))
        callbacks += _told_early(dice, message, fate, batch_id, early * 0.2, ends)
    others = leaving[len(_FATES) :]
    fates = dice.choices(_FATES, [fate.share for fate in _FATES], k=len(others))
    for index, (message, fate) in enumerate(zip(others, fates, strict=True)):
        leaves = early * 0.2 + _SENDING * duration * index / len(others)
        callbacks += _told(dice, message, fate, batch_id, leaves, pace)
    return sorted(
        (replace(callback, at=min(callback.at, duration)) for callback in callbacks),
        key=lambda callback: callback.at,
    )


def _told_early(
    dice: random.Random, message: Message, fate: _Fate, batch_id: str, leaves: float, ends: float
) -> list[Callback]:
    """The two words of one of the first messages, as they happen."""
    told = _tongue(dice, message, fate, batch_id)
    first = replace(
        told, at=leaves, happened=leaves, word="ENROUTE" if told.rest else "1", detail=None
    )
    return [first, replace(told, at=ends, happened=ends)]


def _told(
    dice: random.Random, message: Message, fate: _Fate, batch_id: str, leaves: float, pace: float
) -> list[Callback]:
    """Everything that is posted about one message."""
    last = _tongue(dice, message, fate, batch_id)
    told: list[Callback] = []
    now = leaves

    def tell(word: str, detail: str | None = None) -> None:
        posted = now + pace * dice.uniform(0.02, 0.3)
        told.append(replace(last, at=posted, happened=now, word=word, detail=detail))

    if dice.random() < _IN_PROGRESS:
        tell("ENROUTE" if last.rest else "1")
    if not last.rest and fate.taken_over:
        if dice.random() < _SENT:
            now += pace * dice.uniform(0.2, 1.5)
            tell("0")
        if fate is _RECEIVED and dice.random() < _OPERATOR:
            now += pace * dice.uniform(0.5, 4)
            tell("13")
    now += pace * dice.triangular(*fate.seconds)
    tell(last.word, last.detail)

    if len(told) > 1 and dice.random() < _OUT_OF_ORDER:
        told[-2] = replace(told[-2], at=told[-1].at + pace * dice.uniform(0.5, 5))
    told = [
        replace(one, at=one.at + pace * dice.uniform(8, 24)) if dice.random() < _LATE else one
        for one in told
    ]
    again = [
        replace(one, at=one.at + pace * dice.uniform(0.3, 20))
        for one in told
        if dice.random() < _TWICE
    ]
    return told + again


def _tongue(dice: random.Random, message: Message, fate: _Fate, batch_id: str) -> Callback:
    """The last word about a message, by the API that carries it; no time is in it yet."""
    rest = bool(fate.rest) and dice.random() < _BY_REST
    word, detail = dice.choice(fate.rest) if rest else (dice.choice(fate.legacy), None)
    networks = next(
        (found for code, found in _NETWORKS.items() if message.recipient.startswith(code)), None
    )
    return Callback(
        at=0.0,
        happened=0.0,
        message=message,
        rest=rest,
        message_id=str(uuid.UUID(int=dice.getrandbits(128), version=4)) if rest else batch_id,
        word=word,
        detail=detail,
        network=dice.choice(networks) if networks else None,
    )


def request_of(callback: Callback, *, started: datetime, zone: ZoneInfo) -> Request:
    """The callback as smsmode sends it; its times have no zone, so the source has to know `zone`."""
    number = callback.message.recipient.lstrip("+")
    happened = (started + timedelta(seconds=callback.happened)).astimezone(zone)
    if not callback.rest:
        fields = {
            "numero": number,
            "date_reception": f"{happened:%Y-%m-%d %H:%M:%S}",
            "statut": callback.word,
            "smsID": callback.message_id,
            "refClient": callback.message.reference,
        }
        if callback.network:
            fields["mcc_mnc"] = callback.network[1]
        return Request("GET", urlencode(fields), b"")
    status = {"value": callback.word, "deliveryDate": f"{happened:%Y-%m-%dT%H:%M:%S}"}
    if callback.detail:
        status["detail"] = callback.detail
    sent = f"{started.astimezone(zone):%Y-%m-%dT%H:%M:%S}"
    lookup = dict(zip(("network", "mccMnc"), callback.network or (), strict=False))
    body = {
        "messageId": callback.message_id,
        "acceptedAt": sent,
        "sentDate": sent,
        "channel": {"name": "marketing", "type": "SMS", "flow": "MARKETING"},
        "type": "SMS",
        "direction": "MT",
        "recipient": {"to": number},
        "status": {**status, "lookup": lookup},
        "refClient": callback.message.reference,
    }
    return Request("POST", "", json.dumps(body).encode())
