"""The house checks itself: who may import whom, and that no room grows too large to be read at one sitting."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("gql_server", "resolvers")

MOST_LINES = 350
LARGE = {
    "gql_server/database.py": "both drivers' differences and the transaction loop must be read together",
}
"""What is longer than that, and why it is not cut."""

MONGO = "Only store, database and embedded speak Mongo"
GRAPHQL = "Only resolvers speaks GraphQL"
CIRCLE = "No circle, in either package"
DOWN = "Imports point down"


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """Every import of both packages; what is imported for types alone is left out."""
    return grimp.build_graph(
        *PACKAGES,
        include_external_packages=True,
        exclude_type_checking_imports=True,
        cache_dir=None,
    )


def lint_imports(folder: Path) -> tuple[int, str]:
    """What the contracts of this folder's pyproject.toml say of the packages in it."""
    check = "from importlinter.cli import lint_imports; exit(lint_imports(no_cache=True))"
    command = [sys.executable, "-c", check]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_all_import_contracts_hold() -> None:
    status, said = lint_imports(ROOT)

    assert status == 0, said


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("gql_server/store/keys.py", "import gql_server.auth", DOWN),
        ("gql_server/ingestion.py", "import gql_server.live", DOWN),
        ("gql_server/webhooks.py", "import resolvers.view", DOWN),
        ("gql_server/store/outbox.py", "import gql_server.store.indexes", CIRCLE),
        ("resolvers/node.py", "import resolvers.message", CIRCLE),
        ("gql_server/app.py", "import resolvers.view", "only the roof imports resolvers"),
        ("gql_server/live.py", "import pymongo", MONGO),
        ("resolvers/page.py", "import motor.motor_asyncio", MONGO),
        ("gql_server/live.py", "import broadcaster", "Only events and its local bus"),
        ("gql_server/tracing.py", "import opentelemetry.trace", "Only spans speaks OpenTelemetry"),
        ("gql_server/app.py", "import strawberry", GRAPHQL),
        ("gql_server/auth.py", "import graphql", GRAPHQL),
        (
            "gql_server/domain/ids.py",
            "import gql_server.numbers",
            "The domain knows nothing of ours",
        ),
        (
            "gql_server/providers/twilio.py",
            "import gql_server.providers.smsmode",
            "Providers do not know each other",
        ),
    ],
)
def test_each_contract_breaks_on_the_import_that_it_is_there_for(
    tmp_path: Path, file: str, line: str, contract: str
) -> None:
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("static", "*.pyc")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / file).open("a") as code:
        code.write(f"\n{line}\n")

    status, said = lint_imports(tmp_path)

    assert status == 1
    assert any(contract in row and "BROKEN" in row for row in said.splitlines()), said


def floors() -> list[set[str]]:
    """The rooms of each floor, from the roof down; those that are not built yet are left out."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(c for c in contracts["contracts"] if c["id"] == "floors")["layers"]
    rooms = [layer.replace(":", "|").split("|") for layer in layers]
    return [{room.strip() for room in floor if "(" not in room} for floor in rooms]


def test_every_room_of_the_server_has_a_floor(graph: grimp.ImportGraph) -> None:
    rooms = graph.find_children("gql_server") | {"resolvers"}

    assert rooms - set().union(*floors()) == set()


def test_the_architecture_is_drawn_as_it_is() -> None:
    drawing = (ROOT / "docs/architecture.md").read_text("utf-8").split("```")[3]

    drawn = [set(line[:60].split()) for line in drawing.strip().splitlines()]

    built = [{room.removeprefix("gql_server.") for room in floor} for floor in floors()]
    assert drawn == built[1:], "without the first, __main__"


def test_the_domain_needs_the_standard_library_only(graph: grimp.ImportGraph) -> None:
    rooms = {"gql_server.domain", *graph.find_descendants("gql_server.domain")}
    imported = {
        module for room in rooms for module in graph.find_modules_directly_imported_by(room)
    }

    foreign = imported - rooms - set(sys.stdlib_module_names) - {"gql_server.errors"}

    assert foreign == set()


def test_nobody_reaches_behind_a_library_that_has_one_speaker(graph: grimp.ImportGraph) -> None:
    """`bson` comes with pymongo, and `redis` with broadcaster: theirs to use, not ours."""
    assert graph.modules & {"bson", "gridfs", "redis"} == set()


def test_a_module_is_read_at_one_sitting() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines())
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
    }

    assert {name: n for name, n in lengths.items() if n > MOST_LINES and name not in LARGE} == {}
    assert {name for name in LARGE if lengths.get(name, 0) <= MOST_LINES} == set()


def test_each_file_of_tests_that_is_left_for_later_is_there() -> None:
    files = (ROOT / "tests" / "slow.txt").read_text().split()

    assert files
    assert [file for file in files if not (ROOT / file).is_file()] == []
