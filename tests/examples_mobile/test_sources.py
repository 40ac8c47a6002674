"""The sources of the examples for phones: they can be parsed, and agree with each other and with the server."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import tree_sitter_kotlin
import tree_sitter_swift
from graphql import build_schema, parse, validate
from tree_sitter import Language, Node, Parser

from tests.examples_mobile.wire import EXAMPLES, OPERATIONS, documents
from tests.test_subscribing_is_documented import OF_THE_PROTOCOL, OUR_CODES

ROOT = EXAMPLES.parent
SCHEMA = build_schema((ROOT / "schema.graphql").read_text("utf-8"))
GRAMMARS = {
    ".kt": Language(tree_sitter_kotlin.language()),
    ".kts": Language(tree_sitter_kotlin.language()),
    ".swift": Language(tree_sitter_swift.language()),
}
FOLDERS = {"Apollo iOS": EXAMPLES / "apollo-ios", "Apollo Kotlin": EXAMPLES / "apollo-kotlin"}
SOURCES = sorted(
    path
    for folder in FOLDERS.values()
    for path in folder.rglob("*")
    if path.suffix in GRAMMARS and not {".build", "build", "Generated"} & {*path.parts}
)
ENDINGS = {
    "Apollo iOS": EXAMPLES / "apollo-ios/Sources/Reports/Endings.swift",
    "Apollo Kotlin": EXAMPLES / "apollo-kotlin/src/main/kotlin/com/example/reports/Endings.kt",
}
COME_BACK, ONCE_MORE, NEVER = "come back", "once more", "never"


def text(path: Path) -> str:
    return path.read_text("utf-8")


def mistakes(node: Node) -> Iterator[str]:
    """What the grammar cannot read, or misses."""
    if node.is_error or node.is_missing:
        row, column = node.start_point
        yield f"{row + 1}:{column + 1} {(node.text or b'').decode()[:60]}"
    for child in node.children:
        yield from mistakes(child)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_a_source_can_be_parsed(source: Path) -> None:
    tree = Parser(GRAMMARS[source.suffix]).parse(source.read_bytes())

    assert [*mistakes(tree.root_node)] == []


def test_the_grammars_see_a_mistake() -> None:
    for suffix, wrong in ((".kt", b"fun f( {"), (".swift", b"func f( {")):
        assert [*mistakes(Parser(GRAMMARS[suffix]).parse(wrong).root_node)]


def test_both_ask_the_same() -> None:
    ios, kotlin = (text(path) for path in OPERATIONS.values())

    assert ios == kotlin


@pytest.mark.parametrize("client", OPERATIONS)
def test_what_the_generators_make_of_the_operations_is_valid(client: str) -> None:
    assert documents(client).keys() == {"CampaignPage", "FiguresLive", "MessagesLive"}
    for document in documents(client).values():
        assert validate(SCHEMA, parse(document)) == []


@pytest.mark.parametrize("client", OPERATIONS)
def test_the_sources_name_exactly_what_is_generated(client: str) -> None:
    sources = "".join(text(path) for path in SOURCES if path.is_relative_to(FOLDERS[client]))
    named = set(re.findall(r"\b(\w+?)(?:Query|Subscription)\(", sources))

    assert named == set(documents(client))


@pytest.mark.parametrize("client", FOLDERS)
def test_whatever_has_an_id_and_is_asked_for_has_a_key_in_the_cache(client: str) -> None:
    # Beside the schema, where somebody has copied it there to try the example.
    [extra] = (one for one in FOLDERS[client].rglob("*.graphqls") if one.stem != "schema")
    keyed = set(re.findall(r'^extend type (\w+) @typePolicy\(keyFields: "id"\)', text(extra), re.M))

    assert keyed == {"Campaign", "Message"}
    assert all("id" in SCHEMA.type_map[name].fields for name in keyed)  # type: ignore[attr-defined]


def test_on_ios_a_message_that_is_shown_is_written_by_the_key_that_the_cache_knows_it_by() -> None:
    """`typename:id`, where `@typePolicy` names the field `id` alone (SchemaMetadata.cacheKey)."""
    [extra] = FOLDERS["Apollo iOS"].rglob("cache.graphqls")
    watch = text(FOLDERS["Apollo iOS"] / "Sources/Reports/CampaignWatch.swift")
    keys = re.findall(r'withKey: "(.*?)"', watch)

    assert keys == [r"Message:\(row.id)"]
    assert 'extend type Message @typePolicy(keyFields: "id")' in text(extra)


def function(path: Path, head: str) -> str:
    """The source of the one function that begins so, without its comments."""
    tree = Parser(GRAMMARS[path.suffix]).parse(path.read_bytes())
    [found] = {
        (node.text or b"").decode()
        for node in nodes(tree.root_node)
        if node.type == "function_declaration" and re.search(rf"\b{head}", first_line(node))
    }
    return re.sub(r" *//.*", "", found)


def nodes(node: Node) -> Iterator[Node]:
    """A node, and all below it."""
    yield node
    for child in node.children:
        yield from nodes(child)


def first_line(node: Node) -> str:
    """Of a node's source."""
    return (node.text or b"").decode().partition("\n")[0]


