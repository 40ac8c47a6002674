"""What an operation has to pass before it begins, and how long it may go on."""

import asyncio
from collections.abc import Awaitable, Mapping
from contextlib import nullcontext
from typing import Any, TypeVar

from graphql import GraphQLError, GraphQLSchema
from strawberry.types.execution import ParseOptions, PreExecutionError
from strawberry.types.graphql import OperationType

from gql_server.database import until
from gql_server.domain import ids
from gql_server.errors import Overloaded, PublicError
from gql_server.store.audit import Action
from resolvers.context import Context
from resolvers.errors import coded
from resolvers.known import Documents
from resolvers.limits import MOST_TOKENS, RateLimited, introspection_disabled, too_slow
from resolvers.weighing import Asked

T = TypeVar("T")

HELD_SECONDS = 0.25
MOST_HELD = 1_000
"""Refusals that wait at once; more are told at once, so that they do not pile up."""


class Refusals:
    """Those that are answered a little later: whoever comes again at once comes no more often than that."""

    def __init__(self) -> None:
        self._held = 0

    async def hold(self) -> None:
        """Wait, where not too many do."""
        if self._held >= MOST_HELD:
            return
        self._held += 1
        try:
            await asyncio.sleep(HELD_SECONDS)
        finally:
            self._held -= 1


async def admitted(
    documents: Documents,
    schema: GraphQLSchema,
    context: Context | None,
    query: str | None,
    name: str | None,
    variables: dict[str, Any] | None,
) -> Asked | None:
    """What an operation asks for, once its key has paid for it; None where others say what is wrong with it.

    First the tokens, then what takes one walk through the document; the rules of GraphQL come after it.

    :raises GraphQLError: it is no document, or too long a one.
    :raises PublicError: TOO_COMPLEX, TOO_MANY_ROWS, RATE_LIMITED.
    """
    if not query:
        return None
    payer = context if context is not None and context.viewer is not None else None
    options: ParseOptions = {"max_tokens": MOST_TOKENS}
    try:
        if payer is not None and not documents.knows(query):
            await documents.read_anew(schema, query, options, pay_for_document(payer))
        asked = documents.weighed(schema, query, options).of(name, variables)
    except (PublicError, GraphQLError):
        if payer is not None:
            await pay(payer, 1)  # to be refused, again and again, is not for nothing
        raise
    if asked is not None and asked.introspects and context and not context.introspects:
        raise introspection_disabled()
    if payer is not None:
        await pay(payer, 1 if asked is None else asked.cost)
    return asked


async def pay(context: Context, points: int) -> None:
    """Take an operation's points from the viewer's bucket.

    :raises RateLimited: there are too few.
    """
    assert context.viewer is not None
    retry_after = await context.services.budgets.take(context.viewer.key_id, points)
    if retry_after is not None:
        raise RateLimited(retry_after)


def pay_for_document(context: Context) -> str:
    """Take one of the documents that the viewer may have read anew; whose it was.

    :raises RateLimited: there were too many.
    """
    assert context.viewer is not None
    retry_after = context.services.budgets.take_document(context.viewer.key_id)
    if retry_after is not None:
        raise RateLimited(retry_after, documents=True)
    return context.viewer.key_id


async def note_shown(context: Context, messages: Mapping[str, int]) -> None:
    """Write down which campaigns' contacts the viewer is about to be shown in clear.

    :raises Overloaded: that cannot be done, so it must not be shown.
    """
    if messages:
        assert context.viewer is not None
        await context.services.audit.saw(context.viewer, messages)


async def note_watching(context: Context, asked: Asked) -> None:
    """Write down that the viewer begins to watch contacts in clear: each who watches, though they share an execution.

    :raises Overloaded: that cannot be done, so it must not begin.
    """
    viewer = context.viewer
    if asked.shows_contacts and asked.kind is OperationType.SUBSCRIPTION and viewer is not None:
        campaign = ids.read_campaign(asked.subject or "")
        if viewer.may("reports:read") and viewer.may("contacts:read"):
            await context.services.audit.saw(viewer, {campaign or "": 1}, Action.CONTACTS_WATCHED)


async def in_time(run: Awaitable[T], context: Context | None, asked: Asked | None) -> T:
    """The result of an operation.

    :raises PublicError: TIMEOUT; it took too long, and nothing more is read for it.
    """
    if context is None:
        return await run
    seconds = context.services.settings.operation_seconds
    # A mutation's transaction must be able to end, whoever waits for it. The database ends a moment later, so that it
    # is one error that is told, always the same.
    reads_alone = asked is not None and asked.kind is OperationType.QUERY
    try:
        async with asyncio.timeout(seconds):
            with until(seconds + 0.25) if reads_alone else nullcontext():
                return await run
    except TimeoutError:
        raise too_slow(seconds) from None


def cost_of(asked: Asked) -> dict[str, Any]:
    """What is told of the cost, with every answer."""
    return {"cost": {"points": asked.cost}}


def refused(error: PublicError | Overloaded | GraphQLError) -> PreExecutionError:
    """What is told of an operation that is not begun, or not ended."""
    if not isinstance(error, GraphQLError):
        error = GraphQLError(str(error), original_error=error)
    refusal = coded(error)
    if isinstance(error.original_error, RateLimited):
        assert refusal.extensions is not None
        refusal.extensions["retryAfter"] = error.original_error.retry_after
    return PreExecutionError(data=None, errors=[refusal])
