"""`viewer`: what a client is told of its own key, and of nobody else's."""

import asyncio

import pytest

from gql_server.auth import SCOPES
from tests.conftest import Api
from tests.wires import acknowledged

VIEWER = "{ viewer { workspace scopes } }"
IN_THE_ENUMS_ORDER = [
    "REPORTS_READ",
    "CONTACTS_READ",
    "CAMPAIGNS_WRITE",
    "RECEIPTS_WRITE",
    "ADMIN",
]
KEYS: list[tuple[str, frozenset[str], list[str]]] = [
    ("acme", frozenset(), []),
    ("acme", frozenset({"reports:read"}), ["REPORTS_READ"]),
    ("globex", frozenset({"contacts:read", "reports:read"}), ["REPORTS_READ", "CONTACTS_READ"]),
    ("globex", frozenset({"admin", "campaigns:write"}), ["CAMPAIGNS_WRITE", "ADMIN"]),
    ("acme", frozenset({"receipts:write"}), ["RECEIPTS_WRITE"]),
    ("globex", frozenset(SCOPES), IN_THE_ENUMS_ORDER),
]


async def test_each_key_is_told_of_itself_by_http_and_by_websocket(api: Api) -> None:
    # given keys of two workspaces, each asking twice, so that an answer that is kept would be given again
    for workspace, scopes, shown in KEYS * 2:
        key = await api.new_key(workspace, scopes)

        by_http = await api.ask(VIEWER, key=key)
        async with acknowledged(api, key) as socket:
            await socket.subscribe("1", VIEWER)
            frame = await socket.receive()

        expected = {"viewer": {"workspace": workspace, "scopes": shown}}
        assert by_http == expected
        assert (frame["type"], frame["payload"]["data"]) == ("next", expected)


async def test_many_at_once_are_each_told_of_themselves(api: Api) -> None:
    keys = [await api.new_key(workspace, scopes) for workspace, scopes, _ in KEYS]

    answers = await asyncio.gather(*(api.ask(VIEWER, key=key) for key in keys * 5))

    assert (
        answers
        == [{"viewer": {"workspace": workspace, "scopes": shown}} for workspace, _, shown in KEYS]
        * 5
    )


@pytest.mark.parametrize("key", ["", "gqs_000000000000_" + "A" * 43])
async def test_nobody_is_told_anything_without_a_key(api: Api, key: str) -> None:
    answer = await api.post(VIEWER, key=key)

    assert answer.status_code == 401
    assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["UNAUTHENTICATED"]
    assert "data" not in answer.json()
