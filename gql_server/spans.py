"""Spans of requests, operations and batches, by OpenTelemetry; only where traces are asked for (`tracing.py`).

No number, id, key, variable or text of a caller comes into them: addresses as templates, words of ours, codes and
counts; of an exception its kind. Of what a caller sends along (W3C Trace Context) `traceparent` counts, which is of
hexadecimal ids, and not `tracestate`, which is text of whoever likes.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import cast

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gql_server import __version__
from gql_server.errors import PublicError
from gql_server.logs import kind, log

SERVICE = "gql-server"
MOST_LINKS = 1_000
"""Of a batch: one for each request that is in it. OpenTelemetry's own bound would drop most of a full batch's."""

_EXPORTERS: Mapping[str, type[SpanExporter]] = {
    "otlp": OTLPSpanExporter,
    "console": ConsoleSpanExporter,
}
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PARENT = b"traceparent"
_ROOT = Context()

Headers = Iterable[tuple[bytes, bytes]]

_propagator = TraceContextTextMapPropagator()
_here: ContextVar[SpanContext | None] = ContextVar("span", default=None)
_caller: ContextVar[Context] = ContextVar("caller", default=_ROOT)


class Span:
    """What is told of one thing, until it ends."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._refused = self._ended = False

    @property
    def context(self) -> SpanContext | None:
        """For links to it; None where nobody will ever see it."""
        context = self._span.get_span_context()
        return context if context.trace_flags.sampled else None

    def named(self, name: str) -> None:
        """Its name, which is known only now."""
        self._span.update_name(name)

    def tell(self, attributes: Mapping[str, str | int]) -> None:
        """More about it."""
        self._span.set_attributes(attributes)

    def refused(self, code: str, *, ours: bool) -> None:
        """It did not succeed, for this reason; `ours`: it should have."""
        self._refused = True
        self._span.set_attribute("error.type", code)
        if ours:
            self._span.set_status(StatusCode.ERROR)

    def failed(self, error: BaseException) -> None:
        """This was raised: its kind is told, and no word of it. Nothing, where it is told already why it failed."""
        if self._refused:
            return
        if isinstance(error, PublicError):
            self.refused(error.code, ours=False)
            return
        self._span.add_event("exception", {"exception.type": kind(error)})
        self.refused(kind(error), ours=True)

    def answered(self, status: int) -> None:
        """The status of HTTP that a request was answered."""
        self.tell({"http.response.status_code": status})
        if status >= 400:
            self.refused(str(status), ours=status >= 500)

    def ended(self, outcomes: Sequence[object]) -> None:
        """What became of each receipt of a batch."""
        words = Counter(o.value.lower() for o in outcomes if isinstance(o, StrEnum))
        self.tell({f"gql.batch.{word}": count for word, count in words.items()})
        errors = [o for o in outcomes if isinstance(o, Exception)]
        if errors:
            self.tell({"gql.batch.failed": len(errors)})
            self.failed(errors[0])

    def end(self) -> None:
        """It is over; a second time changes nothing."""
        if not self._ended:
            self._ended = True
            self._span.end()


class Spans:
    """Makes spans, and sends them by exporters of these names."""

    def __init__(self, exporters: Iterable[str]) -> None:
        # Its words may hold the collector's address, with a key in it, or what the collector said.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        bounded = "OTEL_SPAN_LINK_COUNT_LIMIT" in os.environ
        self._provider = TracerProvider(
            resource=_resource(),
            span_limits=SpanLimits(max_links=None if bounded else MOST_LINKS),
            shutdown_on_exit=False,  # it would wait for a collector for half a minute
        )
        for name in exporters:
            self._provider.add_span_processor(BatchSpanProcessor(_Telling(_EXPORTERS[name]())))
        self._tracer = self._provider.get_tracer("gql_server", __version__)

    def close(self) -> None:
        """Send what waits. Waits for the collector itself, so it is to be called in a thread."""
        self._provider.shutdown()

    def here(self) -> SpanContext | None:
        """The span of the request that is served here, for links to it."""
        return _here.get()

    @contextmanager
    def webhook(self, method: str, headers: Headers, route: str, provider: str) -> Iterator[Span]:
        """A request to a webhook: `route` is the address without what is secret in it."""
        method = method if method in _METHODS else "_OTHER"
        told = {"http.request.method": method, "http.route": route, "gql.provider": provider}
        with self._serving(f"{method} {route}", parent_in(headers), told) as span:
            yield span

    @contextmanager
    def operation(self, headers: Headers) -> Iterator[Span]:
        """An operation of GraphQL; its name is told at its end, when its document was read."""
        with self._serving("operation", parent_in(headers), None) as span:
            yield span

    def come_by(self, headers: Headers) -> None:
        """Whoever begins operations in this task came with these headers."""
        _caller.set(parent_in(headers))

    def begun(self) -> Span:
        """An operation that goes on in this task, whoever ends it."""
        span = Span(
            self._tracer.start_span("operation", context=_caller.get(), kind=SpanKind.SERVER)
        )
        # Never taken back: the task is the operation's own.
        _here.set(span.context)
        return span

    @contextmanager
    def batch(self, requests: Sequence[object]) -> Iterator[Span]:
        """A batch: `requests` are the spans that its receipts came by, each as often as it comes."""
        contexts = [cast("SpanContext", one) for one in requests if one is not None]
        linked = {context.span_id: context for context in contexts}
        span = Span(
            self._tracer.start_span(
                "batch",
                # Of many requests, so of none of them.
                context=_ROOT,
                links=[Link(context) for context in linked.values()],
                attributes={"gql.batch.receipts": len(requests)},
            )
        )
        with _until_its_end(span):
            yield span

    @contextmanager
    def _serving(
        self, name: str, parent: Context, told: Mapping[str, str] | None
    ) -> Iterator[Span]:
        span = Span(
            self._tracer.start_span(name, context=parent, kind=SpanKind.SERVER, attributes=told)
        )
        token = _here.set(span.context)
        try:
            with _until_its_end(span):
                yield span
        finally:
            _here.reset(token)


@contextmanager
def _until_its_end(span: Span) -> Iterator[None]:
    # Not OpenTelemetry's own: that records an exception with its words and the values in its frames.
    try:
        yield
    except Exception as error:
        span.failed(error)
        raise
    finally:
        span.end()


def parent_in(headers: Headers) -> Context:
    """The caller's span, where it names one."""
    found = next((value for name, value in headers if name == _PARENT), None)
    if found is None:
        return _ROOT
    return _propagator.extract({"traceparent": found.decode("latin-1")}, context=_ROOT)


def _resource() -> Resource:
    """What the environment says of this process, and ours where it says nothing."""
    given = Resource.create()
    ours = {"service.name": SERVICE, "service.version": __version__}
    known = dict(given.attributes)
    if str(known.get("service.name", "")).startswith("unknown_service"):
        del known["service.name"]
    return given.merge(Resource({name: ours[name] for name in ours if name not in known}))


class _Telling(SpanExporter):
    """Says that spans are lost, once until some are taken again."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._losing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send them."""
        result = self._exporter.export(spans)
        lost = result is not SpanExportResult.SUCCESS
        if lost and not self._losing:
            log.warning("traces: the collector does not take them, and they are lost")
        self._losing = lost
        return result

    def shutdown(self) -> None:
        """No more."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits here."""
        return self._exporter.force_flush(timeout_millis)
