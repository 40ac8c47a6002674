"""How much one operation may ask for."""

import math

from gql_server.errors import PublicError

MOST_TOKENS = 1000
"""Of a document, comments and all that is ignored left out."""
MOST_CHARACTERS = 50_000
"""Of a document: a long text in it is read letter by letter; such texts are variables."""
MOST_DEPTH = 16
"""Levels of fields within fields: what GraphiQL asks of the schema has 14, a report page 8."""
MOST_FIELDS = 2000
"""Fragments spread: a document of 1,000 tokens has fewer, unless it spreads them again and again."""
MOST_ALIASES = 50
MOST_ALIKE = 50
"""Fields of one name in one selection: the rule that they must not conflict compares each with each."""
MOST_NAMES = 100
"""In one selection: no type has a third of that, and aliases are counted."""
MOST_FRAGMENTS = 50
"""Compared with each other by the same rule."""
MOST_SPREADS = 200
MOST_OPERATIONS = 20
MOST_ITEMS = 200
"""Of one list that is written in a document; a longer one is a variable."""
MOST_INPUT_DEPTH = 10
MOST_INPUT_FIELDS = 50
"""Fields of one input object that is written in a document: each one that is wrong is told with all of them."""
MOST_ERRORS = 10
"""Mistakes that are told of one document."""
MOST_DIRECTIVES = 50
MOST_ROOT_FIELDS = 20

MOST_ROWS = 10_000
"""Of campaigns, messages, and rows and points of reports that one operation may ask for."""


class RateLimited(PublicError):
    """A key has no points left; in `retry_after` seconds it will have those that this takes."""

    code = "RATE_LIMITED"

    def __init__(self, retry_after: float, *, documents: bool = False) -> None:
        self.retry_after = math.ceil(retry_after)
        of_what, less = (
            (
                "sent more new documents",
                "write values as variables, so that a document stays the same",
            )
            if documents
            else ("asked for more", "ask for fewer rows")
        )
        setting = "GQL_NEW_DOCUMENTS_PER_MINUTE" if documents else "GQL_COST_PER_MINUTE"
        super().__init__(
            f"This key has {of_what} than it may in a minute ({setting}); ask again in {self.retry_after} s, or {less}."
        )


def introspection_disabled() -> PublicError:
    """Who may not look at the schema is told so; `__typename` is no part of it."""
    return PublicError(
        "This key may not look at the schema (GQL_INTROSPECTION).", "INTROSPECTION_DISABLED"
    )


def too_slow(seconds: int) -> PublicError:
    """What takes so long holds up others."""
    return PublicError(
        f"This took longer than {seconds} s and was given up; ask for less at once. What a mutation should do may be "
        "done all the same: ask.",
        "TIMEOUT",
    )


def too_many_rows() -> PublicError:
    """Pages within pages multiply, and so do reports of many campaigns."""
    return PublicError(
        f"One operation may ask for {MOST_ROWS:,} rows; ask for smaller pages, for longer intervals, or in several "
        "operations.",
        "TOO_MANY_ROWS",
    )
