"""The wheel alone: what somebody has who types `pip install`, without our repository, and without Node.js."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from gql_server import __version__
from tests.chaos.arena import ROOT
from tests.server_process import free_port


def output(*command: str | Path, **more: str) -> str:
    """What a command prints, which has to succeed."""
    env = {"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/"), **more}
    env.update(
        {name: value for name, value in os.environ.items() if name in ("UV_CACHE_DIR", "TMPDIR")}
    )
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def bin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty virtual environment into which a wheel was installed that was built just now."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = (folder / "dist").iterdir()
    output(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    python = folder / "venv/bin/python"
    # in the versions that were tried
    given = [f"{wheel}[embedded,redis]", "--constraint", str(ROOT / "requirements.lock")]
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(python)]
    subprocess.run([*uv, *given], check=True, cwd=folder)
    return python.parent


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_wheel_in_an_empty_environment_serves_api_dashboard_and_graphiql(
    bin_folder: Path, tmp_path: Path
) -> None:
    # given nothing of ours but the wheel
    code = "import gql_server, resolvers; print(gql_server.__file__, resolvers.__file__)"
    places = output(bin_folder / "python", "-I", "-c", code).split()
    assert all(place.startswith(str(bin_folder.parent)) for place in places), places
    assert output(bin_folder / "gql-server", "--version").split()[-1] == __version__
    # when it serves
    env = {"GQL_DATA_DIR": str(tmp_path / "data"), "GQL_PORT": str(free_port())}
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [bin_folder / "gql-server", "serve"],
            env={"PATH": "/usr/bin:/bin", **env},
            cwd=tmp_path,
            stdout=log,
            stderr=log,
        )
    try:
        base = f"http://127.0.0.1:{env['GQL_PORT']}"
        with httpx.Client(
            base_url=base, timeout=10, transport=httpx.HTTPTransport(retries=0)
        ) as http:
            _wait(http, server, tmp_path / "log")
            # then the pages are there, with all that they load
            for page, title in (("/", "<title>"), ("/graphiql/", "GraphiQL")):
                shown = http.get(page)
                assert (shown.status_code, title in shown.text) == (200, True)
                loaded = re.findall(r'(?:src|href)="([^"#:]+\.(?:js|css|svg))"', shown.text)
                assert len(loaded) >= 2, shown.text
                for address in loaded:
                    assert http.get(httpx.URL(base).join(page).join(address)).status_code == 200
            # and the API answers who has a key
            made = output(
                bin_folder / "gql-server", "keys", "create", "--workspace", "acme", "--json", **env
            )
            key = json.loads(made)["apiKey"]
            answer = http.post(
                "/graphql",
                json={"query": "{ campaigns { totalCount } }"},
                headers={"authorization": f"Bearer {key}"},
            )
            assert answer.json()["data"] == {"campaigns": {"totalCount": 0}}
    finally:
        server.terminate()
        ended = server.wait(60)
    # and it ends in order
    assert ended == 0, (tmp_path / "log").read_text()


def _wait(http: httpx.Client, server: subprocess.Popen[bytes], log: Path) -> None:

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            if http.get("/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(log.read_text())
