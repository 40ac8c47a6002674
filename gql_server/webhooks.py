"""Receipts and replies from providers, over HTTP: who is it, parse, hand over, answer.

What is answered, and why (no 4xx where a retry could help, since several providers never retry those):

* 2xx   it is durable, or was already, or is kept until its message is known
* 403   the source has a secret, and the signature is wrong or missing; nothing is kept
* 404   no such provider or token
* 405   the provider does not use this method
* 400   a body that can never be read, is larger than 1 MiB, or has more receipts than may wait at once, or more replies
        than can be heard in time
* 503   our own trouble, or what must be fetched could not be, within 4 s, with Retry-After: the provider
        comes again

There are two addresses, that of a source and the same with `/inbound` behind it, for what people reply. They differ in
how the provider is answered, and in what a body is said to be where it can be nothing; what belongs to the one is taken
at the other as well.

Many receipts, one a line, are `bulk.py`'s: there a 200 says nothing, and each line has its own answer.
"""

import random
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from prometheus_client import Counter, Histogram
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from gql_server.auth import token_hash
from gql_server.bulk import LARGEST_SIGNED, Bulk, Results, SpooledResults, is_bulk, spooled
from gql_server.database import Database
from gql_server.deadlines import Deadlines
from gql_server.domain.source import Source
from gql_server.errors import Overloaded, Unreadable
from gql_server.fetching import Fetcher
from gql_server.ingestion import WAITING_ROOM, Ingestion
from gql_server.logs import kind, log
from gql_server.metrics import WEBHOOK_SECONDS, WEBHOOKS
from gql_server.optouts import OptOuts
from gql_server.providers import (
    INBOUND,
    PROVIDERS,
    Fetching,
    Provider,
    WebhookRequest,
    generic,
    told_in,
)
from gql_server.store import sources
from gql_server.structured import in_workspace

LARGEST_BODY = 1024 * 1024
MOST_REPLIES = 1_000
"""Of one body: each is a transaction of its own, and more would never be done in time."""
DEADLINE = 3.0
"""Seconds until we answer 503: providers wait 4 s and more, and smsmode likes far less."""
RETRY_AFTER = (5, 15)
"""Seconds, at random between these: what was refused shall not all come back at once."""
REMEMBERED = 5.0
"""Seconds that a source is taken as known."""
MOST_REMEMBERED = 10_000

FETCHING: Final[Mapping[str, Fetching]] = {
    name: provider for name, provider in PROVIDERS.items() if isinstance(provider, Fetching)
}
"""Those whose requests name addresses that must be visited."""


