"""Numbers on the blacklist, as a reply puts them there."""

from datetime import datetime

from gql_server.database import Database
from gql_server.domain.blacklist import BlacklistReason
from gql_server.people import People
from gql_server.services import utc_now
from gql_server.store import blacklist
from gql_server.store.blacklist import Entry


async def bar(
    db: Database,
    workspace: str,
    number: str,
    *,
    at: datetime | None = None,
    reason: BlacklistReason = BlacklistReason.UNSUBSCRIBED,
) -> Entry:
    """List a number; the entry that there is now."""
    at = utc_now() if at is None else at
    await People(db, clock=lambda: at).opt_out(workspace, number, at=at, reason=reason)
    entry = await blacklist.of_number(db.latest, workspace, number)
    assert entry is not None
    return entry


async def unbar(db: Database, workspace: str, entry: Entry) -> None:
    """Take it off the list."""
    assert await People(db, clock=utc_now).remove_from_blacklist(workspace, entry.id)
