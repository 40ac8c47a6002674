"""Logs of servers: an object a line, or words for people; by structlog.

What is logged while a request is served says which one it was, and whose (`request_id`, `workspace`); what works for
many has no request (`endings.apart`).
"""

import logging
import re
import secrets
import sys
import traceback
from datetime import UTC, datetime

import orjson
import structlog
from structlog.contextvars import (
    bind_contextvars,
    clear_contextvars,
    get_contextvars,
    merge_contextvars,
)
from structlog.typing import EventDict, WrappedLogger

from gql_server.logs import kind, write_by

FIELDS = ("method", "route", "status", "ms")
"""What an object may have besides its event: given as `extra`."""
IN_TEXT = ("ms",)
"""Those of them that the event does not tell already."""

AUTO, JSON, TEXT = FORMATS = "auto", "json", "text"

_REQUEST_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""As proxies make them (nginx, HAProxy and Envoy), and nothing that a caller could write a number into."""


def configure(level: str, form: str = AUTO) -> None:
    """Log so from now on. `form`: one of FORMATS; `auto` is text on a terminal, else JSON."""
    on_terminal = sys.stderr.isatty()
    write_by(_formatter(json=form == JSON or (form == AUTO and not on_terminal)), level)


def _formatter(*, json: bool) -> logging.Formatter:
    if json:
        return _Objects()
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.ExtraAdder(IN_TEXT),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _where_it_failed,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0),
        ],
    )


class _Objects(logging.Formatter):
    """An object a line, as structlog's processors would write it, in half of their time: each request has a line."""

    def format(self, record: logging.LogRecord) -> str:
        given = record.__dict__
        at = datetime.fromtimestamp(record.created, UTC).replace(tzinfo=None)
        event: EventDict = {
            "event": record.getMessage(),
            **get_contextvars(),
            "level": record.levelname.lower(),
            **{name: given[name] for name in FIELDS if name in given},
            "timestamp": f"{at.isoformat(timespec='microseconds')}Z",
            "exc_info": record.exc_info,
        }
        return orjson.dumps(_where_it_failed(None, "", event), default=str).decode()


def _where_it_failed(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Of an exception its kind and the lines of code: its words, and what the variables held, may be a number."""
    given = event.pop("exc_info", None)
    error = given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["error"] = kind(error)
        event["at"] = [
            f"{frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        ]
    return event


def begin_request(given: str | None) -> str:
    """What is logged from now on, in this task and those that it starts, belongs to one request: its id.

    `given`: the one that came with it; it is taken where it looks like one that a proxy has made.
    """
    request = given if given and _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
    clear_contextvars()
    bind_contextvars(request_id=request)
    return request


def in_workspace(workspace: str) -> None:
    """What is logged from now on for this request belongs to this workspace."""
    bind_contextvars(workspace=workspace)
