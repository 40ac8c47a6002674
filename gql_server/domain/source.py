"""What a source is: one configured provider account that posts receipts to us."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """One provider account of a workspace.

    `secrets` are those that a signature may be made with, several at a time so that one can be
    rotated; empty where the provider signs nothing. `time_zone` is the IANA name of the zone in
    which the provider's times without a zone are.
    """

    id: str
    workspace: str
    provider: str
    secrets: tuple[str, ...]
    time_zone: str
