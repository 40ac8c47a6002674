"""What an operation asks for: counted by one walk, and as often as it would be executed."""

import time
from typing import Any

import pytest
from graphql import GraphQLError, get_introspection_query, parse
from hypothesis import given, settings
from hypothesis import strategies as st

from gql_server.errors import PublicError
from resolvers.limits import (
    MOST_ALIASES,
    MOST_DEPTH,
    MOST_DIRECTIVES,
    MOST_ROOT_FIELDS,
    MOST_ROWS,
    MOST_TOKENS,
)
from resolvers.schema import make_schema
from resolvers.weighing import Weights

SCHEMA = make_schema()._schema


def cost(document: str, variables: dict[str, Any] | None = None, name: str | None = None) -> int:
    """The points of an operation."""
    asked = Weights(SCHEMA, parse(document, max_tokens=MOST_TOKENS)).of(name, variables)
    assert asked is not None
    return asked.cost


def refusal(document: str, variables: dict[str, Any] | None = None) -> PublicError:
    with pytest.raises(PublicError) as refused:
        cost(document, variables)
    return refused.value


@pytest.mark.parametrize(
    ("document", "variables", "points"),
    [
        ("{ __typename }", {}, 1),
        ('{ campaign(id: "c") { id name statistics { total indicators { rate } } } }', {}, 2),
        ("{ campaigns { nodes { id } } }", {}, 51),
        ("{ campaigns(first: 7) { totalCount } }", {}, 8),
        ("{ campaigns(last: 7) { edges { cursor node { id } } } }", {}, 8),
        ("query($n: Int) { campaigns(first: $n) { nodes { id } } }", {"n": 20}, 21),
        ("query($n: Int) { campaigns(first: $n) { nodes { id } } }", {"n": None}, 51),
        ("query($n: Int) { campaigns(first: $n) { nodes { id } } }", {}, 51),
        ("query($n: Int) { campaigns(first: $n) { nodes { id } } }", {"n": -5}, 1),
        ("query($n: Int) { campaigns(first: $n) { nodes { id } } }", {"n": "7"}, 51),
        # what is not given is what the document says that it is then
        ("query($n: Int = 7) { campaigns(first: $n) { nodes { id } } }", {}, 8),
        ("query($n: Int = 7) { campaigns(first: $n) { nodes { id } } }", {"n": 3}, 4),
        ("query($n: Int = 7) { campaigns(first: $n) { nodes { id } } }", {"n": None}, 51),
        ("query($n: Int = " + "9" * 5000 + ") { campaigns(first: $n) { nodes { id } } }", {}, 51),
        (
            (
                'query($i: [ID!]! = ["a", "b", "c"]) { nodes(ids: $i) '
                "{ ... on Campaign { messages(first: 100) { nodes { id } } } } }"
            ),
            {},
            1 + 3 * (1 + 100),
        ),
        # the schema is answered at one go
        ("{ __schema { types { name } } }", {}, 2_001),
        ('{ __type(name: "Campaign") { name } }', {}, 201),
        # pages within pages multiply
        ("{ campaigns(first: 10) { nodes { messages(first: 10) { nodes { id } } } } }", {}, 111),
        (
            "query($n: Int) { campaigns(first: 10) { nodes { messages(first: $n) { nodes { campaign { id } } } } } }",
            {"n": 3},
            1 + 10 * (1 + 3),
        ),
        # two ways to the same rows are both walked
        ("{ campaigns(first: 10) { nodes { id } edges { node { name } } } }", {}, 11),
        ('{ campaign(id: "c") { breakdown(by: COUNTRY) { key } } }', {}, 22),
        ('{ campaign(id: "c") { breakdown(by: COUNTRY, first: 3) { key } } }', {}, 5),
        ('{ nodes(ids: ["a", "b", "c"]) { id } }', {}, 4),
        ("query($i: [ID!]!) { nodes(ids: $i) { id } }", {"i": ["a", "b"]}, 3),
        ('query($i: ID!) { nodes(ids: ["a", $i]) { id } }', {"i": "b"}, 3),
        ('{ node(id: "m") { ... on Message { campaign { id } } } }', {}, 2),
        ("subscription { campaignsUpdated { id } }", {}, 2),
        (
            "mutation($i: AddRecipientsInput!) { addRecipients(input: $i) { added } }",
            {
                "i": {
                    "campaignId": "c",
                    "recipients": [{"number": "x", "providerMessageIds": ["y"]}] * 4,
                }
            },
            5,
        ),
        (
            "mutation($r: [RecipientInput!]!) { addRecipients(input: {campaignId: 1, recipients: $r}) { added } }",
            {"r": [{}, {}]},
            3,
        ),
        # a fragment counts as often as it is spread
        (
            (
                "{ a: campaigns(first: 5) { ...P } b: campaigns(first: 5) { ...P } } "
                "fragment P on CampaignConnection { nodes { messages(first: 2) { nodes { id } } } }"
            ),
            {},
            1 + 2 * 5 * 3,
        ),
        (
            (
                "query($n: Int) { a: campaigns(first: 5) { ...P } b: campaigns(first: 5) { ...P } } "
                "fragment P on CampaignConnection { nodes { messages(first: $n) { nodes { id } } } }"
            ),
            {"n": 4},
            1 + 2 * 5 * 5,
        ),
    ],
)
def test_the_points_of_an_operation_are_one_and_one_for_each_row(
    document: str, variables: dict[str, Any], points: int
) -> None:
    assert cost(document, variables) == points


