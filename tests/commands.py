"""What MongoDB is asked for: every command that a database's own driver sends, and what MongoDB says it does for it."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bson.codec_options import CodecOptions, DatetimeConversion
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from gql_server.database import Database

# An index's bounds may be times that Python has not.
_BEYOND_PYTHON = CodecOptions[dict[str, Any]](datetime_conversion=DatetimeConversion.DATETIME_AUTO)
READS = ("find", "aggregate")
_OF_THE_DRIVER = (
    *("lsid", "readConcern", "writeConcern", "txnNumber", "startTransaction", "autocommit"),
    "maxTimeMS",
)


class Commands(CommandListener):
    """All commands since the last `clear`, in their order; those by which the driver keeps itself are left out."""

    def __init__(self) -> None:
        self.seen: list[Mapping[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name not in ("hello", "ping", "endSessions"):
            self.seen.append(dict(event.command))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass

    def clear(self) -> None:
        self.seen.clear()

    def reads(self) -> list[Mapping[str, Any]]:
        """The reads, without what the driver puts in."""
        return [_bare(command) for command in self.seen if next(iter(command)) in READS]

    def writes(self) -> list[Mapping[str, Any]]:
        """The writes that look for what they change, each as one that can be explained."""
        found: list[Mapping[str, Any]] = []
        for command in self.seen:
            bare = dict(_bare(command))
            if "findAndModify" in bare:
                found.append(bare)
            elif "update" in bare:
                found += [{**bare, "updates": [one]} for one in bare["updates"]]
            elif "delete" in bare:
                found += [{**bare, "deletes": [one]} for one in bare["deletes"]]
        return found

    def names(self) -> list[str]:
        """Each command, and the collection that it is for."""
        return [
            f"{name} {command[name]}" for command in self.seen for name in [next(iter(command))]
        ]


@contextlib.asynccontextmanager
async def listening(
    db: Database, mongo_url: str, driver: str = "pymongo"
) -> AsyncIterator[tuple[Database, Commands]]:
    """The same database by a driver of which every command is seen."""
    commands = Commands()
    client: Any
    if driver == "motor":
        client = AsyncIOMotorClient(mongo_url, tz_aware=True, event_listeners=[commands])
    else:
        client = AsyncMongoClient(mongo_url, tz_aware=True, event_listeners=[commands])
    heard = Database(client, db.name)
    try:
        yield heard, commands
    finally:
        await heard.close()


@dataclass(slots=True)
class Done:
    """What MongoDB did for a read."""

    stages: set[str] = field(default_factory=set)
    indexes: set[str] = field(default_factory=set)
    returned: int = 0
    keys: int = 0
    documents: int = 0


async def explained(db: Database, command: Mapping[str, Any]) -> Done:
    """How MongoDB answers this read, and what it looks at."""
    told = await db.collection("x").database.command(
        {"explain": command, "verbosity": "executionStats"}, codec_options=_BEYOND_PYTHON
    )
    inner = told["stages"][0]["$cursor"] if "stages" in told else told
    stats = inner["executionStats"]
    done = Done(
        returned=stats["nReturned"],
        keys=stats["totalKeysExamined"],
        documents=stats["totalDocsExamined"],
    )
    for stage in _stages(inner["queryPlanner"]["winningPlan"]):
        done.stages.add(stage["stage"])
        done.indexes |= {stage["indexName"]} if "indexName" in stage else set()
    for stage in told.get("stages", ())[1:]:
        done.stages |= stage.keys()
    return done


async def explained_write(db: Database, command: Mapping[str, Any]) -> Done:
    """How MongoDB finds what this write changes; nothing is changed."""
    told = await db.collection("x").database.command(
        {"explain": command, "verbosity": "queryPlanner"}, codec_options=_BEYOND_PYTHON
    )
    return Done(stages={stage["stage"] for stage in _stages(told["queryPlanner"]["winningPlan"])})


def _stages(plan: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(plan, Mapping):
        if isinstance(plan.get("stage"), str):
            yield plan
        for part in plan.values():
            yield from _stages(part)
    elif isinstance(plan, list):
        for part in plan:
            yield from _stages(part)


def _bare(command: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        name: value
        for name, value in command.items()
        if name not in _OF_THE_DRIVER and not name.startswith("$")
    }
