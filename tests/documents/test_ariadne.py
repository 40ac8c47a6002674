"""ariadne-codegen: a Python client with pydantic's models, made of our schema, against a real server."""

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import Api
from tests.documents.tools import FOLDER, SCHEMA, run

BIN = FOLDER / "ariadne" / ".venv" / "bin"


@pytest.fixture
async def made(tmp_path: Path) -> Path:
    """The project, its client made."""
    if not (BIN / "ariadne-codegen").exists():
        pytest.fail("The generator of Python clients is not installed: run `make setup`")
    at = tmp_path / "project"
    shutil.copytree(FOLDER / "ariadne", at, ignore=shutil.ignore_patterns(".venv"))
    shutil.copy(SCHEMA, at)
    await run(at, str(BIN / "ariadne-codegen"))
    return at


async def test_a_generated_client_makes_a_campaign_watches_it_and_reads_its_report(
    made: Path, api: Api
) -> None:
    printed = await run(made, str(BIN / "python"), "main.py", f"{api.base}/graphql", api.key)

    assert json.loads(printed) == {
        "errors": [[["recipients", "3", "number"], "INVALID_NUMBER"]],
        "resync": False,
        "applied": 2,
        "seen": {"+33600000000": "RECEIVED", "+33600000001": "BLACKLISTED"},
        "pages": [
            [["+33600000000", "RECEIVED"], ["+33600000001", "BLACKLISTED"]],
            [["+33600000002", "WAITING"]],
        ],
        "refused": ["+33600000001"],
        "counts": {
            "RECEIPT": 1, "PENDING": 1, "TEMPORARY_ERROR": 0, "PERMANENT_ERROR": 0, "UNSUBSCRIBE": 1,
        },
        "zone": "UTC",
        "history": ["Spring"],
        "again": ["Campaign", "Message"],
    }  # fmt: skip
