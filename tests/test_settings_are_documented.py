"""docs/settings.md holds the table that the settings themselves give."""

import dataclasses
from pathlib import Path

from gql_server.possible import PREFIX
from gql_server.settings import Settings

DOCUMENT = Path(__file__).parent.parent / "docs/settings.md"


def table() -> str:
    """All settings, in their own order and words."""
    rows = ["| Variable | Default | Meaning |", "| --- | --- | --- |"]
    for item in dataclasses.fields(Settings):
        default = item.metadata["default"]
        # a value in code, words ("unset: embedded") as they are
        shown = default if default.startswith(("unset", "none")) else f"`{default}`"
        rows.append(f"| `{PREFIX}{item.name.upper()}` | {shown} | {item.metadata['meaning']} |")
    return "\n".join(rows) + "\n"


def test_every_setting_stands_in_the_table_as_the_code_has_it() -> None:
    assert table() in DOCUMENT.read_text("utf-8"), f"the table should be:\n{table()}"


def test_no_setting_is_left_without_a_meaning() -> None:
    assert [f.name for f in dataclasses.fields(Settings) if not f.metadata.get("meaning")] == []
