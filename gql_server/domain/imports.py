"""What an import is: a file of people on its way in, how far it has come, and what became of its lines."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class ImportState(StrEnum):
    """Where an import stands."""

    #: a server is at it
    RUNNING = "RUNNING"
    #: nobody is: the same file under the same key goes on with it
    INTERRUPTED = "INTERRUPTED"
    DONE = "DONE"
    #: the file cannot be read any further
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows so far."""

    rows: int = 0
    #: by what was done: added, and of these blacklisted; updated
    done: Mapping[str, int] = field(default_factory=dict)
    #: by code
    refused: Mapping[str, int] = field(default_factory=dict)
    #: lines that are kept with what was wrong with them
    listed: int = 0


@dataclass(frozen=True, slots=True)
class Import:
    """An import as it is kept."""

    id: str
    workspace: str
    #: where its people go: `CONTACTS`, `BLACKLIST`, or a campaign's id
    into: str
    state: ImportState
    #: so many lines of the file are in
    lines: int
    #: of these lines
    digest: bytes
    counts: Counts
    created_at: datetime
    changed_at: datetime
    #: what was wrong with the file: code and words
    failure: tuple[str, str] | None = None


CONTACTS = "contacts"
BLACKLIST = "blacklist"
OF_THE_WORKSPACE = frozenset({CONTACTS, BLACKLIST})
"""Where people go that are of no campaign."""

NOT_ADDED: Mapping[str, str] = {CONTACTS: "updated", BLACKLIST: "there"}
"""What becomes of those who need not be added: contacts are updated, entries of the blacklist stay. Of a campaign's
recipients those are counted who are blacklisted."""

BLACKLISTED = "BLACKLISTED"
"""The code of a line that was added, as one who gets no SMS."""

REASONS: Mapping[str, str] = {
    "INVALID_NUMBER": "This is no phone number; write it in international form, such as +33612345678.",
    "MISSING_NUMBER": "There is no number in this line.",
    "ROUNDED_NUMBER": "A spreadsheet has rounded this number, to 3.36123E+10 say: format the column as text, and enter "
    "it once more.",
    "FORMULA": "This is a formula, and no number.",
    "DUPLICATE_RECIPIENT": "The campaign has this number already, by an earlier line or from before.",
    "ERASED_RECIPIENT": "This person was erased and is not added again. If they opted in since: "
    "gql-server erase --lift.",
    "UNKNOWN_PROVIDER": "This provider is not known.",
    "PROVIDER_ID_TAKEN": "Another message of this workspace has this id of the provider.",
    "INVALID_ID": "An id of a provider has 1 to 200 characters and no space.",
    "TOO_MANY": "There are more ids, attributes or groups than one may have.",
    "REQUIRED": "An attribute or a group needs a name.",
    "TOO_LONG": "The line, or something in it, is too long.",
    "TOO_MANY_CELLS": "There are more cells than columns: a cell with a delimiter in it needs quotes around it.",
    "UNBALANCED_QUOTES": "A quote is opened and not closed, or stands in the middle of a cell.",
    "NO_TEXT": "There are bytes that are no text in the encoding of this file.",
    "INVALID_JSON": "This is no JSON object, or something in it is of another type than it should be.",
    BLACKLISTED: "Added, and gets no SMS: this number is on the blacklist.",
}
"""What is wrong with a line, in words, by its code. No value out of it is ever in them."""
