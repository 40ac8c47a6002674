"""What can go wrong, each with the words that a person needs and the code that a program needs."""

from dataclasses import dataclass


class StartError(Exception):
    """The server cannot start; the message says why and what to do about it."""


class PublicError(Exception):
    """A mistake of the caller: `message` is for a person, `code` is stable and for a program.

    The message is sent to the caller as it is, so it never holds a phone number or a value that
    another caller wrote.
    """

    code = "BAD_REQUEST"

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code


class Unauthenticated(PublicError):
    """No key, or one that is not known, has expired or was revoked."""

    code = "UNAUTHENTICATED"


class WrongKey(Unauthenticated):
    """What was shown was never good, so that it may be a guess: it counts as a failed attempt."""


class TooManyAttempts(PublicError):
    """From this address what was no key was shown too often; it has to wait for so many seconds."""

    code = "TOO_MANY_ATTEMPTS"

    def __init__(self, retry_after: int) -> None:
        super().__init__("Too many failed attempts to sign in from this address; try again later.")
        self.retry_after = retry_after


class Forbidden(PublicError):
    """The key is good, but lacks the scope for this."""

    code = "FORBIDDEN"


class MessagesExpired(PublicError):
    """The campaign's messages are deleted, for they were older than its workspace keeps them."""

    code = "MESSAGES_EXPIRED"

    def __init__(self) -> None:
        super().__init__(
            "This campaign's messages were deleted: they are older than the workspace keeps them. Its figures stay."
        )


class InvalidCursor(PublicError):
    """The cursor is damaged, or belongs to another list, filter, order, campaign or workspace."""

    code = "INVALID_CURSOR"

    def __init__(self) -> None:
        super().__init__(
            "This cursor does not belong here: it was made for another list, filter or order, or "
            "it is damaged. Ask again without it."
        )


class Unreadable(Exception):
    """A webhook's body that can never be read; the message names no value out of it."""


class Overloaded(Exception):
    """No room or no database in time; the sender is asked to come again."""


class Contended(Overloaded):
    """Others hold what it would have changed, and did not let go of it in time."""


class SnapshotTooOld(Overloaded):
    """One point in time was read for longer than the database keeps it (by default 5 minutes, the embedded one 1)."""


@dataclass(frozen=True, slots=True)
class UserError:
    """A mistake in a mutation's input, as data: where it is, a stable code, words for a person."""

    field: tuple[str, ...]
    code: str
    message: str


class FileRefused(PublicError):
    """A file that cannot be imported, or not any further: what is wrong is said of the file, never what stands in it.

    `status` is HTTP's.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message, code)
        self.status = status
        self.import_id: str | None = None
        """Of what is in of it, where something is."""


class TooManyImports(PublicError):
    """As many run as may at once, of this workspace or of this process."""

    code = "TOO_MANY_IMPORTS"

    def __init__(self, *, of_workspace: bool) -> None:
        super().__init__(
            "This workspace has too many imports at once; begin the next one when one has ended."
            if of_workspace
            else "There are too many imports at once; come again later."
        )
        self.of_workspace = of_workspace


class ImportInProgress(PublicError):
    """Somebody is at it: two at once would bring nothing in twice, but nobody could say what either has done."""

    code = "IMPORT_IN_PROGRESS"

    def __init__(self) -> None:
        super().__init__(
            "An import under this Idempotency-Key is running. If it was cut off, send the file again in a few seconds."
        )


class KeyReused(PublicError):
    """An idempotency key is one file's, into one place, read in one way."""

    code = "IDEMPOTENCY_KEY_REUSED"

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key was used for another file, for other parameters, or for somewhere else."
        )