def test_the_page_is_read_anew_while_nothing_is_subscribed_to() -> None:
    """Else an answer that is older than an event would come on top of it."""
    watch = FOLDERS["Apollo iOS"] / "Sources/Reports/CampaignWatch.swift"
    ios = function(watch, r"func run\(")
    kotlin = function(
        FOLDERS["Apollo Kotlin"] / "src/main/kotlin/com/example/reports/CampaignScreen.kt",
        r"fun pages\(",
    )

    # Once before all else, and once when both subscriptions have ended.
    steps = r"\bfetch\(\)|group\.addTask|group\.cancelAll|\bfollowing \{|first \{|cancelAndJoin"
    assert re.findall(steps, ios) == [
        "fetch()", "group.addTask", "group.addTask", "group.cancelAll", "fetch()",
    ]  # fmt: skip
    assert re.findall(steps, kotlin) == [
        "fetch()", "following {", "following {", "first {", "cancelAndJoin", "fetch()",
    ]  # fmt: skip
    assert "fetch()" not in function(watch, r"func followMessages\(")


def test_on_ios_a_request_is_not_judged_by_what_a_websocket_was_closed_with() -> None:
    sources = FOLDERS["Apollo iOS"] / "Sources/Reports"
    judged = r"client\.ending\((\w+):"

    assert re.findall(judged, function(sources / "CampaignWatch.swift", r"func fetch\(")) == [
        "ofRequest"
    ]
    client = sources / "ReportsClient.swift"
    assert "lastWord" not in function(client, r"func ending\(ofRequest ")
    assert "lastWord" in function(client, r"func ending\(ofSubscription ")


def test_on_ios_what_is_not_shown_stays_out_of_the_cache() -> None:
    """Which lets go of nothing by itself."""
    watch = FOLDERS["Apollo iOS"] / "Sources/Reports/CampaignWatch.swift"

    assert "intoCache: false" in function(watch, r"func followMessages\(")
    assert "writeResultsToCache: intoCache" in function(watch, r"func follow<")
    assert "shown.contains($0.id)" in function(watch, r"func keep\(")


def test_on_kotlin_errors_are_looked_at_before_what_is_missing() -> None:
    then = function(ENDINGS["Apollo Kotlin"], r"fun then\(")

    assert re.findall(r"last\?\.(\w+)", then)[:2] == ["errors", "data"]
    fetch = function(
        FOLDERS["Apollo Kotlin"] / "src/main/kotlin/com/example/reports/CampaignScreen.kt",
        r"fun fetch\(",
    )
    # One place that refuses, behind `then`.
    assert fetch.count("throw Refused") == 1
    assert fetch.index("then(response)") < fetch.index("throw Refused")


