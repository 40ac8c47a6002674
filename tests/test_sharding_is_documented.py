"""docs/sharding.md: its plan keeps MongoDB's rules for what the code has, and its script divides all there is."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gql_server.domain import ids
from gql_server.store.indexes import all_indexes

DOCUMENT = Path(__file__).parent.parent / "docs/sharding.md"
ROW = re.compile(
    r"^\| `(?P<collection>\w+)` \| `(?P<key>[\w, ]+)`(?P<hashed> \(hashed\))? \|", re.MULTILINE
)
STUB = """
const MinKey = () => ({ min: true }), MaxKey = () => ({ max: true }), said = [];
const sh = new Proxy({}, { get: (_, name) => (...given) => said.push([name, ...given]) });
"""
ENDS: tuple[dict[str, bool], dict[str, bool]] = ({"min": True}, {"max": True})


def planned() -> dict[str, list[str]]:
    """The shard key of each collection, as the table has it."""
    found = ROW.finditer(DOCUMENT.read_text("utf-8"))
    return {match["collection"]: match["key"].split(", ") for match in found}


@pytest.fixture(scope="module")
def said() -> list[Any]:
    """What the script tells the cluster."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js")
    script = (
        DOCUMENT.read_text("utf-8").partition('```js title="sharding.js"\n')[2].partition("```")[0]
    )
    done = subprocess.run(
        [node, "-e", f"{STUB}{script}; console.log(JSON.stringify(said))"],
        capture_output=True,
        check=True,
    )
    told: list[Any] = json.loads(done.stdout)
    return told


def test_a_unique_index_of_a_sharded_collection_begins_with_its_shard_key() -> None:
    indexes = all_indexes(24)

    for collection, key in planned().items():
        for name, fields, options in indexes[collection]:
            if options.get("unique"):
                assert [field for field, _ in fields][: len(key)] == key, (collection, name)


def test_the_script_shards_what_the_table_says(said: list[Any]) -> None:
    sharded = {
        given[0].partition(".")[2]: list(given[1])
        for name, *given in said
        if name == "shardCollection"
    }

    assert sharded == planned()
    assert len(sharded) == 6


def test_the_zones_divide_all_there_can_be_and_campaigns_evenly(said: list[Any]) -> None:
    zones: dict[str, list[Any]] = {}
    for name, *given in said:
        if name == "updateZoneKeyRange":
            zones.setdefault(given[0], []).append(given[1:])

    assert len(zones) == 5
    for ranges in zones.values():
        # from the least to the greatest, each where the one before ended, each on a shard of its own
        assert ENDS[0] in ranges[0][0].values()
        assert set(map(str, ranges[-1][1].values())) == {str(ENDS[1])}
        assert [to for _, to, _ in ranges[:-1]] == [begin for begin, _, _ in ranges[1:]]
        assert [zone for *_, zone in ranges] == [f"campaigns-{n}" for n in range(4)]
    digits = [begin["_id"] for begin, *_ in zones["gql_server.messages"][1:]]
    assert [ids.ALPHABET.index(digit) for digit in digits] == [8, 16, 24]
    # and what begins with a campaign lies where the campaign does
    assert [begin["_id"]["c"] for begin, *_ in zones["gql_server.outbox"][1:]] == digits
    assert [begin["campaign"] for begin, *_ in zones["gql_server.recipients"][1:]] == digits
