"""What is logged, and what never is: no phone number, no address of a webhook, no value of a caller."""

import logging
import sys

log = logging.getLogger("gql_server")


def configure(level: str) -> None:
    """One line an event on standard error; only our own words, and warnings of the libraries."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    log.setLevel(level.upper())
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    # It prints every address, and a webhook's address holds its token.
    logging.getLogger("uvicorn.access").disabled = True
    # They print the errors of callers, with their values in them; our own extension logs errors, and our own view
    # says how an origin is allowed.
    for name in ("strawberry.execution", "strawberry.ws", "strawberry.ws.task"):
        logging.getLogger(name).disabled = True


def kind(error: BaseException) -> str:
    """An error as a log may name it: its kind alone, since a driver's words may hold a number."""
    return f"{type(error).__module__}.{type(error).__qualname__}"