def codes_of(client: str) -> dict[int, str]:
    """What the source does after each close code."""
    source = text(ENDINGS[client])
    if client == "Apollo Kotlin":
        rows = re.findall(r"^    \w+\((\d{4}), Then\.(\w+)\),$", source, re.MULTILINE)
        return {int(code): then.lower().replace("_", " ") for code, then in rows}
    numbers = dict(re.findall(r"^  case (\w+) = (\d{4})$", source, re.MULTILINE))
    told = {".comeBack": COME_BACK, ".onceMore": ONCE_MORE, ".never": NEVER}
    return {
        int(numbers[name.strip(" .")]): told[then]
        for names, then in re.findall(r"^    case ([^:(]+): (\.\w+)$", source, re.MULTILINE)
        for name in names.split(",")
        if name.strip(" .") in numbers
    }


def codes_in(readme: str) -> dict[int, str]:
    """What a README tells of each close code."""
    return {
        int(code): then
        for code, then in re.findall(
            r"^\| (\d{4}) \| .+ \| ([a-z ]+)[^|]* \|$", readme, re.MULTILINE
        )
    }


@pytest.mark.parametrize("client", FOLDERS)
def test_after_each_code_of_the_server_source_and_readme_do_what_the_documentation_says(
    client: str,
) -> None:
    recipe = text(ROOT / "tests/clients/resume.mjs")
    [never] = re.findall(r"return \[((?:\d{4}, )+)", recipe)
    [once] = re.findall(r"if \(\[(\d{4}), 401\]\.includes\(code\)\) return tries > 0;", recipe)
    expected = (
        dict.fromkeys(sorted(OUR_CODES | OF_THE_PROTOCOL), COME_BACK)
        | {int(code): NEVER for code in never.split(", ") if code}
        | {int(once): ONCE_MORE}
    )

    assert codes_of(client) == expected
    assert codes_in(text(FOLDERS[client] / "README.md")) == expected


@pytest.mark.parametrize("client", FOLDERS)
def test_the_same_refusals_pass_as_in_the_documentation(client: str) -> None:
    [passes] = re.findall(
        r"^const PASSES = \[([^]]+)\];$", text(ROOT / "tests/clients/resume.mjs"), re.M
    )
    [ours] = re.findall(
        r"(?:setOf\(|passes: Set<String> = \[)\s*((?:\"\w+\",?\s*)+)", text(ENDINGS[client])
    )
    codes = re.findall(r"\w+", passes)

    assert len(codes) > 3
    assert re.findall(r"\w+", ours) == codes
    readme = text(FOLDERS[client] / "README.md")
    assert [code for code in codes if f"`{code}`" not in readme] == []


@pytest.mark.parametrize("client", FOLDERS)
def test_statuses_are_decided_by_as_in_the_documentation(client: str) -> None:
    [statuses] = re.findall(
        r"return \[(?:\d{4}, )+((?:\d{3}(?:, )?)+)\]", text(ROOT / "tests/clients/resume.mjs")
    )

    assert re.search(rf"(?:setOf\(|= \[){statuses}[)\]]", text(ENDINGS[client]))


def test_the_generator_for_ios_finds_what_is_there() -> None:
    folder = FOLDERS["Apollo iOS"]
    config = json.loads(text(folder / "apollo-codegen-config.json"))
    target = config["output"]["schemaTypes"]["moduleType"]["embeddedInTarget"]["name"]

    assert [*folder.glob(config["input"]["operationSearchPaths"][0])] == [OPERATIONS["Apollo iOS"]]
    assert folder / "graphql/cache.graphqls" in folder.glob(config["input"]["schemaSearchPaths"][0])
    assert f'name: "{target}"' in text(folder / "Package.swift")
    assert config["output"]["schemaTypes"]["path"] == f"./Sources/{target}/Generated"
    assert f"{config['schemaNamespace']}." in text(folder / f"Sources/{target}/CampaignWatch.swift")
