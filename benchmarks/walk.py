"""The receipts that every measurement posts: messages walked upward, so that each receipt changes one."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from benchmarks import http_load
from gql_server.domain.receipt import to_milliseconds
from gql_server.domain.status import DeliveryStatus
from gql_server.services import utc_now

STATUSES = (DeliveryStatus.SENT, DeliveryStatus.DELIVERED_OPERATOR, DeliveryStatus.RECEIVED)


@dataclass(frozen=True, slots=True)
class Step:
    """A receipt: this message reaches this status at this time."""

    message: str
    status: DeliveryStatus
    at: datetime


def over(messages: Sequence[str]) -> list[Step]:
    """All messages to the first status, then all to the second, and so on, in one shuffled order.

    The times lie behind the registration, and in their order.
    """
    shuffled = list(messages)
    random.Random(7).shuffle(shuffled)
    begin = to_milliseconds(utc_now())
    return [
        Step(message, status, begin + timedelta(milliseconds=number))
        for number, status in enumerate(STATUSES)
        for message in shuffled
    ]


def posts(webhook: str, steps: Sequence[Step], *, body: int) -> Iterator[bytes]:
    """The requests that report these steps, so many in a body, as our own webhook reads them."""
    receipts = [
        {"messageId": step.message, "status": step.status.value, "at": step.at} for step in steps
    ]
    for first in range(0, len(receipts), body):
        part = receipts[first : first + body]
        yield http_load.request(webhook, orjson.dumps(part if body > 1 else part[0]))
