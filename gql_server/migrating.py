"""The database, brought to the form that this version works on: by a command, or where nobody else uses it.

Never by a server that starts: several start at once, an index of millions takes minutes, and who rolls a release out
wants to know of it. A server looks at the version that the database has, and refuses one that is not its own.
"""

from collections.abc import Callable

from gql_server.database import Database
from gql_server.errors import StartError
from gql_server.store import indexes, installation

VERSION = 1
"""Of the documents and indexes. Another one where `indexes.ensure` makes or moves something that an earlier server
could not work on, or this one not without.
"""


async def migrate(
    db: Database, *, outbox_hours: int, told: Callable[[str], None] = lambda _: None
) -> int:
    """Make what is missing, move what has moved; again and again does no harm. `told` hears of each step.

    :return: the version that was there before; 0 where there was none.
    :raises StartError: it is of a later version.
    """
    before = await installation.version(db)
    _not_later(before)
    await indexes.ensure(db, outbox_hours=outbox_hours, told=told)
    await installation.mark_version(db, VERSION)
    return before


async def check(db: Database) -> None:
    """See that the database is of this version.

    :raises StartError: it is not; it says what to do.
    """
    there = await installation.version(db)
    _not_later(there)
    if there < VERSION:
        what = f"of version {there}, this server works on {VERSION}" if there else "not made yet"
        raise StartError(f"the database is {what}: run `gql-server migrate` first")


def _not_later(there: int) -> None:
    if there > VERSION:
        raise StartError(
            f"the database is of version {there}, and this gql-server knows {VERSION} at most: install a later one"
        )
