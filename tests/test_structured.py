"""Logs of a server: an object a line, which says of which request it is and whose, and never what was in it."""

import asyncio
import io
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator

import httpx
import pytest
from structlog.contextvars import clear_contextvars, merge_contextvars

from gql_server import structured
from gql_server.endings import apart
from gql_server.logs import log
from tests.conftest import Api

NUMBER = "+33612345678"
OURS = "0123456789abcdef0123456789abcdef"


Written = Callable[[], str]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    """What is written to standard error; the test's own logging comes back afterwards."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    root = logging.getLogger()
    before, level, ours = root.handlers, root.level, log.level
    structured.configure("info", structured.JSON)
    yield stream.getvalue
    root.handlers = before
    root.setLevel(level)
    log.setLevel(ours)
    clear_contextvars()


def test_a_line_says_when_how_bad_what_and_of_which_request(written: Written) -> None:
    request = structured.begin_request(None)
    structured.in_workspace("acme")

    log.warning("a %s", "word")

    line = json.loads(written())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line.pop("timestamp"))
    assert line == {
        "event": "a word",
        "level": "warning",
        "request_id": request,
        "workspace": "acme",
    }


def test_of_an_exception_there_are_its_kind_and_lines_of_code_not_its_words(
    written: Written,
) -> None:
    def fails(number: str) -> None:
        raise ValueError(number)

    try:
        fails(NUMBER)
    except ValueError:
        logging.getLogger("some.library").exception("it broke")

    line = json.loads(written())
    assert (line["event"], line["error"]) == ("it broke", "builtins.ValueError")
    assert [place.rsplit(" ", 1)[1] for place in line["at"]][-1] == "fails"
    assert NUMBER not in json.dumps(line)


async def test_what_works_for_many_is_of_no_request(written: Written) -> None:
    async def works() -> None:
        log.info("for all")

    structured.begin_request(None)
    await apart(works(), "works")
    await asyncio.create_task(works())

    first, second = map(json.loads, written().splitlines())
    assert "request_id" not in first
    assert "request_id" in second


@pytest.mark.parametrize(
    "given", [OURS, "01234567-89ab-cdef-0123-456789abcdef", "33612345678", "x" * 32, "", OURS + "0"]
)
async def test_an_answer_has_the_id_of_its_request_which_a_proxy_may_have_given(
    api: Api, given: str
) -> None:
    answer = await api.http.get(f"{api.base}/health/live", headers={"X-Request-ID": given})

    told = answer.headers["X-Request-ID"]
    assert (told == given) == (given in (OURS, "01234567-89ab-cdef-0123-456789abcdef"))
    assert re.fullmatch("[0-9a-f-]{32,36}", told)


async def test_what_is_asked_is_logged_with_its_workspace(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[dict[str, object]] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "/" in record.getMessage():
                seen.append({**merge_contextvars(None, "", {}), "event": record.getMessage()})

    handler = Handler()
    log.addHandler(handler)
    try:
        with caplog.at_level(logging.INFO, "gql_server"):
            await api.ask("{ __typename }")
            async with httpx.AsyncClient() as http:
                await http.get(await api.new_source("smsmode"))
                await http.get(f"{api.base}/health/live")
    finally:
        log.removeHandler(handler)

    assert [(one["event"], one.get("workspace")) for one in seen] == [
        ("POST /graphql 200", "acme"),
        ("GET /webhooks/{provider}/{token} 400", "acme"),
        ("GET /health/live 200", None),
    ]
    assert len({one["request_id"] for one in seen}) == 3


def test_text_is_for_people(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    structured.configure("info", structured.TEXT)

    log.info("GET / 200", extra={"method": "GET", "route": "/", "status": 200, "ms": 1.5})

    assert re.fullmatch(r"\S+Z \[info\s*\] GET / 200\s+ms=1\.5\n", stream.getvalue())
    assert written() == ""
