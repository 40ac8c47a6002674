"""Hygiene: what receipts say of the numbers that they are about, kept in the transaction that applies them.

A number that no operator knows leaves the address book, one whose owner asked for no more SMS is blacklisted, and one
that received an SMS later is a contact again: exactly once, for it is kept with the receipt or not at all, and the same
whatever the order and the repeats (`domain/person.py`).
"""

from collections import Counter
from collections.abc import Iterable

from gql_server.arrivals import Fold
from gql_server.database import Database, Transaction
from gql_server.domain.person import Happening, News
from gql_server.logs import kind, log
from gql_server.metrics import HYGIENE
from gql_server.store import people
from gql_server.store.erased import Tombstones


class Hygiene:
    """Of one batch of receipts."""

    def __init__(self, db: Database, tombstones: Tombstones) -> None:
        self._db = db
        self._tombstones = tombstones
        self._happened: Counter[Happening] = Counter()
        self._new: dict[str, set[str]] = {}

    async def keep(self, tx: Transaction, folds: Iterable[Fold]) -> None:
        """Keep what these messages' receipts say of their recipients; anew, where the transaction begins anew."""
        self._happened.clear()
        self._new.clear()
        news: dict[str, dict[str, list[News]]] = {}
        for fold in folds:
            if fold.news:
                message = fold.kept.message
                heard = news.setdefault(message.workspace, {})
                heard.setdefault(message.recipient, []).extend(fold.news)
        for workspace, heard in news.items():
            kept = await people.hear(tx, workspace, heard)
            self._happened.update(kept.happened)
            if kept.new:
                self._new[workspace] = kept.new

    async def committed(self) -> None:
        """Tell the metrics, and look whether somebody of whom nothing was known was erased at the same time."""
        for what, times in self._happened.items():
            HYGIENE.labels(what=what.value).inc(times)
        try:
            for workspace, numbers in self._new.items():
                for number in await self._tombstones.among(self._db.latest, workspace, numbers):
                    await people.forget(self._db, workspace, number)
        except Exception as error:  # noqa: BLE001 - the receipts are durable, and so must be their answer
            log.error(
                "hygiene: %s; who was erased in this moment may be on the blacklist", kind(error)
            )
