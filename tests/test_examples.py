"""What we show to people runs: the README's operations fit the schema (GraphiQL's: graphiql/test_examples.py)."""

import json
import re
from pathlib import Path

import pytest
from graphql import GraphQLSchema, build_schema, parse, validate

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    """The schema that is printed into schema.graphql."""
    return build_schema((ROOT / "schema.graphql").read_text("utf-8"))


def test_the_readme_s_operations_are_valid(schema: GraphQLSchema) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    posted = [
        json.loads(body)["query"] for body in re.findall(r"-d '(\{.*?\})'", readme, re.DOTALL)
    ]
    written = re.findall(r"query: `(.*?)`", readme, re.DOTALL)

    found = {text: validate(schema, parse(text)) for text in posted + written}

    assert posted
    assert written
    assert [errors for errors in found.values() if errors] == []


def test_every_file_that_the_papers_name_is_there() -> None:
    papers = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    quoted = r"`((?:gql_server|resolvers|tests|docs|scripts)/[\w./-]*\w)`"
    linked = r"\]\((?!http)([^)#]+)\)"

    named = {
        (paper.name, path if quote else (paper.parent / path).relative_to(ROOT).as_posix())
        for paper in papers
        for quote, pattern in ((True, quoted), (False, linked))
        for path in re.findall(pattern, paper.read_text("utf-8"))
    }

    assert len(named) > 5
    assert {place for place in named if not (ROOT / place[1]).exists()} == set()
