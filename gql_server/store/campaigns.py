"""Campaigns: what was sent, when, and the next free position for a message."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pymongo import UpdateMany, UpdateOne

from gql_server.database import Document, Reads, Transaction
from gql_server.domain.campaign import Campaign, CampaignState, SmsType, WantedAudience
from gql_server.domain.folding import folded
from gql_server.domain.retention import Then
from gql_server.store import counters
from gql_server.store.counters import Figures, figures_of
from gql_server.store.walk import FIRST_TIME

COLLECTION = "campaigns"


async def add(
    tx: Transaction, campaign: Campaign, *, audience: WantedAudience | None = None
) -> None:
    """Keep a new campaign; `audience`: to whom it is made, where that is another one's audience."""
    made_to: Document = {}
    if audience is not None:
        made_to = {
            "audience": {
                "of": audience.of,
                "statuses": sorted(status.value for status in audience.statuses),
                "after": audience.after,
            },
            "filling": True,
        }
    await tx.insert(
        COLLECTION,
        [
            {
                "_id": campaign.id,
                "workspace": campaign.workspace,
                "name": campaign.name,
                "folded": folded(campaign.name),
                "text": campaign.text,
                "sender": campaign.sender,
                "type": campaign.type.value,
                "state": campaign.state.value,
                "createdAt": campaign.created_at,
                "sentAt": campaign.sent_at,
                "begun": False,
                "nextPosition": 0,
                **made_to,
            }
        ],
    )


async def one(reads: Reads, workspace: str, campaign: str) -> Campaign | None:
    """The workspace's campaign; None where it has none of this id."""
    return (await of_workspaces(reads, {(workspace, campaign)})).get(campaign)


async def some(reads: Reads, campaigns: Collection[str]) -> dict[str, Campaign]:
    """Campaigns by id, whichever workspace they belong to: for those who looked them up with it."""
    if not campaigns:
        return {}
    ids = list(campaigns)
    rows = await reads.find(COLLECTION, {"_id": {"$in": ids}}, limit=len(ids))
    return {row["_id"]: campaign_of(row) for row in rows}


async def of_workspaces(reads: Reads, wanted: Collection[tuple[str, str]]) -> dict[str, Campaign]:
    """Those campaigns of these (workspace, id) that the workspace named with them has, by id.

    What is another's is left where it is: who asks for it could tell by the time that its way here takes.
    """
    if not wanted:
        return {}
    query = _of(wanted)
    rows = await reads.find(COLLECTION, query, limit=len(query["_id"]["$in"]), hint="_id_")
    found = (campaign_of(row) for row in rows)
    return {one.id: one for one in found if (one.workspace, one.id) in wanted}


async def with_figures(
    reads: Reads, wanted: Collection[tuple[str, str]]
) -> list[tuple[Campaign, Figures | None]]:
    """Those few campaigns of these (workspace, id) that the workspace named with them has, and what is counted of each.

    None: nothing yet. One read, where two take half as long again, here and in MongoDB; of many campaigns two are the
    better ones.
    """
    rows = await reads.aggregate(
        COLLECTION,
        [
            {"$match": _of(wanted)},
            {
                "$lookup": {
                    "from": counters.COLLECTION,
                    "localField": "_id",
                    "foreignField": "campaign",
                    "pipeline": [{"$project": dict.fromkeys(counters.OF_FIGURES, 1)}],
                    "as": "stripes",
                }
            },
        ],
        # Else MongoDB would try the lists of the workspace as well.
        hint="_id_",
        few=True,
    )
    return [
        (campaign_of(row), figures_of(row["stripes"]) if row["stripes"] else None)
        for row in rows
        if (row["workspace"], row["_id"]) in wanted
    ]


def _of(wanted: Collection[tuple[str, str]]) -> Document:
    ids = sorted({campaign for _, campaign in wanted})
    return {"_id": {"$in": ids}, "workspace": {"$in": sorted({owner for owner, _ in wanted})}}


async def sent_in(
    reads: Reads, workspace: str, begin: datetime | None, end: datetime | None
) -> list[str]:
    """The ids of the workspace's campaigns with `sentAt` in [begin, end), None for no bound; read off an index."""
    query: Document = {"workspace": workspace}
    bounds = {"$gte": begin, "$lt": end}
    if given := {way: at for way, at in bounds.items() if at is not None}:
        query["sentAt"] = given
    rows = await reads.find(
        COLLECTION, query, sort=[("sentAt", 1)], fields=["_id"], hint="list_sent"
    )
    return [row["_id"] for row in rows]


