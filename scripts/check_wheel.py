"""Whether a wheel holds all that runs: both packages, the pages, packed ahead as well, the command."""

import sys
from zipfile import ZipFile

EXPECTED = (
    "gql_server/cli.py",
    "gql_server/py.typed",
    "gql_server/static/index.html",
    "gql_server/static/graphiql/index.html",
    "resolvers/schema.py",
)


def main(path: str) -> int:
    """Print what is missing; the exit status."""
    with ZipFile(path) as wheel:
        names = set(wheel.namelist())
    missing = [name for name in EXPECTED if name not in names]
    assets = [name for name in names if name.startswith("gql_server/static/assets/")]
    if not assets:
        missing.append("what the pages are made of")
    missing += [
        f"scripts that were packed ahead (*.js{ending})"
        for ending in (".br", ".gz")
        if assets and not any(name.endswith(f".js{ending}") for name in assets)
    ]
    if not any(name.endswith(".dist-info/entry_points.txt") for name in names):
        missing.append("the command gql-server")
    strange = sorted({name.split("/")[0] for name in names} - {"gql_server", "resolvers"})
    strange = [name for name in strange if not name.endswith(".dist-info")]
    for name in missing:
        print(f"{path} lacks {name}", file=sys.stderr)
    for name in strange:
        print(f"{path} holds {name}, which does not belong there", file=sys.stderr)
    if not missing and not strange:
        print(f"{path}: {len(names)} files, both packages and the pages")
    return 1 if missing or strange else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
