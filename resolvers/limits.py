"""How much one operation may ask for."""

from gql_server.errors import PublicError

MOST_ROWS = 10_000
"""Of campaigns, messages, and rows and points of reports that one operation may ask for."""


def too_many_rows() -> PublicError:
    """Pages within pages multiply, and so do reports of many campaigns."""
    return PublicError(
        f"One operation may ask for {MOST_ROWS:,} rows; ask for smaller pages, for longer intervals, or in several "
        "operations.",
        "TOO_MANY_ROWS",
    )
