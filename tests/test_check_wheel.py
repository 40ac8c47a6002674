"""A wheel is looked at before anybody installs it: it holds all that runs, packed ahead, and nothing else."""

from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from scripts.check_wheel import main

WHOLE = frozenset(
    {
        *("gql_server/cli.py", "gql_server/py.typed", "resolvers/schema.py"),
        *("gql_server/static/index.html", "gql_server/static/graphiql/index.html"),
        "gql_server/static/assets/page-1a2b.js",
        "gql_server/static/assets/page-1a2b.js.br",
        "gql_server/static/assets/page-1a2b.js.gz",
        "gql_server-0.1.0.dist-info/entry_points.txt",
    }
)
ASSETS = {name for name in WHOLE if "/assets/" in name}

Said = Callable[[frozenset[str]], tuple[int, str]]


@pytest.fixture
def said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Said:
    """The exit status for a wheel of these files, and what is said of it."""

    def look(names: frozenset[str]) -> tuple[int, str]:
        path = tmp_path / "gql_server-0.1.0-py3-none-any.whl"
        with ZipFile(path, "w") as wheel:
            for name in sorted(names):
                wheel.writestr(name, "")
        status = main(str(path))
        out, err = capsys.readouterr()
        return status, (out + err).replace(f"{path}", "It")

    return look


def test_a_whole_one_is_good(said: Said) -> None:
    assert said(WHOLE) == (0, "It: 9 files, both packages and the pages\n")


@pytest.mark.parametrize("name", sorted(WHOLE - ASSETS))
def test_each_file_is_missed(said: Said, name: str) -> None:
    status, told = said(WHOLE - {name})

    missed = "the command gql-server" if name.endswith("entry_points.txt") else name
    assert (status, told) == (1, f"It lacks {missed}\n")


def test_so_is_what_the_pages_are_made_of(said: Said) -> None:
    assert said(WHOLE - ASSETS) == (
        1,
        "It lacks what the pages are made of\n",
    )


@pytest.mark.parametrize("ending", [".br", ".gz"])
def test_so_is_what_was_packed_ahead(said: Said, ending: str) -> None:
    status, told = said(WHOLE - {f"gql_server/static/assets/page-1a2b.js{ending}"})

    assert (status, told) == (1, f"It lacks scripts that were packed ahead (*.js{ending})\n")


def test_what_does_not_belong_there_is_told(said: Said) -> None:
    status, told = said(WHOLE | {"tests/__init__.py"})

    assert (status, told) == (1, "It holds tests, which does not belong there\n")
