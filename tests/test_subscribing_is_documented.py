"""docs/subscribing.md shows the files that the tests run, and the codes and numbers that the server has."""

import re
from pathlib import Path

import pytest

from gql_server import connections
from resolvers.subscription import LONGEST_INTERVAL, SHORTEST_INTERVAL
from resolvers.view import INIT_TIMEOUT, OPERATIONS_PER_CONNECTION

TEXT = (Path(__file__).parent.parent / "docs/subscribing.md").read_text("utf-8")
FOLDER = Path(__file__).parent / "clients"
# These are told on the command line what to do, and tell what they saw: nobody's recipe.
OF_TESTS = {"audit.mjs", "main.mjs", "persisted.mjs", "urql.mjs"}
OUR_CODES = {
    connections.GOING_AWAY,
    connections.TRY_AGAIN,
    connections.FORBIDDEN,
    connections.NO_LIFE,
}
OF_THE_PROTOCOL = {4400, 4401, 4406, 4409, 4429}


@pytest.mark.parametrize(
    "name",
    [*sorted({path.name for path in FOLDER.glob("*.mjs")} - OF_TESTS), "pypi_gql.py"],
)
def test_each_recipe_is_the_file_that_the_tests_run(name: str) -> None:
    language = "python" if name.endswith(".py") else "js"
    block = f"```{language}\n{(FOLDER / name).read_text('utf-8')}```\n"

    assert f"[`tests/clients/{name}`](../tests/clients/{name}):\n\n{block}" in TEXT


def test_each_close_code_is_explained_once() -> None:
    rows = [int(code) for code in re.findall(r"^\| (\d{4}) \|", TEXT, re.MULTILINE)]

    assert rows == sorted(OUR_CODES | OF_THE_PROTOCOL)


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"**`minIntervalMs`**, {SHORTEST_INTERVAL} to {LONGEST_INTERVAL}:" in TEXT
    assert f"no `connection_init` within {INIT_TIMEOUT.seconds} s" in TEXT
    assert f"no answer to a ping within {connections.PONG_WITHIN:.0f} s" in TEXT
    assert f"a sign of life every {connections.PING_EVERY:.0f} s" in TEXT
    assert f"the {OPERATIONS_PER_CONNECTION + 1}st on one websocket" in TEXT