async def due(reads: Reads, now: datetime) -> list[str]:
    """Campaigns that are kept as SCHEDULED although their time has come."""
    rows = await reads.find(
        COLLECTION,
        {"state": CampaignState.SCHEDULED.value, "sentAt": {"$lte": now}},
        fields=["_id"],
        limit=100,
    )
    return [row["_id"] for row in rows]


async def unfinished(reads: Reads, after: str, *, limit: int) -> list[str]:
    """Campaigns of all workspaces that are not kept as COMPLETED, in the order of their ids."""
    rows = await reads.find(
        COLLECTION,
        {
            "state": {"$in": [CampaignState.SCHEDULED.value, CampaignState.SENDING.value]},
            "_id": {"$gt": after},
        },
        sort=[("_id", 1)],
        limit=limit,
        fields=["_id"],
    )
    return [row["_id"] for row in rows]


async def sending(reads: Reads, sent_by: datetime) -> list[Campaign]:
    """Campaigns of which messages wait although they were sent by then."""
    rows = await reads.find(
        COLLECTION,
        {
            "state": CampaignState.SENDING.value,
            "sentAt": {"$lte": sent_by},
            "sealedAt": {"$exists": False},
        },
    )
    return [campaign_of(row) for row in rows]


async def ids_after(reads: Reads, campaign: str, *, limit: int) -> list[str]:
    """The ids of all workspaces' campaigns, in their order."""
    rows = await reads.find(
        COLLECTION, {"_id": {"$gt": campaign}}, sort=[("_id", 1)], limit=limit, fields=["_id"]
    )
    return [row["_id"] for row in rows]


async def correction(reads: Reads, campaign: str) -> int:
    """How many times the campaign's counters have been corrected."""
    row = await reads.find_one(COLLECTION, {"_id": campaign}, fields=["corrections"])
    return int((row or {}).get("corrections", 0))


async def take_positions(tx: Transaction, campaign: str, count: int) -> int:
    """Take `count` positions for new messages; the first of them.

    Two that register at once meet here: the later one starts anew and sees what the first has added.
    """
    row = await tx.update_returning(
        COLLECTION, {"_id": campaign}, {"$inc": {"nextPosition": count}}, after=False
    )
    assert row is not None
    return int(row["nextPosition"])


async def close_ranks(tx: Transaction, campaigns: Collection[str]) -> None:
    """Write these campaigns, and nothing in them: who registers in one of them meanwhile begins anew.

    Under snapshot isolation a registration that looked for tombstones before one was put would else commit after an
    erasure has looked for the number (docs/decisions/0013).
    """
    ids = list(campaigns)
    await tx.write(COLLECTION, [UpdateMany({"_id": {"$in": ids}}, {"$inc": {"looked": 1}})])


async def all_of(reads: Reads, workspace: str, *, batch: int) -> AsyncIterator[list[str]]:
    """The ids of all campaigns of the workspace, in batches.

    Along what never changes of one: whoever is renamed or moved meanwhile keeps its place, and is not passed by.
    """
    async for rows in reads.scan(
        COLLECTION, {"workspace": workspace}, fields=["_id"], batch=batch, hint="list_created"
    ):
        yield [row["_id"] for row in rows]


async def over(
    reads: Reads, workspace: str, before: datetime, then: Then
) -> AsyncIterator[list[str]]:
    """The campaigns that were sent before `before`, without those that are retired so, or more, or on their way.

    In batches, the oldest first; what begins to be retired meanwhile is in none of the later ones.
    """
    sent: Document = {"workspace": workspace, "sentAt": {"$lt": before}}
    wanted: list[Document] = [{**sent, "retired": None, "closedAt": None}]
    if then is Then.DELETE:
        wanted.append({**sent, "retired": Then.ANONYMISE.value})
    async for rows in reads.scan(COLLECTION, {"$or": wanted}, fields=["_id"], hint="retiring"):
        yield [row["_id"] for row in rows]


