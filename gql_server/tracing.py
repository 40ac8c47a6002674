"""Whether traces are made: off unless the environment asks for them, by OpenTelemetry's own variables (`OTEL_*`).

Off, nothing of OpenTelemetry is imported, and who could tell something asks once whether anybody listens. What is told
of a request, an operation and a batch stands in `spans.py`.

What is wrong with these variables stops no server: they are often set for all that runs on a machine, and a server
without traces serves. It says so in its log.
"""

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

from gql_server.logs import kind, log

if TYPE_CHECKING:
    from gql_server.spans import Spans

FLUSH = 5.0
"""Seconds that the last spans have to be sent, when the server ends."""

OTLP, CONSOLE = "otlp", "console"

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"


class Tracing:
    """Who makes the spans of this process; None: nobody does."""

    spans: "Spans | None" = None


tracing = Tracing()
"""One for the process, like its log."""


class Carried(Protocol):
    """What travels through a batch, and knows the span of the request that brought it (`here`)."""

    request: object


T = TypeVar("T", bound=Carried)
R = TypeVar("R")
Flush = Callable[[int, list[T]], Awaitable[Sequence[R | Exception]]]


def here() -> object:
    """The span of the request that is served here, for links to it; None where there is none."""
    spans = tracing.spans
    return None if spans is None else spans.here()


def traced_batches(flush: Flush[T, R]) -> Flush[T, R]:
    """The same, with a span for each batch, linked to the requests that brought what is in it."""

    def traced(lane: int, batch: list[T]) -> Awaitable[Sequence[R | Exception]]:
        spans = tracing.spans
        return flush(lane, batch) if spans is None else _traced(spans, flush, lane, batch)

    return traced


async def _traced(
    spans: "Spans", flush: Flush[T, R], lane: int, batch: list[T]
) -> Sequence[R | Exception]:
    with spans.batch([one.request for one in batch]) as span:
        outcomes = await flush(lane, batch)
        span.ended(outcomes)
        return outcomes


def wanted(environment: Mapping[str, str]) -> list[str]:
    """The exporters that this environment asks for, of those that there are here."""
    given = environment.get("OTEL_TRACES_EXPORTER", "").split(",")
    named = [name for name in map(str.strip, given) if name]
    endpoint = any(environment.get(name) for name in _ENDPOINTS)
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or "none" in named:
        return []
    if not named:
        named = [OTLP] if endpoint else []
    if any(name not in (OTLP, CONSOLE) for name in named):
        log.warning("traces: OTEL_TRACES_EXPORTER may name otlp, console and none")
    if OTLP in named and not endpoint:
        log.warning("traces: otlp needs OTEL_EXPORTER_OTLP_ENDPOINT")
    protocol = next((environment[name] for name in _PROTOCOLS if environment.get(name)), _PROTOCOL)
    if OTLP in named and protocol != _PROTOCOL:
        log.warning("traces: OTEL_EXPORTER_OTLP_PROTOCOL may only be %s here", _PROTOCOL)
    sends = endpoint and protocol == _PROTOCOL
    return [name for name in (OTLP, CONSOLE) if name in named and (name != OTLP or sends)]


@asynccontextmanager
async def sending() -> AsyncIterator[None]:
    """Make traces where the environment asks for them. At the end those that wait are sent, or given up soon.

    In the process that serves, and not before: exporters have a thread, which no fork takes along.
    """
    spans = _spans() if tracing.spans is None else None
    if spans is None:
        yield
        return
    tracing.spans = spans
    try:
        yield
    finally:
        tracing.spans = None
        await _closed(spans)


def _spans() -> "Spans | None":
    exporters = wanted(os.environ)
    if not exporters:
        return None
    try:
        from gql_server.spans import Spans
    except ImportError:
        log.warning("traces are asked for, which needs: pip install 'gql-server[otel]'")
        return None
    try:
        return Spans(exporters)
    except Exception as error:  # noqa: BLE001 - one of some forty variables; its value may be a secret
        log.warning("traces: one of the OTEL_ variables is not possible: %s", kind(error))
        return None


async def _closed(spans: "Spans") -> None:
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def close() -> None:
        spans.close()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(done.set)

    # A thread that no process waits for at its end: a collector may take nothing, and say nothing.
    threading.Thread(target=close, name="traces: close", daemon=True).start()
    try:
        async with asyncio.timeout(FLUSH):
            await done.wait()
    except TimeoutError:
        log.warning("traces: the last ones could not be sent in time")