def test_of_several_operations_the_one_that_is_named_counts() -> None:
    document = "query A { campaigns(first: 1) { totalCount } } query B { campaigns(first: 9) { totalCount } }"
    weights = Weights(SCHEMA, parse(document))

    assert (cost(document, name="A"), cost(document, name="B")) == (2, 10)
    assert (weights.of(None, {}), weights.of("C", {})) == (None, None)


def test_exactly_as_many_rows_as_one_may_ask_for() -> None:
    most = "query($n: Int) { campaigns(first: 100) { nodes { messages(first: $n) { nodes { id } } } } }"

    assert cost(most, {"n": 99}) == 1 + MOST_ROWS
    assert refusal(most, {"n": 100}).code == "TOO_MANY_ROWS"


def test_what_a_document_says_of_its_variables_is_looked_at_as_well() -> None:
    within = "query($n: Int = 100) { campaigns(first: $n) { nodes { messages(first: $n) { nodes { id } } } } }"
    wide = ", ".join(f"a{n}: 1" for n in range(320))

    assert refusal(within).code == "TOO_MANY_ROWS"
    for document in (
        f"mutation($i: CreateCampaignInput = {{{wide}}}) {{ createCampaign(input: $i) {{ __typename }} }}",
        f"{{ __typename @skip(if: {{{wide}}}) }}",
        f"query($i: Int @a(b: {{{wide}}})) {{ __typename }}",
        f"query @a(b: {{{wide}}}) {{ __typename }}",
        f"{{ ...F }} fragment F on Query @a(b: {{{wide}}}) {{ __typename }}",
        f"{{ ... @a(b: {{{wide}}}) {{ __typename }} }}",
    ):
        assert refusal(document).code == "TOO_COMPLEX", document


def test_the_schema_can_be_asked_for_once_or_twice_but_not_twenty_times() -> None:
    once = "__schema { types { fields { type { name } } } }"
    twenty = " ".join(f"a{n}: {once}" for n in range(20))

    assert cost(f"{{ {once} }}") == 2_001
    assert refusal(f"{{ {twenty} }}").code == "TOO_MANY_ROWS"


@pytest.mark.parametrize(
    ("document", "variables", "subject"),
    [
        ('subscription { messagesUpdated(campaignId: "x") { cursor } }', {}, "x"),
        ("subscription($c: ID!) { messagesUpdated(campaignId: $c) { cursor } }", {"c": "x"}, "x"),
        ('subscription($c: ID! = "x") { messagesUpdated(campaignId: $c) { cursor } }', {}, "x"),
        (
            'subscription { ...F } fragment F on Subscription { messagesUpdated(campaignId: "x") { cursor } }',
            {},
            "x",
        ),
        (
            'subscription { ... on Subscription { ... { messagesUpdated(campaignId: "x") { cursor } } } }',
            {},
            "x",
        ),
        ("subscription { ...F } fragment F on Subscription { ...F }", {}, None),
        ("subscription { campaignsUpdated { id } }", {}, None),
    ],
)
def test_what_an_operation_is_about_is_known_however_it_is_said(
    document: str, variables: dict[str, Any], subject: str | None
) -> None:
    asked = Weights(SCHEMA, parse(document)).of(None, variables)

    assert asked is not None
    assert asked.subject == subject


def _down(levels: int) -> str:
    """So many levels of `ofType`, one within the other."""
    text = "{ name }"
    for _ in range(levels - 1):
        text = "{ ofType " + text + "}"
    return text


