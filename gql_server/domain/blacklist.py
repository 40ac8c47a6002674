"""What the blacklist says of a number."""

from enum import StrEnum


class BlacklistReason(StrEnum):
    """Why a number gets no more SMS."""

    #: the recipient asked for no more
    UNSUBSCRIBED = "UNSUBSCRIBED"
    #: somebody of the workspace listed it
    MANUAL = "MANUAL"