class Webhooks:
    """The endpoint behind `/webhooks/{provider}/{token}`, and behind that with `/inbound`."""

    def __init__(
        self,
        db: Database,
        ingestion: Ingestion,
        optouts: OptOuts,
        fetcher: Fetcher,
        *,
        public_url: str | None,
    ) -> None:
        self._db = db
        self._ingestion = ingestion
        self._optouts = optouts
        self._fetcher = fetcher
        self._bulk = Bulk(ingestion, deadline=DEADLINE)
        self._public_url = public_url
        self._deadlines = Deadlines()
        self._remembered: OrderedDict[tuple[str, bytes], tuple[float, Source]] = OrderedDict()

    async def receive(self, request: Request, *, inbound: bool = False) -> Response:
        """Answer one request of a provider; `inbound`: at the address for replies."""
        provider = PROVIDERS.get(request.path_params["provider"])
        began = time.perf_counter()
        response = await self._receive(request, provider, inbound)
        name = provider.name if provider is not None else "unknown"
        _counter(name, response.status_code).inc()
        _seconds(name).observe(time.perf_counter() - began)
        return response

    async def _receive(
        self, request: Request, provider: Provider | None, inbound: bool
    ) -> Response:
        if provider is None or (inbound and provider.name not in INBOUND):
            return _refusal(404, "NOT_FOUND", "There is no such webhook.")
        try:
            if provider.name == generic.name and not inbound and is_bulk(request):
                return await self._take_lines(request, provider)
            with self._deadlines.within(DEADLINE):
                return await self._take(request, provider, inbound)
        except ClientDisconnect:
            # Nobody is there to be answered, and the provider comes again.
            return Response(status_code=400)
        except (TimeoutError, Overloaded) as error:
            log.warning("webhook %s: 503, %s", provider.name, kind(error))
        except Exception as error:  # noqa: BLE001 - see the next line
            # A bug of ours must not lose a receipt: the provider keeps it and comes again.
            log.error("webhook %s: 503, %s", provider.name, kind(error))
        again = str(random.randint(*RETRY_AFTER))
        return _refusal(503, "UNAVAILABLE", "Try again later.", {"Retry-After": again})

    async def _take(self, request: Request, provider: Provider, inbound: bool) -> Response:
        methods = INBOUND[provider.name].inbound_methods if inbound else provider.methods
        source = await self._known(request, provider, methods)
        if isinstance(source, Response):
            return source
        if not inbound:
            self._ingestion.admit()
        body = await _body(request)
        if body is None:
            return _too_large(LARGEST_BODY)
        sent = WebhookRequest(
            method=request.method,
            url=self._url(request),
            headers=request.headers,
            body=body,
            arrived_at=datetime.now(UTC),
        )
        if source.secrets:
            sent = await self._with_certificate(sent, provider)
            if not provider.verify(sent, source.secrets):
                return _bad_signature()
        try:
            told = told_in(sent, provider, ZoneInfo(source.time_zone), inbound=inbound)
        except Unreadable as error:
            log.warning("webhook %s: 400, %s", provider.name, error)
            return _refusal(400, "UNREADABLE", str(error))
        if len(told.receipts) > WAITING_ROOM:
            # There will never be room for it: 503 would be for ever.
            return _refusal(400, "TOO_MANY", f"A body has at most {WAITING_ROOM} receipts.")
        if len(told.replies) > MOST_REPLIES:
            return _refusal(400, "TOO_MANY", f"A body has at most {MOST_REPLIES} replies.")
        if provider.name in FETCHING:
            await self._confirm(sent, provider)
        if told.receipts or not told.replies:
            await self._ingestion.record(source.workspace, told.receipts, source=source.id)
        answer = provider.answer(len(told.receipts))
        if told.replies:
            await self._optouts.hear(source, told.replies)
        if told.replies or inbound:
            count = len(told.replies) + len(told.receipts)
            answer = INBOUND[provider.name].inbound_answer(count)
        return Response(answer.body, media_type=answer.media_type)

    async def _take_lines(self, request: Request, provider: Provider) -> Response:
        with self._deadlines.within(DEADLINE):
            source = await self._known(request, provider, provider.methods)
        if isinstance(source, Response):
            return source
        if not source.secrets:
            return Results(request, self._bulk, source)
        signing = generic.Signing(source.secrets)
        body = await spooled(request, signing)
        if body is None:
            return _too_large(LARGEST_SIGNED)
        if not signing.matches(request.headers.get("x-signature", "")):
            body.close()
            return _bad_signature()
        return SpooledResults(request, self._bulk, source, body)

    async def _known(
        self, request: Request, provider: Provider, methods: frozenset[str]
    ) -> Source | Response:
        """The source that is posted to, or a refusal."""
        source = await self._source(provider, request.path_params["token"])
        if source is None:
            return _refusal(404, "NOT_FOUND", "There is no such webhook.")
        in_workspace(source.workspace)
        if request.method not in methods:
            allow = {"Allow": ", ".join(sorted(methods))}
            return _refusal(405, "METHOD_NOT_ALLOWED", "Use another method.", allow)
        return source

    async def _with_certificate(self, sent: WebhookRequest, provider: Provider) -> WebhookRequest:
        fetching = FETCHING.get(provider.name)
        address = None if fetching is None else fetching.to_fetch(sent)
        if fetching is None or address is None:
            return sent
        certificate = await self._fetcher.certificate(address, fetching.own_hosts)
        return replace(sent, fetched={address: certificate})

    async def _confirm(self, sent: WebhookRequest, provider: Provider) -> None:
        fetching = FETCHING.get(provider.name)
        address = None if fetching is None else fetching.to_confirm(sent)
        if fetching is not None and address is not None:
            await self._fetcher.visit(address, fetching.own_hosts)
            log.info("webhook %s: a subscription is confirmed", provider.name)

    async def _source(self, provider: Provider, token: str) -> Source | None:
        digest = (provider.name, token_hash(token))
        known = self._remembered.get(digest)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        source = await sources.by_token(self._db.latest, *digest)
        if source is not None:
            self._remembered[digest] = (time.monotonic() + REMEMBERED, source)
            while len(self._remembered) > MOST_REMEMBERED:
                self._remembered.popitem(last=False)
        return source

    def _url(self, request: Request) -> str:
        """The address as the provider wrote it, for it may have signed that."""
        base = self._public_url
        if base is None:
            # Not `request.url`, which takes longer than all the rest of this.
            host = request.headers.get("host")
            base = f"{request.scope['scheme']}://{host}" if host else str(request.base_url)
        path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
        query: bytes = request.scope["query_string"]
        # As bytes it may be anything; the providers turn it back.
        written = path.partition(b"?")[0] + (b"?" + query if query else b"")
        return base.rstrip("/") + written.decode("utf-8", "surrogateescape")


@cache
def _counter(provider: str, status: int) -> Counter:
    return WEBHOOKS.labels(provider=provider, answer=str(status))


@cache
def _seconds(provider: str) -> Histogram:
    return WEBHOOK_SECONDS.labels(provider=provider)


async def _body(request: Request) -> bytes | None:
    """The raw body; None where it is too large."""
    # Not `request.stream()`: nearly every body is one message, and the generator costs more than that.
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > LARGEST_BODY:
            return None
        chunks.append(chunk)
        more = message.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _refusal(
    status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)


def _too_large(most: int) -> Response:
    return _refusal(400, "TOO_LARGE", f"A body has at most {most} bytes.")


def _bad_signature() -> Response:
    return _refusal(403, "BAD_SIGNATURE", "The signature is missing or wrong.")
