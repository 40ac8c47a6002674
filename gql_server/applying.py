"""What a batch of receipts changes: the message of each, what is laid upon it, what is parked."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from gql_server.arrivals import Arrival, Fold, Outcome, orphan_of
from gql_server.database import Transaction
from gql_server.domain.campaign import Campaign
from gql_server.domain.retention import DAY, FEWEST_DAYS
from gql_server.plan import Plan
from gql_server.store import campaigns, messages, orphans
from gql_server.store.erased import Tombstones
from gql_server.store.messages import Kept
from gql_server.store.orphans import Orphan


async def plan_of(
    tx: Transaction,
    batch: Sequence[Arrival],
    known: dict[str, Campaign],
    begun: dict[str, Campaign],
    now: datetime,
    tombstones: Tombstones,
) -> tuple[Plan[list[Outcome]], Collection[Fold]]:
    """What a batch changes, and what was laid upon its messages.

    `known` are campaigns that have begun; `begun` becomes those that have from now on.
    """
    plan: Plan[list[Outcome]] = Plan([])
    kept_by_arrival = await _resolve(tx, batch)
    sendings = await _sendings(tx, kept_by_arrival, known, now)
    sealed = await _sealed(tx, batch, kept_by_arrival)
    folded: dict[str, Fold] = {}
    parked: list[Orphan] = []
    adopted: list[str] = []
    for arrival, kept in zip(batch, kept_by_arrival, strict=True):
        if kept is None and (arrival.workspace, arrival.campaign) not in sealed:
            plan.result.append(Outcome.PARKED)
            if arrival.orphan is None:
                parked.append(orphan_of(arrival))
            continue
        if arrival.orphan is not None:
            adopted.append(arrival.orphan)
        if kept is None or sendings[kept.message.campaign].sealed:
            plan.result.append(Outcome.EXPIRED)
            continue
        # One message may be named in two ways in one batch, so receipts meet only here.
        message = kept.message
        fold = folded.get(message.id)
        if fold is None:
            pseudonym = await tombstones.pseudonyms(message.workspace) if message.erased else None
            fold = folded[message.id] = Fold(kept, pseudonym)
        plan.result.append(fold.take(arrival, sendings[message.campaign]))
    begun.clear()
    for campaign in sendings.values():
        if campaign.sealed:
            continue
        begun[campaign.id] = replace(campaign, begun=True)
        if not campaign.begun:
            # Once in a campaign's life; a change of its time meets this write, or sees it.
            plan.of(campaign.workspace, campaign.id).fields["begun"] = True
    for fold in folded.values():
        if fold.changed:
            message = fold.kept.message
            plan.of(message.workspace, message.campaign).give(
                fold.kept,
                fold.reports,
                sendings[message.campaign],
                unknown_words=fold.unknown_words,
            )
    await orphans.park(tx, parked, now=now)
    await orphans.adopt(tx, adopted)
    return plan, folded.values()


async def _resolve(tx: Transaction, batch: Sequence[Arrival]) -> list[Kept | None]:
    """The message of each arrival: by our own id or reference first, else by the provider's key."""
    by_id: dict[str, dict[str, Kept]] = {}
    by_key: dict[str, dict[str, Kept]] = {}
    for workspace in {arrival.workspace for arrival in batch}:
        ours = [arrival for arrival in batch if arrival.workspace == workspace]
        named = {arrival.message for arrival in ours if arrival.message is not None}
        found = by_id[workspace] = await messages.kept_by_id(tx, workspace, named)
        keys = {a.key for a in ours if a.key is not None and a.message not in found}
        by_key[workspace] = await messages.kept_by_key(tx, workspace, keys)
    return [
        by_id[arrival.workspace].get(arrival.message or "")
        or by_key[arrival.workspace].get(arrival.key or "")
        for arrival in batch
    ]


async def _sendings(
    tx: Transaction, kept: Sequence[Kept | None], known: dict[str, Campaign], now: datetime
) -> dict[str, Campaign]:
    """The campaigns of these messages. What is asked of them never changes once they have begun, until they are old."""
    needed = {one.message.campaign for one in kept if one is not None}
    old = now - FEWEST_DAYS * DAY
    found = {
        campaign: there
        for campaign in needed
        if (there := known.get(campaign)) is not None and (there.sent_at or old) > old
    }
    found.update(await campaigns.some(tx, needed - found.keys()))
    return found


async def _sealed(
    tx: Transaction, batch: Sequence[Arrival], kept: Sequence[Kept | None]
) -> set[tuple[str, str | None]]:
    """The campaigns, by workspace, of which messages are named that are not there because all of them are deleted."""
    pairs = zip(batch, kept, strict=True)
    named = {arrival.campaign for arrival, one in pairs if one is None} - {None}
    return {*await campaigns.sealed_among(tx, [c for c in named if c])} if named else set()
