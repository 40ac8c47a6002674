"""What the examples and their papers say fits: operations the schema, files and commands what is there."""

import json
import re
from pathlib import Path

import pytest
from graphql import GraphQLSchema, build_schema, parse, validate

from tests.examples.stage import EXAMPLES

NODE = ["react-apollo", "react-urql", "graphql-ws", "graphql-sse"]
OURS = [*NODE, "python-gql", "curl"]
SCRIPTS = (
    "graphql-ws/watch.mjs",
    "graphql-sse/watch.mjs",
    "python-gql/watch.py",
    "python-gql/create.py",
)
OPERATION = re.compile(
    r'(?:`|"""|")((?:query|mutation|subscription) .*?)(?:`|"""|"$)', re.DOTALL | re.MULTILINE
)


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    """The schema that is printed into schema.graphql."""
    return build_schema((EXAMPLES.parent / "schema.graphql").read_text("utf-8"))


@pytest.mark.parametrize("file", SCRIPTS)
def test_each_operation_of_a_script_is_valid(schema: GraphQLSchema, file: str) -> None:
    """Those of the pages are looked at where their types are made, and those of curl are run."""
    found = OPERATION.findall((EXAMPLES / file).read_text("utf-8"))

    assert len(found) == (2 if "create" in file else 3)
    assert [error for text in found for error in validate(schema, parse(text))] == []


@pytest.mark.parametrize("name", OURS)
def test_each_file_and_command_that_a_paper_names_is_there(name: str) -> None:
    paper = EXAMPLES / name / "README.md"
    text = paper.read_text("utf-8")
    linked = re.findall(r"\]\((?!http)([^)#]+)", text)
    called = re.findall(r"(?:node|python|^\./|\s\./)\s?([\w-]+\.(?:mjs|py|sh))", text, re.MULTILINE)
    scripts = re.findall(r"npm run (\w+)", text)

    assert [path for path in linked if not (paper.parent / path).exists()] == []
    assert [file for file in called if not (paper.parent / file).exists()] == []
    assert called or scripts
    if scripts:
        known = json.loads((paper.parent / "package.json").read_text("utf-8"))["scripts"]
        assert set(scripts) <= set(known)


def test_every_example_is_told_of() -> None:
    table = (EXAMPLES / "README.md").read_text("utf-8")
    there = {path.name for path in EXAMPLES.iterdir() if (path / "README.md").exists()}

    assert there >= set(OURS)
    assert there <= set(re.findall(r"^\| \[([\w-]+)\]\(\1/\)", table, re.MULTILINE))
    workspaces = json.loads((EXAMPLES / "package.json").read_text("utf-8"))["workspaces"]
    assert workspaces == NODE


def test_what_is_the_dashboard_s_too_has_its_version() -> None:
    """One version of a library here, so that what is learnt of it once is true of both."""
    dashboard = versions(EXAMPLES.parent / "dashboard/package.json")

    for name in NODE:
        for library, version in versions(EXAMPLES / name / "package.json").items():
            assert dashboard.get(library, version) == version, library


def versions(file: Path) -> dict[str, str]:
    """What a package.json asks for."""
    asked = json.loads(file.read_text("utf-8"))
    found: dict[str, str] = asked["dependencies"] | asked["devDependencies"]
    return found


@pytest.mark.parametrize(
    "file", ["src/live.ts", "src/key.ts", "src/operations.ts", "tsconfig.json"]
)
def test_what_both_pages_have_is_the_same_to_the_letter(file: str) -> None:
    # whoever copies one folder has all of it, so it stands in each
    first, second = (EXAMPLES / name / file for name in ("react-apollo", "react-urql"))

    assert first.read_text("utf-8") == second.read_text("utf-8")