@pytest.mark.parametrize(
    ("allowed", "refused"),
    [
        (
            "{ __type(name: T) " + _down(MOST_DEPTH - 1) + " }",
            "{ __type(name: T) " + _down(MOST_DEPTH) + " }",
        ),
        (
            "{ campaigns { nodes { " + "".join(f"a{n}: id " for n in range(MOST_ALIASES)) + "} } }",
            "{ campaigns { nodes { "
            + "".join(f"a{n}: id " for n in range(MOST_ALIASES + 1))
            + "} } }",
        ),
        (
            "{ __typename " + "@skip(if: false) " * MOST_DIRECTIVES + "}",
            "{ __typename " + "@skip(if: false) " * (MOST_DIRECTIVES + 1) + "}",
        ),
        (
            "{ " + "__typename " * MOST_ROOT_FIELDS + "}",
            "{ " + "__typename " * (MOST_ROOT_FIELDS + 1) + "}",
        ),
        (
            "{ ...F ...F } fragment F on Query { " + "__typename " * (MOST_ROOT_FIELDS // 2) + "}",
            "{ ...F ...F ... { __typename } } fragment F on Query { "
            + "__typename " * (MOST_ROOT_FIELDS // 2)
            + "}",
        ),
    ],
    ids=["depth", "aliases", "directives", "root fields", "root fields in fragments"],
)
def test_one_more_than_is_allowed_is_refused(allowed: str, refused: str) -> None:
    cost(allowed)

    assert refusal(refused).code == "TOO_COMPLEX"


def test_what_graphiql_asks_of_the_schema_is_allowed() -> None:
    assert cost(get_introspection_query()) == 2_001


def test_fragments_that_spread_themselves_are_left_to_the_rules_of_graphql() -> None:
    assert (
        cost("{ ...A } fragment A on Query { ...B __typename } fragment B on Query { ...A }") == 1
    )


def bomb(levels: int, last: str, on: str = "Campaign") -> str:
    """Each fragment spreads the next one twice: 2 ** levels times the last one."""
    chain = "".join(f"fragment f{n} on {on} {{ ...f{n + 1} ...f{n + 1} }} " for n in range(levels))
    return f'{{ campaign(id: "c") {{ ...f0 }} }} {chain} fragment f{levels} on {on} {{ {last} }}'


@pytest.mark.parametrize("last", ["id", "messages { nodes { id } }", "x: id", "id @skip(if: true)"])
def test_a_fragment_bomb_is_looked_at_once_a_fragment(last: str) -> None:
    # as many fragments as fit into a document
    levels = 90
    document = parse(bomb(levels, last), max_tokens=MOST_TOKENS)

    began = time.process_time()
    with pytest.raises(PublicError) as refused:
        Weights(SCHEMA, document)

    assert refused.value.code == "TOO_COMPLEX"
    # Were each looked at as often as it is spread, this would not end.
    assert time.process_time() - began < 1


def test_a_document_that_is_too_long_is_not_read_to_its_end() -> None:
    with pytest.raises(GraphQLError, match="tokens"):
        parse("{ " + "__typename " * 10_000 + "}", max_tokens=MOST_TOKENS)


@st.composite
def pages(draw: st.DrawFn, depth: int = 3) -> tuple[str, int]:
    """A selection of a campaign with pages in it, some of them by fragments' inline kin; and how many rows it is."""
    parts, rows = ["id"], 0
    for _ in range(draw(st.integers(0, 2)) if depth else 0):
        size = draw(st.integers(1, 4))
        inner, below = draw(pages(depth=depth - 1))
        wrapped = draw(st.sampled_from(["%s", "... { %s }", "... on Campaign { %s }"]))
        alias = f"a{draw(st.integers(0, 999))}"
        parts.append(
            wrapped % f"{alias}: messages(first: {size}) {{ nodes {{ campaign {{ {inner} }} }} }}"
        )
        rows += size * (1 + below)
    return " ".join(parts), rows


@settings(max_examples=200, deadline=None)
@given(page=pages(), size=st.integers(1, 5), by_variable=st.booleans(), by_fragment=st.booleans())
def test_rows_are_the_sum_over_all_ways(
    page: tuple[str, int], size: int, by_variable: bool, by_fragment: bool
) -> None:
    selection, below = page
    first = "$n" if by_variable else str(size)
    within = "...C" if by_fragment else selection
    document = (
        f"query{'($n: Int)' if by_variable else ''} {{ campaigns(first: {first}) {{ nodes {{ {within} }} }} }}"
        + (f" fragment C on Campaign {{ {selection} }}" if by_fragment else "")
    )
    rows = size * (1 + below)

    if rows > MOST_ROWS:
        assert refusal(document, {"n": size}).code == "TOO_MANY_ROWS"
    else:
        assert cost(document, {"n": size}) == 1 + rows
