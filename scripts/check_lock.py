"""Whether the locks still answer what is asked for; unlike `make lock` it asks no registry.

Of Python it compares three things: what pyproject.toml asks for, what requirements.lock names, and what the packages
that are installed say of their own needs. Of Node.js, each package.json with its package-lock.json, in which no address
of a registry belongs: it would be asked, whichever somebody has set.
"""

import json
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name as canonical
from packaging.version import Version

_PIN = re.compile(r"(?P<name>[^\s=]+)==(?P<version>[^\s;]+)(?: ; (?P<marker>.+?))? \\$")
_HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?$")


def main() -> int:
    """Print what is wrong; the exit status."""
    project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))
    problems = list(check(project, Path("requirements.lock").read_text("utf-8").splitlines()))
    for problem in problems:
        print(f"requirements.lock: {problem}", file=sys.stderr)
    for lock in sorted(
        (*Path().glob("*/package-lock.json"), *Path().glob("*/*/package-lock.json"))
    ):
        for problem in check_npm(json.loads(lock.read_text("utf-8")), lock.parent):
            problems.append(problem)
            print(f"{lock}: {problem}", file=sys.stderr)
    if problems:
        print(
            "To bring them up to date: make lock, or npm install; then make setup.", file=sys.stderr
        )
    return 1 if problems else 0


def check(project: Mapping[str, Any], lines: Sequence[str]) -> Iterator[str]:
    """What is wrong with the lock, a sentence each."""
    pins: dict[str, list[tuple[Version, bool]]] = {}
    for number, line in enumerate(lines, start=1):
        if match := _PIN.match(line):
            here = match["marker"] is None or Marker(match["marker"]).evaluate()
            pins.setdefault(canonical(match["name"]), []).append((Version(match["version"]), here))
        elif not _HASH.match(line):
            yield f"line {number} is neither a package nor its hash: no address belongs here"
    asked = _asked(project)
    for requirement in asked:
        versions = [version for version, _ in pins.get(canonical(requirement.name), ())]
        if not any(requirement.specifier.contains(v, prereleases=True) for v in versions):
            yield f"nothing in it answers {requirement}"
    pinned = {(name, version) for name, found in pins.items() for version, here in found if here}
    needed, missing = _needed(asked)
    for name in sorted(missing):
        yield f"{name} is not installed here, so its needs cannot be compared: make setup"
    if not missing:
        for name, version in sorted(needed - pinned):
            yield f"{name} {version} is needed and installed, but not in it"
        for name, version in sorted(pinned - needed):
            yield f"{name} {version} is in it, but nothing needs it"


def check_npm(lock: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """What is wrong with a package-lock.json and the package.json of its folder and workspaces, a sentence each."""
    packages: Mapping[str, Mapping[str, Any]] = lock["packages"]
    own = {name for name in packages if "node_modules" not in name.split("/")}
    asked = json.loads((folder / "package.json").read_text("utf-8"))
    for name in sorted({"", *asked.get("workspaces", ())} ^ own):
        yield f"{name or folder} is in it, or among the workspaces, and not in both"
    for name in sorted(own):
        wanted = json.loads((folder / name / "package.json").read_text("utf-8"))
        for kind in ("dependencies", "devDependencies"):
            if packages[name].get(kind, {}) != wanted.get(kind, {}):
                yield f"it does not answer the {kind} of {Path(name) / 'package.json'}"
    for name, package in packages.items():
        if name in own or package.get("link"):
            continue
        if "resolved" in package:
            yield f"{name} has an address: no address belongs here (omit-lockfile-registry-resolved in .npmrc)"
        if not package.get("integrity") and not package.get("inBundle"):
            yield f"{name} has no hash"


def _asked(project: Mapping[str, Any]) -> list[Requirement]:
    extras = project["project"]["optional-dependencies"].values()
    texts = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *(text for extra in extras for text in extra),
    ]
    return [Requirement(text) for text in texts]


def _needed(asked: Sequence[Requirement]) -> tuple[set[tuple[str, Version]], set[str]]:
    """All that these requirements need on this machine, as installed; the names of what is not."""
    needed: set[tuple[str, Version]] = set()
    missing: set[str] = set()
    seen: set[tuple[str, str]] = set()
    waiting = [(requirement, "") for requirement in asked]
    while waiting:
        requirement, wanted_by_extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": wanted_by_extra}):
            continue
        for extra in ("", *requirement.extras):
            place = (canonical(requirement.name), extra)
            if place in seen:
                continue
            seen.add(place)
            try:
                found = distribution(requirement.name)
            except PackageNotFoundError:
                missing.add(place[0])
                break
            needed.add((place[0], Version(found.version)))
            waiting += [(Requirement(text), extra) for text in found.requires or ()]
    return needed, missing


if __name__ == "__main__":
    sys.exit(main())
