"""Files of people come in: read as they are sent, committed batch by batch, and resumed where they were cut off.

How far a file is in is written in the transaction of each batch. So whatever ends an import, a client that leaves, a
kill -9, a database that is away: the same file, sent again under the same key, goes on at the line behind the last one
that is in, and each person is there once.
"""

import contextlib
import hashlib
import hmac
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from gql_server.commit import Clock
from gql_server.database import Database
from gql_server.destinations import Destination
from gql_server.domain.imports import Counts, Import, ImportState
from gql_server.domain.receipt import to_milliseconds
from gql_server.errors import (
    FileRefused,
    ImportInProgress,
    KeyReused,
    TooManyImports,
)
from gql_server.files import FileReader, Options
from gql_server.import_run import File, Pay, Run, Told
from gql_server.store import imports


@dataclass(frozen=True, slots=True)
class Asked:
    """Who brings a file, and what he says of it. `key`: his own name for this import; without one it is a new one."""

    workspace: str
    actor: str
    key: str | None
    options: Options


class Imports:
    """The imports of a process."""

    def __init__(
        self, db: Database, secret: bytes, *, clock: Clock, most_lines: int, most_at_once: int
    ) -> None:
        """`secret`: of this installation."""
        self._db = db
        self._secret = secret
        self._clock = clock
        self._most_lines = most_lines
        self._most_at_once = most_at_once
        self._of_workspace: Counter[str] = Counter()

    def id_of(self, workspace: str, key: str | None) -> str:
        """The id of the import that has this key; without one a new id."""
        if key is None:
            return secrets.token_hex(16)
        named = "\0".join(("import", workspace, key)).encode("utf-8", "surrogatepass")
        return hmac.digest(self._secret, named, hashlib.sha256).hex()[:32]

    @contextlib.contextmanager
    def admitted(self, workspace: str) -> Iterator[None]:
        """Around an import, of which each process has so many at once, half of them of one workspace.

        :raises TooManyImports: there is no room for one more.
        """
        if self._of_workspace.total() >= self._most_at_once:
            raise TooManyImports(of_workspace=False)
        if self._of_workspace[workspace] >= max(1, self._most_at_once // 2):
            raise TooManyImports(of_workspace=True)
        self._of_workspace[workspace] += 1
        try:
            yield
        finally:
            self._of_workspace[workspace] -= 1
            self._of_workspace += Counter()  # forgets who has none

    async def take(
        self,
        asked: Asked,
        into: Destination,
        source: AsyncIterator[bytes],
        *,
        pay: Pay | None = None,
        told: Told = lambda *_: None,
    ) -> Import:
        """Bring a file in, or go on with it; how it is, once all of it is in.

        What `source` raises ends the import for now, and so does the database where it is away for long: it can be gone
        on with.

        :raises FileRefused: it cannot be read; where that was seen at its beginning, nothing is kept of it.
        :raises ImportInProgress: somebody brings it in already.
        :raises KeyReused: the key is another import's.
        :raises Overloaded: the database did not commit a batch in time.
        """
        reader = FileReader(
            asked.options,
            into.columns,
            key=hashlib.sha256(self._secret).digest(),
            most_lines=self._most_lines,
            with_others=into.with_others,
        )
        file = File(reader, source)
        while not reader.understand():
            await file.more()
        holder = secrets.token_hex(8)
        now = to_milliseconds(self._clock())
        new = Import(
            id=self.id_of(asked.workspace, asked.key),
            workspace=asked.workspace,
            into=into.into,
            state=ImportState.RUNNING,
            lines=0,
            digest=reader.digest,
            counts=Counts(),
            created_at=now,
            changed_at=now,
        )
        # Which country a number is of is part of what a file says.
        words = f"{asked.options.words()} {into.country}"
        claim = await imports.claim(self._db, new, words, holder)
        found = claim.found
        if not claim.ours:
            if (found.into, claim.options) != (into.into, words):
                raise KeyReused
            if found.failure is not None:
                raise FileRefused(*found.failure)
            if found.state is not ImportState.DONE:
                raise ImportInProgress
            await file.pass_over(found)
            if not await file.is_over():
                raise KeyReused
            return found
        run = Run(self._db, self._clock, asked.actor, into, found, holder, told)
        async with run.held():
            await file.pass_over(found)
            await run.through(file, pay)
        there = await imports.one(self._db.latest, asked.workspace, found.id)
        return there or found
