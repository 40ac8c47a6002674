"""GraphQL Code Generator: a typed client of ours, and its documents by their hashes, against a real server."""

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.conftest import Api
from tests.documents.tools import project, run, tool
from tests.gql_clients import connected, watching

Make = Callable[..., AbstractAsyncContextManager[Api]]


@pytest.fixture(scope="module")
async def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, its types generated."""
    at = project("codegen", tmp_path_factory.mktemp("codegen") / "project")
    await tool(at, "graphql-codegen", "--config", "codegen.ts")
    return at


@pytest.fixture(scope="module")
async def built(generated: Path) -> Path:
    """The project, type-checked and built."""
    await tool(generated, "tsc", "--project", ".")
    return generated


@pytest.mark.parametrize("by_id", [False, True])
async def test_a_typed_client_makes_a_campaign_and_reads_its_report(
    built: Path, make_api: Make, by_id: bool
) -> None:
    # by the texts of its documents, or where nothing is executed but what is in its manifest
    manifest = str(built / "src/gql/persisted-documents.json")
    trusting = {"trusted_documents": "require", "trusted_documents_files": (manifest,)}
    async with make_api(**(trusting if by_id else {})) as api:
        await tells_of_its_report(built, api, by_id)


async def tells_of_its_report(built: Path, api: Api, by_id: bool) -> None:
    """What the client makes, and reads."""
    server = json.dumps({"url": f"{api.base}/graphql", "key": api.key, "byId": by_id})

    told = json.loads(await run(built, "node", "out/main.js", server))

    assert told == {
        "type": "MARKETING",
        "errors": [[["recipients", "3", "number"], "INVALID_NUMBER"]],
        "applied": 2,
        "pages": [
            [["+33600000000", "RECEIVED"], ["+33600000001", "ABSENCE_PERMANENT_ERROR"]],
            [["+33600000002", "WAITING"]],
        ],
        "failed": ["+33600000001"],
        "counts": {
            "RECEIPT": 1, "PENDING": 1, "TEMPORARY_ERROR": 0, "PERMANENT_ERROR": 1, "UNSUBSCRIBE": 0,
        },
        "alerts": ["PERMANENT_ERROR"],
        "countries": [["France", 3]],
        "received": 1,
        "entered": 5,
        "found": ["+33600000002"],
        "sums": [3, 3, 0],
        "again": ["Spring", "+33600000002", None],
    }  # fmt: skip


async def test_a_client_that_asks_for_what_is_not_there_does_not_build(built: Path) -> None:
    """`wrong.ts` says so of each of its lines; were one of them right, this would fail."""
    wrong = (built / "src" / "wrong.ts").read_text("utf-8")
    (built / "src" / "wrong.ts").write_text(wrong.replace("// @ts-expect-error", "//"), "utf-8")
    try:
        with pytest.raises(AssertionError) as refused:
            await tool(built, "tsc", "--project", ".", "--noEmit")
    finally:
        (built / "src" / "wrong.ts").write_text(wrong, "utf-8")

    said = {int(line) for line in re.findall(r"wrong\.ts\((\d+),\d+\): error", str(refused.value))}
    lines = wrong.splitlines()
    assert said == {n + 2 for n, line in enumerate(lines) if "@ts-expect-error" in line}
    assert len(said) == 8


async def test_each_persisted_document_has_its_hash_and_is_what_the_server_takes(
    generated: Path, api: Api
) -> None:
    campaign = await api.new_campaign(recipients=1)
    persisted = json.loads((generated / "src/gql/persisted-documents.json").read_text("utf-8"))
    (report,) = (text for text in persisted.values() if "query Report(" in text)
    (changes,) = (text for text in persisted.values() if "subscription Changes(" in text)

    answered = await api.ask(report, {"id": campaign})
    async with (
        connected(api.ws, api.key) as session,
        watching(session, changes, {"campaign": campaign}) as watched,
    ):
        events = await watched.until(lambda seen: len(seen) > 0)

    assert len(persisted) == 7
    assert list(persisted) == [
        "sha256:" + hashlib.sha256(text.encode()).hexdigest() for text in persisted.values()
    ]
    assert answered["campaign"]["messages"]["totalCount"] == 1
    assert events[0]["messagesUpdated"]["resync"] is False
