"""What is logged, and what never is: no phone number, no address of a webhook, no value of a caller."""

import logging
import sys

log = logging.getLogger("gql_server")

NO_ERRORS = (
    # A stream whose reader did not take even its end, when the server stopped.
    "ASGI callable returned without completing response.",
    # Whoever likes could fill the log with this and its traceback; the websocket is closed with 1007.
    "Invalid UTF-8 sequence received from client.",
)
"""What uvicorn calls an error, and is none of ours."""


def plainly(level: str) -> None:
    """A line an event on standard error, for who runs a command."""
    write_by(logging.Formatter("%(asctime)s %(levelname)s %(message)s"), level)


def write_by(formatter: logging.Formatter, level: str) -> None:
    """Log on standard error; only our own words, and warnings of the libraries."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    log.setLevel(level.upper())
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.setLevel(logging.WARNING)
    uvicorn.filters = [no_error_of_ours]
    # It prints every address, and a webhook's address holds its token.
    logging.getLogger("uvicorn.access").disabled = True
    # They print the errors of callers, with their values in them; our own extension logs errors, and our own view
    # says how an origin is allowed.
    for name in ("strawberry.execution", "strawberry.ws", "strawberry.ws.task"):
        logging.getLogger(name).disabled = True


def no_error_of_ours(record: logging.LogRecord) -> bool:
    """Whether what uvicorn calls an error is worth a line."""
    return record.msg not in NO_ERRORS


def kind(error: BaseException) -> str:
    """An error as a log may name it: its kind alone, since a driver's words may hold a number."""
    return f"{type(error).__module__}.{type(error).__qualname__}"
