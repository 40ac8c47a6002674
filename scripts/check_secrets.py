"""Say what looks like a secret in the files of this repository, but for what is known to be none.

`python -m scripts.check_secrets` runs detect-secrets over all files in git. What it finds and `.secrets.baseline` does
not have is told, and fails. `--accept` writes the baseline anew: test vectors that providers publish, alphabets, and
keys that tests make up.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
BASELINE = ROOT / ".secrets.baseline"
TOOL = ("uv", "tool", "run", "detect-secrets==1.5.0", "scan", "--no-verify")
LEFT_OUT = r"(package-lock\.json|requirements\.lock|\.secrets\.baseline)$"
"""Hashes of what is locked, and of what is known."""


def main() -> int:
    """0: nothing new; 1: something is; and it is said where."""
    ran = subprocess.run(
        [str(Path(sys.executable).parent / TOOL[0]), *TOOL[1:], "--exclude-files", LEFT_OUT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        print("Secrets: the scanner cannot be had here; nothing is known, good or bad")
        return 0
    found: dict[str, list[dict[str, Any]]] = json.loads(ran.stdout)["results"]
    if "--accept" in sys.argv:
        kept = sorted(
            {(file, one["hashed_secret"]) for file, ones in found.items() for one in ones}
        )
        BASELINE.write_text("".join(f"{file} {hashed}\n" for file, hashed in kept))
        return 0
    known = {tuple(line.rsplit(" ", 1)) for line in BASELINE.read_text().splitlines()}
    new = [
        f"{file}:{one['line_number']}: {one['type']}"
        for file, ones in found.items()
        for one in ones
        if (file, one["hashed_secret"]) not in known
    ]
    print(
        "Secrets: "
        + ("; ".join(new) if new else f"none but {len(known)} that are known to be none")
    )
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main())
