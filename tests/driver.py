"""The driver of MongoDB that this run of the tests uses: GQL_MONGO_DRIVER's, as a server would."""

import os

from gql_server.database import Database, open_database
from gql_server.settings import Settings

DRIVER = os.environ.get("GQL_MONGO_DRIVER", "motor")


async def opened(url: str, name: str) -> Database:
    """A database, by the driver of this run."""
    return await open_database(url, name, DRIVER)


def settings_for(mongo_url: str) -> Settings:
    """Settings of a server in a test: any free port, the driver of this run."""
    return Settings(mongodb_url=mongo_url, mongo_driver=DRIVER, port=0, log_level="warning")


def environment() -> dict[str, str]:
    """The environment of a process that a test starts: of ours nothing comes in from outside but the driver."""
    outside = {n: value for n, value in os.environ.items() if not n.startswith(("GQL_", "OTEL_"))}
    return {**outside, "GQL_MONGO_DRIVER": DRIVER}
