"""Whether clients can do all that they could since the last release; what is taken back on purpose says why.

schema.graphql is compared with the versions that this branch has had of it since the newest release tag (`v*`), the
release's own included; before the first release with all of them. A shallow clone has fewer, and no clone none: then
what is left to compare with is the contract, which the tests do always.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

SCHEMA = "schema.graphql"
EXCUSES = Path("tests/documents/breaking.toml")
INSPECTOR = Path(__file__).parent.parent / "tests" / "documents" / "breaking.mjs"

HELP = f"""\
Clients that are written against an earlier schema fail on this. Keep it and mark it as deprecated, with a reason that
says what to use. If nobody can be using it yet, or it has to go, add it to {EXCUSES}, with why, and tell of it in
CHANGELOG.md."""


def main() -> int:
    """Print what is broken; the exit status."""
    olds = list(earlier())
    broken = breaking(Path(SCHEMA).read_text("utf-8"), olds)
    excused = tomllib.loads(EXCUSES.read_text("utf-8"))
    unexcused = {path: words for path, words in broken.items() if path not in excused}
    print(f"{SCHEMA}: {len(unexcused)} breaking changes to {len(olds)} earlier versions")
    for message in unexcused.values():
        print(f"{SCHEMA}: {message}", file=sys.stderr)
    if unexcused:
        print(HELP, file=sys.stderr)
    return 1 if unexcused else 0


def earlier() -> Iterator[str]:
    """The schemas that were offered since the last release; none where there is no history."""
    if shutil.which("git") is None or _git("rev-parse", "--git-dir").returncode != 0:
        return
    tag = _git("describe", "--tags", "--match=v*", "--abbrev=0")
    since = [f"{tag.stdout.strip()}..HEAD"] if tag.returncode == 0 else ["HEAD"]
    # Of a branch that was merged only what it ended with was ever offered.
    commits = _git("log", "--first-parent", "--format=%H", *since, "--", SCHEMA).stdout.split()
    for commit in [*commits, *(tag.stdout.split() if tag.returncode == 0 else ())]:
        shown = _git("show", f"{commit}:./{SCHEMA}")
        if shown.returncode == 0:
            yield shown.stdout


def breaking(schema: str, olds: Sequence[str]) -> Mapping[str, str]:
    """What clients of the old schemas can no longer do: a sentence for each place, such as `Campaign.name`."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, text in enumerate([schema, *olds]):
            paths.append(Path(folder) / f"{number}.graphql")
            paths[-1].write_text(text, "utf-8")
        told = subprocess.run(
            ["node", str(INSPECTOR), *map(str, paths)], check=True, stdout=subprocess.PIPE
        )
    return {found["path"]: found["message"] for found in json.loads(told.stdout)}


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *words], check=False, capture_output=True, text=True, encoding="utf-8"
    )


if __name__ == "__main__":
    sys.exit(main())
