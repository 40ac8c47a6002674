"""The receipts that every measurement posts: messages walked upward, so that each receipt changes one."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count, islice

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


class Walk:
    """All messages to the first status, then all to the second, and so on, in one shuffled order.

    The times lie behind the registration, and in their order. When all are received it goes on without an end:
    each round says that they were received a little earlier than was known, which changes every message once more.
    """

    def __init__(self, messages: Sequence[str], begin: datetime | None = None) -> None:
        self.begin = begin or to_milliseconds(utc_now())
        self.taken = 0
        self._messages = list(messages)
        random.Random(7).shuffle(self._messages)
        self._steps = self._walked()

    def take(self, count: int) -> list[Step]:
        """The next so many steps."""
        steps = list(islice(self._steps, count))
        self.taken += count
        return steps

    def expected(self) -> Counter[DeliveryStatus]:
        """How many messages stand in each status when all that was taken is applied."""
        rounds, further = divmod(self.taken, len(self._messages))
        places = (DeliveryStatus.WAITING, *STATUSES)
        there, ahead = (places[min(number, len(STATUSES))] for number in (rounds, rounds + 1))
        found = Counter({there: len(self._messages) - further})
        found[ahead] += further
        return found

    def _walked(self) -> Iterator[Step]:
        for number in count():
            last = number >= len(STATUSES) - 1
            status = STATUSES[-1] if last else STATUSES[number]
            # the last status is first said of a later time, from which there is a way back
            milliseconds = 60_000 - number if last else number
            at = self.begin + timedelta(milliseconds=milliseconds)
            for message in self._messages:
                yield Step(message, status, at)


def applied(counts: Mapping[str, int]) -> int:
    """How many receipts of a walk these counts by status hold, as long as not all messages are received."""
    return sum(counts[status] * place for place, status in enumerate(STATUSES, start=1))


def posts(webhook: str, steps: Sequence[Step], *, body: int) -> Iterator[bytes]:
    """The requests that report these steps, so many in a body, as our own webhook reads them."""
    for first in range(0, len(steps), body):
        part = [
            {"messageId": step.message, "status": step.status.value, "at": step.at}
            for step in steps[first : first + body]
        ]
        yield http_load.request(webhook, orjson.dumps(part if body > 1 else part[0]))
