"""Hygiene: what receipts say of the numbers that they are about, kept in the transaction that applies them.

A number that no operator knows leaves the address book, one whose owner asked for no more SMS is blacklisted, and one
that received an SMS later is a contact again: exactly once, for it is kept with the receipt or not at all, and the same
whatever the order and the repeats (`domain/person.py`).
"""

from collections import Counter
from collections.abc import Iterable

from gql_server.arrivals import Fold
from gql_server.database import Transaction
from gql_server.domain.person import Happening, News
from gql_server.metrics import HYGIENE
from gql_server.store import people


class Hygiene:
    """Of one batch of receipts."""

    def __init__(self) -> None:
        self._happened: Counter[Happening] = Counter()

    async def keep(self, tx: Transaction, folds: Iterable[Fold]) -> None:
        """Keep what these messages' receipts say of their recipients; anew, where the transaction begins anew."""
        self._happened.clear()
        news: dict[str, dict[str, list[News]]] = {}
        for fold in folds:
            if fold.news:
                message = fold.kept.message
                heard = news.setdefault(message.workspace, {})
                heard.setdefault(message.recipient, []).extend(fold.news)
        for workspace, heard in news.items():
            kept = await people.hear(tx, workspace, heard)
            self._happened.update(kept.happened)

    def committed(self) -> None:
        """Tell the metrics."""
        for what, times in self._happened.items():
            HYGIENE.labels(what=what.value).inc(times)