async def begun_to_go(reads: Reads, workspace: str) -> dict[str, datetime | None]:
    """Campaigns whose messages are to be erased, or deleted (since when they are sealed), and are not yet."""
    rows = await reads.find(
        COLLECTION,
        {"workspace": workspace, "retired": None, "closedAt": {"$gt": FIRST_TIME}},
        fields=["sealedAt"],
        hint="retiring",
    )
    return {row["_id"]: row.get("sealedAt") for row in rows}


async def overdue(reads: Reads, workspace: str, before: datetime, then: Then) -> int:
    """How many were sent before `before` and are not retired so, or more, be they on their way or not."""
    due = [None, Then.ANONYMISE.value] if then is Then.DELETE else [None]
    query = {"workspace": workspace, "retired": {"$in": due}, "sentAt": {"$lt": before}}
    rows = await reads.aggregate(COLLECTION, [{"$match": query}, {"$count": "n"}], hint="retiring")
    return int(rows[0]["n"]) if rows else 0


async def sealed_among(reads: Reads, campaigns: Collection[str]) -> set[tuple[str, str]]:
    """Those of these campaigns whose messages are deleted, as (workspace, id)."""
    rows = await reads.find(
        COLLECTION,
        {"_id": {"$in": list(campaigns)}, "sealedAt": {"$exists": True}},
        fields=["workspace"],
    )
    return {(row["workspace"], row["_id"]) for row in rows}


async def change(tx: Transaction, changes: Mapping[str, Mapping[str, Any]]) -> None:
    """Set some of a campaign's fields, by campaign; their names are those below."""
    await tx.write(
        COLLECTION,
        [
            UpdateOne({"_id": campaign}, {"$set": _changed(fields)})
            for campaign, fields in changes.items()
        ],
    )


def _changed(fields: Mapping[str, Any]) -> Document:
    names = {
        "name": "name",
        "sent_at": "sentAt",
        "state": "state",
        "begun": "begun",
        "corrections": "corrections",
        "closed_at": "closedAt",
        "sealed_at": "sealedAt",
        "retired": "retired",
        "filling": "filling",
        "filled_to": "audience.after",
    }
    changed = {names[field]: value for field, value in fields.items()}
    if "name" in fields:
        changed["folded"] = folded(fields["name"])
    return changed


def campaign_of(row: Document) -> Campaign:
    """A campaign."""
    return Campaign(
        id=row["_id"],
        workspace=row["workspace"],
        name=row["name"],
        text=row["text"],
        sender=row["sender"],
        type=SmsType(row["type"]),
        state=CampaignState(row["state"]),
        created_at=row["createdAt"],
        # Python's own UTC, for it is compared with every receipt's time, and the driver's takes five times as long.
        sent_at=row["sentAt"] and row["sentAt"].replace(tzinfo=UTC),
        begun=row["begun"],
        closed="closedAt" in row,
        sealed="sealedAt" in row,
        audience_of=row["audience"]["of"] if "audience" in row else None,
        filling=row.get("filling", False),
    )


# The lists, each in its own order. Behind that stands all that a filter may look at, so that it is looked at in the
# index, and no campaign is read that is not shown: see campaign_lists.py.
INDEXES: Sequence[tuple[str, Sequence[tuple[str, int]], dict[str, Any]]] = (
    (
        "list_created",
        [
            *(("workspace", 1), ("createdAt", 1), ("_id", 1)),
            *(("state", 1), ("type", 1), ("sentAt", 1), ("folded", 1)),
        ],
        {},
    ),
    (
        "list_sent",
        [
            *(("workspace", 1), ("sentAt", 1), ("_id", 1)),
            *(("state", 1), ("type", 1), ("folded", 1)),
        ],
        {},
    ),
    (
        "list_name",
        [
            *(("workspace", 1), ("folded", 1), ("_id", 1)),
            *(("state", 1), ("type", 1), ("sentAt", 1)),
        ],
        {},
    ),
    # What retention looks for, without those that it is done with: they are most of all.
    ("retiring", [("workspace", 1), ("retired", 1), ("closedAt", 1), ("sentAt", 1)], {}),
    ("by_state", [("state", 1), ("sentAt", 1)], {}),
    ("unfinished", [("state", 1), ("_id", 1)], {}),
    ("filling", [("filling", 1)], {"partialFilterExpression": {"filling": True}}),
)

RETIRED = ("list", "list_by_state")
