"""A collector of traces: takes OTLP over HTTP, as OpenTelemetry's own does, and keeps what came, byte by byte."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1 import trace_pb2

SERVER = trace_pb2.Span.SPAN_KIND_SERVER
INTERNAL = trace_pb2.Span.SPAN_KIND_INTERNAL


@dataclass(frozen=True)
class Span:
    """One that came."""

    name: str
    kind: int
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    links: list[tuple[str, str]]
    dropped: int
    is_error: bool
    status_text: str
    state: str
    seconds: float
    resource: dict[str, Any]
    scope: str

    @property
    def place(self) -> tuple[str, str]:
        """What a link names it by."""
        return self.trace, self.id


class Collector:
    """What came."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.bodies: list[bytes] = []
        self.paths: set[str] = set()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def spans(self) -> list[Span]:
        """All of them, in no order."""
        return [span for body in list(self.bodies) for span in _spans_in(body)]

    def named(self, name: str) -> list[Span]:
        """Those of this name, the first one first."""
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> Span:
        """The only one of this name."""
        found = self.named(name)
        assert len(found) == 1, [span.name for span in self.spans]
        return found[0]


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            assert self.headers["content-type"] == "application/x-protobuf"
            collector.paths.add(self.path)
            collector.bodies.append(body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(server.server_port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _spans_in(body: bytes) -> Iterator[Span]:
    told = ExportTraceServiceRequest.FromString(body)
    for of_resource in told.resource_spans:
        resource = _plain(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield Span(
                    name=span.name,
                    kind=span.kind,
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    attributes=_plain(span.attributes),
                    events=[(event.name, _plain(event.attributes)) for event in span.events],
                    links=[(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
                    dropped=span.dropped_links_count,
                    is_error=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
                    status_text=span.status.message,
                    state=span.trace_state,
                    seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                    resource=resource,
                    scope=of_scope.scope.name,
                )


def _plain(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}
