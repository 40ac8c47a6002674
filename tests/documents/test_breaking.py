"""Nothing that clients use is taken away unnoticed: GraphQL Inspector compares the schema with what came before."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.check_breaking import breaking
from tests.documents.tools import SCHEMA, installed
from tests.test_schema import LATER

ROOT = SCHEMA.parent
NAMED = "type Query { campaign(id: ID!): String names: [String!]! }"
RENAMED = "type Query { campaign(id: ID!): String titles: [String!]! }"
STRICTER = "type Query { campaign(id: ID!, year: Int!): String titles: [String!]! }"


@pytest.fixture(autouse=True)
def inspector() -> None:
    """It comes from npm."""
    installed()


class Repository:
    """Somebody's repository with a schema."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "tests" / "documents").mkdir(parents=True)
        self.excuse("")
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words: str) -> None:
        as_somebody = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
        subprocess.run(["git", *as_somebody, *words], cwd=self.folder, check=True)

    def write(self, schema: str) -> None:
        (self.folder / "schema.graphql").write_text(schema, "utf-8")

    def commit(self, schema: str) -> None:
        self.write(schema)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=A change")

    def excuse(self, text: str) -> None:
        (self.folder / "tests" / "documents" / "breaking.toml").write_text(text, "utf-8")

    def check(self) -> tuple[int, str]:
        """The exit status, and what was said of faults."""
        done = subprocess.run(
            [sys.executable, "-m", "scripts.check_breaking"],
            cwd=self.folder, env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}, check=False,
            capture_output=True, text=True,
        )  # fmt: skip
        return done.returncode, done.stderr


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_what_is_promised_is_kept_but_for_what_comes_later() -> None:
    contract = (ROOT / "tests" / "contract.graphql").read_text("utf-8")

    assert breaking(SCHEMA.read_text("utf-8"), [contract]).keys() == LATER


def test_a_field_that_is_gone_since_the_last_commit_is_told_of_with_what_to_do(
    repository: Repository,
) -> None:
    repository.commit(NAMED)
    repository.write(RENAMED)

    status, said = repository.check()

    assert status == 1
    assert "Field 'names' was removed from object type 'Query'" in said
    assert "deprecated" in said
    assert "tests/documents/breaking.toml" in said


def test_a_field_is_missed_also_some_commits_later(repository: Repository) -> None:
    repository.commit(NAMED)
    repository.commit(RENAMED)
    repository.commit(RENAMED + " type Other { a: Int }")

    assert repository.check()[0] == 1


def test_what_is_taken_back_with_a_reason_is_let_through_and_nothing_besides(
    repository: Repository,
) -> None:
    repository.commit(NAMED)
    repository.excuse('"Query.names" = "Never in a release."')
    repository.write(RENAMED)
    assert repository.check() == (0, "")

    repository.write(STRICTER)

    status, said = repository.check()
    assert status == 1
    assert "Query.names" not in said
    assert "year" in said


def test_since_a_release_only_what_it_offered_counts(repository: Repository) -> None:
    repository.commit(NAMED)
    repository.commit(RENAMED)
    repository.git("tag", "v1.0.0")
    assert repository.check() == (0, "")

    repository.write(NAMED)

    status, said = repository.check()
    assert status == 1
    assert "titles" in said


def test_what_a_branch_tried_before_it_was_merged_was_never_offered(
    repository: Repository,
) -> None:
    repository.commit("type Query { campaign(id: ID!): String }")
    repository.git("checkout", "--quiet", "-b", "branch")
    repository.commit(NAMED)
    repository.commit(RENAMED)
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "--no-ff", "--message=Merge", "branch")

    assert repository.check() == (0, "")


def test_without_any_history_there_is_nothing_to_compare_with(repository: Repository) -> None:
    shutil.rmtree(repository.folder / ".git")
    repository.write(NAMED)

    assert repository.check() == (0, "")
