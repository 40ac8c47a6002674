"""Receipts from providers, over HTTP: who is it, parse, hand over, answer.

What is answered, and why (no 4xx where a retry could help, since several providers never retry those):

* 2xx   it is durable, or was already, or is kept until its message is known
* 403   the source has a secret, and the signature is wrong or missing; nothing is kept
* 404   no such provider or token
* 405   the provider does not use this method
* 400   a body that can never be read, or is larger than 1 MiB
* 503   our own trouble, within 4 s, with Retry-After: the provider comes again
"""

import asyncio
import time
from collections import OrderedDict
from dataclasses import replace
from zoneinfo import ZoneInfo

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from gql_server.auth import token_hash
from gql_server.database import Database
from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.source import Source
from gql_server.errors import Overloaded, Unreadable
from gql_server.ingestion import Ingestion
from gql_server.logs import kind, log
from gql_server.metrics import WEBHOOKS
from gql_server.providers import PROVIDERS, Provider, WebhookRequest
from gql_server.store import sources

LARGEST_BODY = 1024 * 1024
DEADLINE = 3.2
"""Seconds until we answer 503: providers wait 4 s and more, and smsmode likes far less."""
RETRY_AFTER = 5
REMEMBERED = 5.0
"""Seconds that a source is taken as known."""
MOST_REMEMBERED = 10_000


class Webhooks:
    """The endpoint behind `/webhooks/{provider}/{token}`."""

    def __init__(self, db: Database, ingestion: Ingestion, *, public_url: str | None) -> None:
        self._db = db
        self._ingestion = ingestion
        self._public_url = public_url
        self._remembered: OrderedDict[tuple[str, bytes], tuple[float, Source]] = OrderedDict()

    async def receive(self, request: Request) -> Response:
        """Answer one request of a provider."""
        provider = PROVIDERS.get(request.path_params["provider"])
        response = await self._receive(request, provider)
        name = provider.name if provider is not None else "unknown"
        WEBHOOKS.labels(provider=name, answer=str(response.status_code)).inc()
        return response

    async def _receive(self, request: Request, provider: Provider | None) -> Response:
        if provider is None:
            return _refusal(404, "NOT_FOUND", "There is no such webhook.")
        try:
            async with asyncio.timeout(DEADLINE):
                return await self._take(request, provider)
        except ClientDisconnect:
            # Nobody is there to be answered, and the provider comes again.
            return Response(status_code=400)
        except (TimeoutError, Overloaded) as error:
            log.warning("webhook %s: 503, %s", provider.name, kind(error))
        except Exception as error:  # noqa: BLE001 - see the next line
            # A bug of ours must not lose a receipt: the provider keeps it and comes again.
            log.error("webhook %s: 503, %s", provider.name, kind(error))
        return _refusal(503, "UNAVAILABLE", "Try again later.", {"Retry-After": str(RETRY_AFTER)})

    async def _take(self, request: Request, provider: Provider) -> Response:
        source = await self._source(provider, request.path_params["token"])
        if source is None:
            return _refusal(404, "NOT_FOUND", "There is no such webhook.")
        if request.method not in provider.methods:
            allow = {"Allow": ", ".join(sorted(provider.methods))}
            return _refusal(405, "METHOD_NOT_ALLOWED", "Use another method.", allow)
        body = await _body(request)
        if body is None:
            return _refusal(400, "TOO_LARGE", f"A body has at most {LARGEST_BODY} bytes.")
        sent = WebhookRequest(
            method=request.method, url=self._url(request), headers=request.headers, body=body
        )
        if source.secrets and not provider.verify(sent, source.secrets):
            return _refusal(403, "BAD_SIGNATURE", "The signature is missing or wrong.")
        try:
            parsed = provider.parse_receipts(sent, ZoneInfo(source.time_zone))
            receipts = [_keyed(receipt, provider) for receipt in parsed]
        except Unreadable as error:
            log.warning("webhook %s: 400, %s", provider.name, error)
            return _refusal(400, "UNREADABLE", str(error))
        await self._ingestion.record(source.workspace, receipts)
        answer = provider.answer(len(receipts))
        return Response(answer.body, media_type=answer.media_type)

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
        base = self._public_url or f"{request.url.scheme}://{request.url.netloc}"
        path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
        query: bytes = request.scope["query_string"]
        # As bytes it may be anything; the providers turn it back.
        written = path.partition(b"?")[0] + (b"?" + query if query else b"")
        return base.rstrip("/") + written.decode("utf-8", "surrogateescape")


def _keyed(receipt: DeliveryReceipt, provider: Provider) -> DeliveryReceipt:
    """A receipt that names another provider is found by that provider's key."""
    if receipt.provider is None or receipt.provider == provider.name or receipt.key is None:
        return receipt
    other = PROVIDERS.get(receipt.provider)
    if other is None:
        raise Unreadable(f"provider: not one of {', '.join(sorted(PROVIDERS))}")
    return replace(receipt, key=other.correlation_key(receipt.key, None))


async def _body(request: Request) -> bytes | None:
    """The raw body; None where it is too large."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_BODY:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _refusal(
    status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)
