"""`gql-server demo` as a person runs it: a process in a terminal, a real mongod, real HTTP, a real Ctrl-C."""

import contextlib
import json
import os
import pty
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from gql_server import pages
from gql_server.auth import SCOPES
from gql_server.demo import _SENDINGS
from gql_server.demo_people import MOST, people
from gql_server.numbers import read_number
from tests import driver

T = TypeVar("T")

CAMPAIGN = """query ($id: ID!) { campaign(id: $id) {
  name state sentAt statistics { revision total statuses { status count } indicators { indicator count rate } }
} }"""

PAST = """{ campaigns(filter: {state: COMPLETED}, first: 100) { nodes { id name type
    statistics { total statuses { status count } } } }
  kept: contacts { totalCount } removed: contacts(removed: true) { totalCount } }"""

WATCH = "subscription ($id: ID!) { campaignUpdated(id: $id) { state statistics { revision } } }"


class Demo:
    """A demo in a terminal of its own: the process, and what stands on its screen."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self._screen, terminal = pty.openpty()
        self._said = b""
        # The shell leads a new session, so that the terminal which it opens controls it: Ctrl-C works.
        self.process = subprocess.Popen(
            [
                *("sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(terminal)),
                *(sys.executable, "-m", "gql_server", "demo", "--port", "0"),
                *("--data-dir", str(folder), *options),
            ],
            env=driver.environment() | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"},
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        until(lambda: self._said or self.process.poll() is not None, 20)
        os.close(terminal)

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # how a terminal says that nobody holds its other end
            while some := os.read(self._screen, 65536):
                self._said += some

    @property
    def screen(self) -> str:
        """All that was written so far, colours and movements left out."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._said.decode())

    def type(self, key: bytes) -> None:
        """A key of the keyboard; the terminal makes the signal out of Ctrl-C, for the whole group."""
        os.write(self._screen, key)

    def access(self) -> dict[str, str]:
        """What `demo.json` says, as soon as it is there."""
        path = self.folder / "demo.json"
        until(path.exists, 30, lambda: self.screen)
        found: dict[str, str] = json.loads(path.read_text())
        return found

    def ended(self, seconds: float) -> int:
        """The exit code, which has to come within these seconds."""
        code = self.process.wait(timeout=seconds)
        self._reader.join(5)
        return code

    def close(self) -> None:
        """Leave nothing behind; a second time does nothing."""
        self.process.kill()
        self.process.wait()
        if self._screen >= 0:
            self._reader.join(5)
            os.close(self._screen)
            self._screen = -1


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    """Starts demos on one folder, and ends what a test leaves of them."""
    with contextlib.ExitStack() as running:

        def start(*options: str) -> Demo:
            started = Demo(tmp_path / "data", *options)
            running.callback(started.close)
            return started

        yield start


def until(found: Callable[[], T], seconds: float, context: Callable[[], object] = str) -> T:
    """What `found` gives, once that is something."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, context()
        time.sleep(0.02)
    return value


def ask(access: dict[str, str], query: str, **variables: Any) -> dict[str, Any]:
    """The data of a GraphQL answer."""
    answer = post(access, query, **variables).json()
    assert "errors" not in answer, answer
    data: dict[str, Any] = answer["data"]
    return data


def post(access: dict[str, str], query: str, **variables: Any) -> httpx.Response:
    """A GraphQL answer."""
    return httpx.post(
        f"{access['url']}/graphql",
        json={"query": query, "variables": variables},
        headers={"authorization": f"Bearer {access['apiKey']}"},
        trust_env=False,
    )


def watched(access: dict[str, str]) -> dict[str, Any]:
    """The demo's campaign now; its counters always add up."""
    campaign: dict[str, Any] = ask(access, CAMPAIGN, id=access["campaignId"])["campaign"]
    statistics = campaign["statistics"]
    assert sum(row["count"] for row in statistics["statuses"]) == statistics["total"] == 300
    assert sum(row["count"] for row in statistics["indicators"]) == 300
    return campaign


