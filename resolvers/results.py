"""One result of an operation, encoded once for all who get it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson
from graphql import GraphQLError
from strawberry.types import ExecutionResult


@dataclass(frozen=True, slots=True)
class Stand:
    """Where an event begins and ends in its stream: from whom it may be the next one, and where that one then stands.

    Both are versions by slot, or any other numbers that only grow. `empty`: it tells that nothing happened.
    """

    since: Mapping[int, int]
    versions: Mapping[int, int]
    cursor: str | None = None
    empty: bool = False
    more: bool = False


class Result(ExecutionResult):
    """What one event gives, and where it stands in its stream, for those streams in which one can resume."""

    def __init__(
        self,
        data: dict[str, Any] | None,
        errors: list[GraphQLError] | None,
        extensions: dict[str, Any] | None = None,
        stand: Stand | None = None,
    ) -> None:
        super().__init__(data, errors, extensions)
        self.stand = stand

    @classmethod
    def of(cls, result: ExecutionResult, stand: Stand | None = None) -> "Result":
        """The same result, to be encoded once."""
        return cls(result.data, result.errors, result.extensions, stand)

    @cached_property
    def text(self) -> str:
        """The payload as JSON, for a text frame."""
        return self.encoded.decode()

    @property
    def encoded(self) -> bytes:
        """The payload as JSON: data, and errors and extensions where there are any."""
        payload: dict[str, Any] = {"data": self.data}
        if self.errors:
            payload["errors"] = [error.formatted for error in self.errors]
        if self.extensions:
            payload["extensions"] = self.extensions
        return orjson.dumps(payload)
