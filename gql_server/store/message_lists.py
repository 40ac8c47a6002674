"""The lists of a campaign's messages: each of them one walk along one index, at the end as fast as at the beginning.

What receipts change (status, its time, the error code) is indexed at the messages themselves, all else beside them, at
the recipients: docs/decisions/0011. `hint` says which index, so that none is ever sorted or tried instead.
"""

from collections.abc import Collection, Sequence

from gql_server.database import Document, Reads
from gql_server.domain.message import Message
from gql_server.domain.status import DeliveryStatus
from gql_server.store import recipients
from gql_server.store.message_rows import fields_of, message_of
from gql_server.store.messages import COLLECTION
from gql_server.store.walk import Place, Walk, between, between_ids


async def by_position(reads: Reads, campaign: str, walk: Walk[str]) -> list[Message]:
    """As they were registered; a place is a message's id."""
    # "." follows "-": all ids of this campaign, no other
    ids = {"$gt": f"{campaign}-", "$lt": f"{campaign}."} | between_ids(walk)
    return await _page(reads, {"_id": ids}, ["_id"], walk, "_id_")


async def in_statuses(
    reads: Reads, campaign: str, statuses: Collection[DeliveryStatus], walk: Walk[str]
) -> list[Message]:
    """Those that are in one of these statuses, as they were registered."""
    query: Document = {"campaign": campaign, "status": {"$in": sorted(statuses)}}
    return await _page(reads, query | _ids(walk), ["_id"], walk, "by_status")


async def with_code(reads: Reads, campaign: str, code: str, walk: Walk[str]) -> list[Message]:
    """Those with this error code, as they were registered."""
    query: Document = {"campaign": campaign, "code": code}
    return await _page(reads, query | _ids(walk), ["_id"], walk, "by_code")


async def by_time(
    reads: Reads, campaign: str, status: DeliveryStatus | None, walk: Walk[Place]
) -> list[Message]:
    """Those in this status (None: all), by when they reached the one that they are in."""
    statuses = list(DeliveryStatus) if status is None else [status]
    query = between("at", walk, *({"campaign": campaign, "status": one} for one in statuses))
    if query is None:
        return []
    return await _page(reads, query, ["at", "_id"], walk, "by_status_at")


async def of_country(
    reads: Reads, workspace: str, campaign: str, country: str, walk: Walk[str]
) -> list[Message]:
    """Those to numbers of this country, as they were registered."""
    found = await recipients.of_country(reads, campaign, country, walk)
    return await _these(reads, workspace, found, walk)


async def by_number(
    reads: Reads, workspace: str, campaign: str, prefix: str, walk: Walk[Place]
) -> list[Message]:
    """Those whose number begins so (with its `+`; "": all), in the order of the numbers."""
    found = await recipients.by_number(reads, campaign, prefix, walk)
    return await _these(reads, workspace, found, walk)


async def by_last_digits(
    reads: Reads, workspace: str, campaign: str, suffix: str, walk: Walk[Place]
) -> list[Message]:
    """Those whose number ends so, in the order of the numbers read from their end."""
    found = await recipients.by_last_digits(reads, campaign, suffix, walk)
    return await _these(reads, workspace, found, walk)


async def by_name(
    reads: Reads, workspace: str, campaign: str, prefix: str, walk: Walk[Place]
) -> list[Message]:
    """Those whose folded name begins so, in the order of the folded names."""
    found = await recipients.by_name(reads, campaign, prefix, walk)
    return await _these(reads, workspace, found, walk)


def _ids(walk: Walk[str]) -> Document:
    bounds = between_ids(walk)
    return {"_id": bounds} if bounds else {}


async def _page(
    reads: Reads,
    query: Document,
    order: Sequence[str],
    walk: Walk[str] | Walk[Place],
    index: str,
) -> list[Message]:
    rows = await reads.find(
        COLLECTION,
        query,
        sort=walk.sort(*order),
        limit=walk.limit,
        hint=index,
        fields=fields_of(walk.wanted),
    )
    return [message_of(row) for row in rows]


async def _these(
    reads: Reads, workspace: str, ids: Sequence[str], walk: Walk[str] | Walk[Place]
) -> list[Message]:
    """These messages, in this order: the second read of a list that lies beside them."""
    if not ids:
        return []
    rows = await reads.find(
        COLLECTION,
        {"_id": {"$in": ids}, "workspace": workspace},
        limit=len(ids),
        hint="_id_",
        fields=fields_of(walk.wanted),
    )
    found = {row["_id"]: message_of(row) for row in rows}
    return [found[message] for message in ids if message in found]
