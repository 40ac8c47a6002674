"""The locks of Node.js: each answers its package.json, has a hash for everything, and names no registry."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.check_lock import check_npm

ROOT = Path(__file__).parent.parent
LOCKS = sorted((*ROOT.glob("*/package-lock.json"), *ROOT.glob("*/*/package-lock.json")))

Lock = dict[str, Any]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_each_lock_answers_what_is_asked_for(lock: Path) -> None:
    assert list(check_npm(json.loads(lock.read_text("utf-8")), lock.parent)) == []


def test_all_of_them_are_looked_at() -> None:
    assert {path.parent.name for path in LOCKS} >= {"dashboard", "clients", "peers", "examples"}


def an_address(lock: Lock) -> None:
    lock["packages"]["node_modules/ws"]["resolved"] = "https://registry.example/ws.tgz"


def no_hash(lock: Lock) -> None:
    del lock["packages"]["node_modules/ws"]["integrity"]


def another_version(lock: Lock) -> None:
    lock["packages"]["graphql-ws"]["dependencies"]["ws"] = "8.0.0"


def a_workspace_less(lock: Lock) -> None:
    del lock["packages"]["graphql-ws"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (an_address, "node_modules/ws has an address: no address belongs here"),
        (no_hash, "node_modules/ws has no hash"),
        (another_version, "it does not answer the dependencies of graphql-ws/package.json"),
        (a_workspace_less, "graphql-ws is in it, or among the workspaces, and not in both"),
    ],
)
def test_what_is_wrong_with_a_lock_is_said(
    tmp_path: Path, spoil: Callable[[Lock], None], said: str
) -> None:
    examples = ROOT / "examples"
    for file in (examples / "package.json", *examples.glob("*/package.json")):
        copy = tmp_path / file.relative_to(examples)
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(file, copy)
    lock = json.loads((ROOT / "examples/package-lock.json").read_text("utf-8"))

    spoil(lock)

    (problem,) = check_npm(lock, tmp_path)
    assert problem.startswith(said)
