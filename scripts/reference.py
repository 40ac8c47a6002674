"""Writes docs/reference/ from the code, so that it cannot drift; with `--check` only says what it would change.

The schema from schema.graphql, errors and close codes from where they are raised, providers from their files, and the
list of decisions from their titles. Settings and metrics have pages of their own, which tests hold to the code.
"""

import difflib
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from scripts.reference_errors import close_codes, errors
from scripts.reference_providers import providers
from scripts.reference_schema import operations, types

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)


def decisions() -> str:
    """What was decided, by its title."""
    titles = [
        (path.name, found[1])
        for path in sorted((DOCS / "decisions").glob("0*.md"))
        if (found := _TITLE.search(path.read_text("utf-8")))
    ]
    return "# Decisions\n\nWhat was decided, why, and what was measured before.\n\n" + "".join(
        f"- [{title}]({name})\n" for name, title in titles
    )


PAGES: Mapping[str, Callable[[], str]] = {
    "reference/operations.md": operations,
    "reference/types.md": types,
    "reference/errors.md": errors,
    "reference/close-codes.md": close_codes,
    "reference/providers.md": providers,
    "decisions/README.md": decisions,
}
"""By where each stands in docs/."""


def main() -> int:
    """Write all pages, or say which are not as the code has it; the exit status."""
    is_check = "--check" in sys.argv[1:]
    stale = 0
    for name, made in PAGES.items():
        path, text = DOCS / name, made()
        there = path.read_text("utf-8") if path.exists() else ""
        if there == text:
            continue
        stale += 1
        if is_check:
            lines = difflib.unified_diff(
                there.splitlines(True), text.splitlines(True), f"docs/{name}", "from the code"
            )
            sys.stderr.writelines(lines)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            print(f"docs/{name}: written")
    if is_check:
        print(f"docs/reference: {len(PAGES)} pages, {stale} not as the code has it")
        if stale:
            print("To bring them up to date: make reference", file=sys.stderr)
    return 1 if is_check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
