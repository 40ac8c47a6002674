"""GraphQL over HTTP to the letter: the audits of graphql-http, against a real server."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.conftest import Api

FOLDER = Path(__file__).parent / "clients"
AUDITS = 61


async def test_all_audits_of_the_specification_are_met(api: Api) -> None:
    if not (FOLDER / "node_modules" / "graphql-http").exists():
        pytest.fail("The clients from npm are not installed: run `make setup`")

    child = await asyncio.create_subprocess_exec(
        "node", "audit.mjs", f"{api.base}/graphql", api.key,
        cwd=FOLDER, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, said = await child.communicate()

    assert child.returncode == 0, said.decode()
    audits = json.loads(out)
    assert [audit for audit in audits if audit["status"] != "ok"] == []
    assert len(audits) == AUDITS
