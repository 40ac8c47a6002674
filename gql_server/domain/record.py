"""Records: what has no life of its own, only values."""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def record(cls: type[T]) -> type[T]:
    """A frozen dataclass with slots, to whoever writes and checks the code; at run time without a guard.

    The guard of a frozen one sets each field by a call: a message is made in 0.6 us instead of 1.5, and two or three
    records are made for each receipt.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
