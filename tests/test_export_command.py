"""`gql-server export`: the same files on the command line, whole or not at all, and noted."""

import gzip
import json
import stat
from pathlib import Path

import pytest

from gql_server.domain import ids
from tests.conftest import Api
from tests.exporting import csv_rows, export, ndjson_rows, nodes, some_campaign, xlsx_rows
from tests.resolvers.mutating import act
from tests.server_process import environment, free_port
from tests.server_process import run as command
from tests.test_reports import trail


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the command is run."""
    here = tmp_path / "here"
    here.mkdir()
    return here


async def run(api: Api, folder: Path, mongo_url: str, *words: str) -> tuple[int, bytes, str]:
    """Status, standard output and standard error of the command."""
    env = environment(
        folder, free_port(), GQL_MONGODB_URL=mongo_url, GQL_MONGODB_DATABASE=api.db.name
    )
    done = await command(env, "export", *words, "--workspace", "acme", cwd=folder)
    # what is left of the progress bar where there is no terminal: an empty line
    return done.code, done.raw, done.err.lstrip("\n")


def files(folder: Path) -> list[str]:
    """The names of the files in it."""
    return [path.name for path in folder.iterdir() if path.is_file()]


async def test_a_report_is_written_as_by_http_and_noted(
    api: Api, folder: Path, mongo_url: str
) -> None:
    campaign = await some_campaign(api)
    served = await export(api, campaign)
    before = await trail(api.db)

    status, out, err = await run(api, folder, mongo_url, campaign, "--json")

    assert (status, err) == (0, "")
    name = f"report-{ids.read_campaign(campaign)}.csv"
    assert json.loads(out) == {
        "file": name,
        "rows": 5,
        "revision": int(served.headers["export-revision"]),
        "asOf": served.headers["export-as-of"],
    }
    assert (folder / name).read_bytes() == served.content
    assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert files(folder) == [name]
    noted = [one for one in await trail(api.db) if one not in before]
    assert noted == [("command", "CONTACTS_EXPORTED", ids.read_campaign(campaign), 5)]


async def test_each_form_filters_and_where_it_goes(api: Api, folder: Path, mongo_url: str) -> None:
    campaign = await some_campaign(api)

    status, out, err = await run(
        api, folder, mongo_url, campaign, "-o", "-", "--format", "ndjson", "--indicator", "RECEIPT"
    )
    assert status == 0, err
    assert ndjson_rows(out) == await nodes(api, campaign, {"indicators": ["RECEIPT"]})
    assert err.startswith("gql-server: 2 rows, as of 20")

    status, out, err = await run(
        api, folder, mongo_url, campaign, "-o", "a.csv.gz", "--country", "de"
    )
    assert (status, out.startswith(b"2 rows in a.csv.gz, as of 20")) == (0, True)
    assert len(csv_rows(gzip.decompress((folder / "a.csv.gz").read_bytes()))) == 2

    before = await trail(api.db)
    status, out, err = await run(api, folder, mongo_url, campaign, "-o", "b.xlsx", "--masked")
    assert (status, err) == (0, "")
    rows = xlsx_rows((folder / "b.xlsx").read_bytes())
    assert [row[:2] for row in rows[1:3]] == [("+33••••••678", None), ("+33••••••679", None)]
    assert await trail(api.db) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nobody"], "There is no campaign of this id."),
        (["CAMPAIGN", "--status", "SENT", "--country", "FR"], "This filter is not offered"),
        (["CAMPAIGN", "--search", "12"], "A search for a number needs at least 3 digits"),
        (["CAMPAIGN", "--format", "pdf"], "There is no such format; there are csv, ndjson, xlsx."),
        (["CAMPAIGN", "-o", "x.xlsx", "--gzip"], "A file .xlsx is packed already"),
        (["contacts", "--country", "FR"], "Only a campaign's report takes a filter."),
        (["CAMPAIGN", "-o", "no/such/folder.csv"], "The file cannot be written"),
    ],
)
async def test_what_cannot_be_is_refused_in_one_line_and_leaves_no_file(
    api: Api, folder: Path, mongo_url: str, words: list[str], said: str
) -> None:
    campaign = await some_campaign(api)

    status, out, err = await run(
        api, folder, mongo_url, *(campaign if word == "CAMPAIGN" else word for word in words)
    )

    assert (status, out) == (1, b"")
    assert err.startswith(f"gql-server: {said}"), err
    assert files(folder) == []


async def test_of_a_workspace_the_blacklist_and_the_contacts(
    api: Api, folder: Path, mongo_url: str
) -> None:
    await act(api, "createContact", {"number": "+33612345678", "name": "Zoë"}, "contact { id }")
    await act(api, "addToBlacklist", {"number": "+33612345679"}, "entry { id }")
    await act(api, "createContact", {"number": "+33612345679"}, "contact { id }")

    for what, form, numbers in (
        ("contacts", "csv", ["+33612345678"]),
        ("removed", "csv", ["+33612345679"]),
        ("blacklist", "csv", ["+33612345679"]),
    ):
        status, out, err = await run(api, folder, mongo_url, what, "-o", f"{what}.{form}")
        assert (status, err) == (0, ""), err
        assert out.decode() == f"1 rows in {what}.{form}.\n"
        rows = csv_rows((folder / f"{what}.{form}").read_bytes())
        assert [row["number"] for row in rows] == numbers
    # one entry a minute
    noted = await trail(api.db)
    assert {entry[:3] for entry in noted} == {("command", "CONTACTS_EXPORTED", "")}
    assert sum(entry[3] for entry in noted) == 3
