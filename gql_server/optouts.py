"""STOP and START: what people reply goes onto the blacklist, or lifts what they said before.

A reply is looked at and not kept. Who wrote it is read as the number that he can be written to; a name or a short code
is nobody's. Of a STOP and a START the later one counts, by their own times and not by when they came, and what was
heard before changes nothing (`domain/person.py`), so that a provider may repeat whatever was not answered.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gql_server.commit import Clock
from gql_server.database import Database
from gql_server.domain import ids
from gql_server.domain.blacklist import BlacklistReason
from gql_server.domain.keywords import Wish
from gql_server.domain.reply import Meaning, Reply, asked_at, wish_of
from gql_server.domain.source import Source
from gql_server.metrics import INBOUND
from gql_server.numbers import read_sender
from gql_server.people import People
from gql_server.store import messages, workspaces
from gql_server.store.messages import key_of

AT_ONCE = 8
"""Numbers of one request that are written at once, each in a transaction of its own."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the owner of a number asked for, when, and by answering to which campaign, where that is known."""

    wish: Wish
    at: datetime
    campaign: str | None
    #: what the provider calls this reply, where it says no time: then its repeat would look like a new one
    id: str | None


def _name_of(source: Source, reply: Reply) -> str | None:
    if reply.at is not None or not reply.id:
        return None
    # A hash, for some providers make their ids of numbers.
    words = f"{source.id} {reply.id} {reply.text}"
    return hashlib.blake2b(words.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


class OptOuts:
    """The way of a reply, from its arrival to the blacklist."""

    def __init__(self, db: Database, people: People, *, clock: Clock) -> None:
        self._db = db
        self._people = people
        self._clock = clock

    async def hear(self, source: Source, replies: Sequence[Reply]) -> list[Meaning]:
        """Do what these replies ask for; what each was taken for, in their order.

        :raises Overloaded: the database did not take all of it in time; to hear all of them again does no harm.
        """
        arrived_at = self._clock()
        wishes = {n: wish for n, reply in enumerate(replies) if (wish := wish_of(reply))}
        meanings = [Meaning.OTHER] * len(replies)
        if wishes:
            workspace = source.workspace
            found = await workspaces.one(self._db.latest, workspace)
            country = found.default_country if found is not None else None
            campaigns = await self._campaigns(workspace, {n: replies[n] for n in wishes})
            asked: dict[str, list[_Asked]] = {}
            for n, wish in wishes.items():
                number = read_sender(replies[n].sender, country)
                if number is None:
                    meanings[n] = Meaning.NO_NUMBER
                    continue
                meanings[n] = Meaning.OPT_OUT if wish is Wish.OPT_OUT else Meaning.OPT_IN
                at = asked_at(replies[n], arrived_at=arrived_at)
                asked.setdefault(number.e164, []).append(
                    _Asked(wish, at, campaigns.get(n), _name_of(source, replies[n]))
                )
            numbers = list(asked)
            await asyncio.gather(
                *(
                    self._tell(workspace, {number: asked[number] for number in numbers[n::AT_ONCE]})
                    for n in range(min(AT_ONCE, len(numbers)))
                )
            )
        for meaning in meanings:
            INBOUND.labels(provider=source.provider, meaning=meaning.value).inc()
        return meanings

    async def _tell(self, workspace: str, asked: Mapping[str, Sequence[_Asked]]) -> None:
        for number, several in asked.items():
            for one in several:
                if one.wish is Wish.OPT_IN:
                    await self._people.opt_in(workspace, number, at=one.at, id=one.id)
                    continue
                await self._people.opt_out(
                    workspace,
                    number,
                    at=one.at,
                    reason=BlacklistReason.UNSUBSCRIBED,
                    campaign=one.campaign,
                    id=one.id,
                )

    async def _campaigns(self, workspace: str, replies: Mapping[int, Reply]) -> dict[int, str]:
        """The campaigns of the messages that were answered, where they are named and are the workspace's."""
        named = {n: ids.read_message(r.reference) for n, r in replies.items() if r.reference}
        keys = {n: key_of(r.provider, r.key) for n, r in replies.items() if r.key}
        known = await messages.ids_among(
            self._db.latest, workspace, {message for message in named.values() if message}
        )
        bound = await messages.bound_to(self._db.latest, workspace, set(keys.values()))
        found = {n: bound[key] for n, key in keys.items() if key in bound}
        found |= {n: message for n, message in named.items() if message in known}
        return {n: ids.campaign_of(message) for n, message in found.items()}