def past(access: dict[str, str]) -> dict[str, dict[str, Any]]:
    """What was finished before the demo's first campaign, by name, while its address book is all there."""
    found = ask(access, PAST)
    assert found["kept"]["totalCount"] + found["removed"]["totalCount"] == 400
    # those of whom the last of them, and a running one, found out that they are no good
    assert 0 < found["removed"]["totalCount"] < 100
    sent = {name for name, _ in _SENDINGS}
    nodes = [node for node in found["campaigns"]["nodes"] if node["name"] not in sent]
    by_name: dict[str, dict[str, Any]] = {node["name"]: node for node in nodes}
    assert len(by_name) == len(nodes)
    return by_name


def mongods(folder: Path) -> list[str]:
    """Processes of mongod on this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has just ended
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if "mongod" in command and str(folder) in command:
                found.append(command)
    return found


def test_a_campaign_runs_to_its_end_another_begins_and_ctrl_c_ends_it_all(
    demo: Callable[..., Demo],
) -> None:
    running = demo("--minutes", "0.2", "--recipients", "300")
    access = running.access()
    ready = time.monotonic()

    assert access.keys() == {"url", "apiKey", "workspace", "campaignId", "webhookUrl"}
    assert access["workspace"] == "demo"
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", access["url"])
    assert access["webhookUrl"].startswith(f"{access['url']}/webhooks/smsmode/")
    assert stat.S_IMODE((running.folder / "demo.json").stat().st_mode) == 0o600

    # the first change within 2 s, all ten statuses within 10 s, the end in its time
    begun = watched(access)["statistics"]["revision"]
    until(lambda: watched(access)["statistics"]["revision"] > begun, ready + 2 - time.monotonic())
    seen: set[str] = set()

    def all_ten() -> bool:
        rows = watched(access)["statistics"]["statuses"]
        seen.update(row["status"] for row in rows if row["count"])
        return len(seen) == 10

    until(all_ten, ready + 10 - time.monotonic(), lambda: seen)
    until(lambda: watched(access)["state"] == "COMPLETED", 30)
    ended = watched(access)["statistics"]
    rates = {row["indicator"]: row["rate"] for row in ended["indicators"]}
    assert rates["PENDING"] == 0
    assert rates["RECEIPT"] > 0.8
    assert all(row["count"] for row in ended["statuses"] if row["status"] != "WAITING")

    # the terminal shows how to use it, and its lines work as they are
    until(lambda: "COMPLETED" in running.screen, 5)
    screen = running.screen
    for label in ("Receipt rate", "Rate of pending messages", "Unsubscribe rate"):
        assert label in screen
    first = re.search(r"^(Dashboard|Address) +(\S+)\s*$", screen, re.MULTILINE)
    assert first is not None
    if pages.built():
        assert first.groups() == ("Dashboard", f"{access['url']}/")
        assert httpx.get(first[2], trust_env=False).status_code == 200
    else:
        assert first.groups() == ("Address", access["url"])
    link = re.search(r"GraphiQL +(\S+)", screen)
    assert link is not None
    fragment = parse_qs(urlsplit(link[1]).fragment)
    assert fragment == {"key": [access["apiKey"]], "campaign": [access["campaignId"]]}
    curl = re.search(r"(curl .*)", screen)
    assert curl is not None
    if shutil.which("curl"):
        told = subprocess.run(
            ["bash", "-c", curl[1].strip()], capture_output=True, check=True, timeout=10
        )
        assert json.loads(told.stdout)["data"]["campaign"]["statistics"]["total"] == 300

    # a page under development on another port may use it, one from elsewhere may not
    for origin, allowed in (("http://localhost:5173", True), ("https://example.com", False)):
        answer = httpx.get(f"{access['url']}/health/live", headers={"origin": origin})
        assert ("access-control-allow-origin" in answer.headers) is allowed

    # another campaign
    other = until(
        lambda: running.access() if running.access()["campaignId"] != access["campaignId"] else {},
        10,
    )
    assert {**other, "campaignId": access["campaignId"]} == access
    assert watched(other)["state"] == "SENDING"

    # Ctrl-C, with a client that goes on listening
    with connect(
        f"{access['url'].replace('http', 'ws')}/graphql",
        subprotocols=[Subprotocol("graphql-transport-ws")],
        proxy=None,
    ) as client:
        said = {"authorization": f"Bearer {access['apiKey']}"}
        client.send(json.dumps({"type": "connection_init", "payload": said}))
        client.recv()
        watch = {"query": WATCH, "variables": {"id": other["campaignId"]}}
        client.send(json.dumps({"id": "1", "type": "subscribe", "payload": watch}))
        assert json.loads(client.recv())["type"] == "next"
        running.type(b"\x03\x03")  # people press it twice
        assert running.ended(seconds=10) == 0
    assert mongods(running.folder) == []
    assert not (running.folder / "demo.json").exists()
    assert "Stopped." in running.screen
    assert "Traceback" not in running.screen

    # nothing in the logs that could open a door or name a person
    log = "".join(path.read_text() for path in running.folder.rglob("*.log*"))
    assert "/webhooks/{provider}/{token} 200" in log
    assert "Traceback" not in log
    for secret in (access["apiKey"], access["webhookUrl"].rpartition("/")[2], "3363998"):
        assert secret not in log


def test_after_a_kill_it_starts_again_with_a_new_key_and_the_old_campaigns(
    demo: Callable[..., Demo],
) -> None:
    options = ("--minutes", "0.1", "--recipients", "20")
    killed = demo(*options)
    before = killed.access()
    history = past(before)
    killed.close()
    assert (killed.folder / "demo.json").exists()

    running = demo(*options)
    until(lambda: not (running.folder / "demo.json").exists(), 30)
    access = running.access()
    assert post(before | {"url": access["url"]}, "{ __typename }").status_code == 401
    found = ask(access, "{ campaigns { nodes { id } } }")["campaigns"]["nodes"]
    assert before["campaignId"] in {node["id"] for node in found}

    # what is behind it is the same as before, and not there twice
    assert past(access) == history
    assert {name: (one["type"], one["statistics"]["total"]) for name, one in history.items()} == {
        "Opening hours in the holidays": ("MARKETING", 500),
        "Your order is on its way": ("TRANSACTIONAL", 320),
        "Birthday voucher": ("MARKETING", 400),
    }
    for one in history.values():
        counts = {row["status"]: row["count"] for row in one["statistics"]["statuses"]}
        assert sum(counts.values()) == one["statistics"]["total"]
        assert counts["RECEIVED"] > 0.8 * one["statistics"]["total"]

    key_id = access["apiKey"].split("_")[1]
    listed = subprocess.run(
        [sys.executable, "-m", "gql_server", "keys", "list", "--workspace", "demo", "--json"],
        env=driver.environment() | {"GQL_DATA_DIR": str(running.folder)},
        capture_output=True,
        check=True,
        timeout=30,
    )
    assert [(key["id"], key["scopes"]) for key in json.loads(listed.stdout)] == [
        (key_id, sorted(SCOPES))
    ]

    # one folder, one demo
    second = demo(*options)
    assert second.ended(seconds=20) == 1
    assert "another server" in second.screen
    assert running.access()["apiKey"] == access["apiKey"]

    # `gql-server simulate` finds everything in the folder
    simulated = subprocess.run(
        [
            *(sys.executable, "-m", "gql_server", "simulate"),
            *("--minutes", "0.05", "--demo", str(running.folder)),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert "receipts of 20 messages are delivered" in simulated.stdout

    running.process.send_signal(signal.SIGTERM)
    assert running.ended(seconds=10) == 0
    assert mongods(running.folder) == []


def test_a_port_that_is_taken_is_told(demo: Callable[..., Demo]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = demo("--port", str(port))
        assert refused.ended(seconds=10) == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in refused.screen
    assert not (refused.folder / "demo.json").exists()


def test_the_people_have_different_numbers_that_can_be_registered() -> None:
    everyone = people(MOST)
    numbers = [read_number(person.number) for person in everyone]
    assert [n.e164 for n in numbers if n is not None] == [person.number for person in everyone]
    assert len({person.number for person in everyone}) == MOST
    countries = {number.country for number in numbers if number is not None}
    assert countries == {"FR", "GB", "IE", "US", "CA", "DE", "SE"}
    assert all(person.name for person in everyone)
