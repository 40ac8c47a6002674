"""Automatic persisted queries of Apollo Client and urql, and graphql-ws with the same hashes, against a real server."""

import asyncio
import json
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Api

FOLDER = Path(__file__).parent / "clients"
Make = Callable[..., AbstractAsyncContextManager[Api]]

ANSWER = "application/graphql-response+json"


async def told(
    api: Api, campaign: str, *, get: bool = False, client: str = "persisted.mjs"
) -> dict[str, list[Any]]:
    """What the clients sent and got, in one process of their own."""
    if shutil.which("node") is None and "CI" not in os.environ:
        pytest.skip("Clients from npm need Node.js, which is not installed here")
    given = {"url": f"{api.base}/graphql", "key": api.key, "campaign": campaign, "get": get}
    process = await asyncio.create_subprocess_exec(
        *("node", client, json.dumps(given)),
        cwd=FOLDER,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    found: dict[str, list[Any]] = {}
    for line in out.decode().splitlines():
        for word, value in json.loads(line).items():
            found.setdefault(word, []).append(value)
    return found


def request(method: str, *errors: str, text: bool, hash_: bool, etag: bool) -> dict[str, Any]:
    return {
        "method": method,
        "text": text,
        "hash": hash_,
        "status": 200,
        "errors": list(errors),
        "etag": etag,
    }


@pytest.mark.parametrize("get", [False, True])
async def test_a_hash_is_enough_from_the_second_time_on_until_a_restart(
    make_api: Make, get: bool
) -> None:
    by = "GET" if get else "POST"
    not_found = request(by, "PersistedQueryNotFound", text=False, hash_=True, etag=False)
    with_text = request("POST", text=True, hash_=True, etag=False)
    by_hash = request(by, text=False, hash_=True, etag=get)

    for _ in range(2):  # a server that starts anew has forgotten
        async with make_api() as api:
            campaign = await api.new_campaign(3)

            first = await told(api, campaign, get=get)
            again = await told(api, campaign, get=get)

        assert first["answer"] == again["answer"] == [3, 3]
        assert first["request"] == [not_found, with_text, by_hash]
        assert again["request"] == [by_hash, by_hash]
        assert first["watched"] == [["PersistedQueryNotFound"], 3, 3]
        assert again["watched"] == [3, 3, 3]


async def test_where_it_is_off_the_client_goes_back_to_texts(make_api: Make) -> None:
    async with make_api(trusted_documents="off") as api:
        campaign = await api.new_campaign(3)

        seen = await told(api, campaign)

    refused = request("POST", "PersistedQueryNotSupported", text=False, hash_=True, etag=False)
    text = request("POST", text=True, hash_=False, etag=False)
    assert seen["answer"] == [3, 3]
    assert seen["request"] == [refused, text, text]
    assert seen["watched"] == [["PersistedQueryNotSupported"]] * 3


async def test_urql_registers_by_get_and_takes_one_result_as_json(make_api: Make) -> None:
    async with make_api() as api:
        campaign = await api.new_campaign(3)

        seen = await told(api, campaign, client="urql.mjs")

    def sent(method: str, **more: Any) -> dict[str, Any]:
        usual = {"text": True, "hash": True, "status": 200, "type": ANSWER}
        return {"method": method, **usual, "etag": True, **more}

    assert seen["answer"] == [3, 3, 3]
    assert seen["watched"] == [3]
    assert seen["request"] == [
        sent("GET", text=False, etag=False, type="application/json"),  # PersistedQueryNotFound
        sent("GET"),
        sent("GET", text=False),
        sent("POST", hash=False, etag=False),
        sent("POST", hash=False, etag=False, type="text/event-stream"),
    ]
