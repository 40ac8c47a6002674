"""What each error code means and what to do about it, in the words of docs/reference/errors.md."""

from collections.abc import Mapping
from typing import Final

MEANINGS: Final[Mapping[str, tuple[str, str]]] = {
    "ALREADY_SENT": (
        "The time of a campaign cannot be moved: receipts have come in.",
        "Leave `sentAt` as it is; the name may change.",
    ),
    "AMBIGUOUS_COLUMN": (
        "Several columns of the file may be the one.",
        "Say which: `?number=2`, or by its title.",
    ),
    "BAD_COMPRESSION": (
        "The file is not packed by gzip, or is damaged or cut off.",
        "Pack it again, send it again.",
    ),
    "BAD_REQUEST": (
        "This is no request of GraphQL, or parts of it contradict each other.",
        "Mend the client.",
    ),
    "BAD_SIGNATURE": (
        "The signature is missing or wrong, where the source has a secret.",
        "Compare the secret, and `GQL_PUBLIC_URL`: several providers sign over the address.",
    ),
    "BAD_USER_INPUT": (
        "A variable or a parameter has a value of a wrong type, or an impossible one.",
        "Mend it.",
    ),
    "BLACKLISTED": (
        "The number is on the blacklist: a line was taken, and its recipient gets no SMS; a contact is not restored.",
        "Nothing; or take it off the blacklist first.",
    ),
    "COMPRESSION_BOMB": (
        "The file unpacks to much more than lists of people do.",
        "Send it unpacked.",
    ),
    "COUNTRY_CODE_REQUIRED": (
        "To erase a person, the number must not be guessed.",
        "Write it with `+` or `00` and the country code.",
    ),
    "DOCUMENT_NOT_FOUND": (
        "No document of a manifest has this id, or documents are not found by id here.",
        "Deploy the app's manifest before the app: [documents](../documents.md).",
    ),
    "DOCUMENT_NOT_TRUSTED": (
        "Documents of manifests alone are executed here (`GQL_TRUSTED_DOCUMENTS=require`).",
        "Add the document to a manifest.",
    ),
    "DUPLICATE_CONTACT": ("The address book has this number.", "Change that contact."),
    "DUPLICATE_RECIPIENT": ("The campaign has this number already.", "Nothing: it gets one SMS."),
    "EMPTY_FILE": ("There is nothing in the file.", "Send another one."),
    "ERASED_RECIPIENT": (
        "This person was erased and is not added again.",
        "If they opted in since: `gql-server erase --lift` ([privacy](../privacy.md)).",
    ),
    "ERASURE_GOES_ON": (
        "The erasure takes longer than an answer may; it goes on.",
        "Ask again to wait for its end.",
    ),
    "FORBIDDEN": (
        "The key is good, but lacks the scope.",
        "Use one that has it: [access](../access.md#scopes).",
    ),
    "FORMULA": ("There is a formula where a number should be.", "Save the file with values."),
    "GRAPHQL_PARSE_FAILED": ("The document is no GraphQL, or too long.", "Mend it."),
    "GRAPHQL_VALIDATION_FAILED": (
        "The document does not fit the schema.",
        "Compare it with [types](types.md).",
    ),
    "IDEMPOTENCY_KEY_REUSED": (
        "This Idempotency-Key was used for another file, or elsewhere.",
        "Take a new key for each file.",
    ),
    "IMPORT_IN_PROGRESS": (
        "An import under this Idempotency-Key is running.",
        "If it was cut off: send the file again in a few seconds.",
    ),
    "INTERNAL_ERROR": (
        "Something went wrong on our side.",
        "Try again later; `extensions.errorId` finds it in the log. Please report it.",
    ),
    "INTROSPECTION_DISABLED": ("This key may not look at the schema.", "See `GQL_INTROSPECTION`."),
    "INVALID_CURSOR": (
        "The cursor is damaged, or of another list, filter, order or workspace.",
        "Ask again without it.",
    ),
    "INVALID_ID": ("This can be no id.", "Ids are opaque: give them back as they came."),
    "INVALID_INTERVAL": (
        "`minIntervalMs` is out of its range.",
        "See [subscriptions](operations.md#subscriptions).",
    ),
    "INVALID_JSON": (
        "The line is no JSON object, or something in it is of a wrong type.",
        "Mend the line.",
    ),
    "INVALID_NUMBER": (
        "This is no phone number.",
        "Write it in international form: `+` and the country code first.",
    ),
    "INVALID_PAGE_SIZE": (
        "A page or a breakdown is too large or too small, or both ways.",
        "Ask for less.",
    ),
    "INVALID_RANGE": ("The beginning lies behind the end, or before the first.", "Mend it."),
    "INVALID_SEARCH": (
        "This can be no search: too long, or a number of too few digits.",
        "The message says what can.",
    ),
    "INVALID_TIME": ("The time of a sending is in no year that can be.", "Mend it."),
    "MESSAGES_EXPIRED": (
        "The campaign's messages were deleted, for they were older than the workspace keeps them.",
        "Its figures stay: ask for these.",
    ),
    "METHOD_NOT_ALLOWED": ("Another method of HTTP is needed here.", "See the header `Allow`."),
    "MISSING_COLUMN": (
        "No column can be told to hold the numbers.",
        "Say which: `?number=2`, or by its title.",
    ),
    "MISSING_NUMBER": ("There is no number in the line.", "Mend the line."),
    "NOT_FOUND": (
        "There is nothing of this id or address in this workspace.",
        "Ask for what there is.",
    ),
    "NOT_RECORDED": (
        "The receipt cannot be recorded. It is kept, and tried again.",
        "The server's log says why. Please report it.",
    ),
    "NO_TEXT": (
        "There are bytes that are no text in the encoding of the file.",
        "Say `?encoding=`.",
    ),
    "PERSISTED_QUERY_NOT_FOUND": (
        "The document of this hash is not known yet.",
        "Send it with its text: clients do so.",
    ),
    "PERSISTED_QUERY_NOT_SUPPORTED": ("Hashes are not taken here.", "Send texts: clients do so."),
    "PROVIDER_ID_TAKEN": (
        "Another message of the workspace has this id of the provider.",
        "Bind the right one.",
    ),
    "RATE_LIMITED": (
        "The key has asked for more than it may in a minute.",
        "Wait for `extensions.retryAfter` seconds (`Retry-After`): [limits](../limits.md#of-one-key).",
    ),
    "RECIPIENT_NEEDED": (
        "This id of the provider covers several recipients.",
        "Write `id:number`.",
    ),
    "REQUIRED": ("Something that is needed is missing or empty.", "`field` says what."),
    "ROUNDED_NUMBER": (
        "A spreadsheet has rounded the number.",
        "Format the column as text, and enter it again.",
    ),
    "TIMEOUT": (
        "It took too long: an operation, or a file of which nothing more came.",
        "Ask for less; send it again. A mutation may have been done: ask.",
    ),
    "TOO_COMPLEX": (
        "The document asks for too much at once.",
        "Ask in several: [limits](../limits.md).",
    ),
    "TOO_LARGE": ("The body or the headers have too many bytes.", "Send less at once."),
    "TOO_LONG": ("A text, a line or a name is too long.", "The message says how long it may be."),
    "TOO_MANY": ("There are more of them in one call than may be.", "Send them in several calls."),
    "TOO_MANY_ATTEMPTS": (
        "From this address what was no key was shown too often.",
        "Wait for `Retry-After` seconds; then come with a good key.",
    ),
    "TOO_MANY_CELLS": (
        "The line has more cells than there are columns.",
        "Put quotes around what holds a delimiter.",
    ),
    "TOO_MANY_COLUMNS": ("The table has too many columns.", "Send those that matter."),
    "TOO_MANY_CONNECTIONS": (
        "There is no room for one more connection.",
        "Come again later: clients do so.",
    ),
    "TOO_MANY_EXPORTS": (
        "As many files are on their way as may be.",
        "Come again after `Retry-After` seconds.",
    ),
    "TOO_MANY_IMPORTS": (
        "As many files come in as may.",
        "Come again after `Retry-After` seconds.",
    ),
    "TOO_MANY_LINES": (
        "The file has more lines than may be (`GQL_MOST_IMPORT_LINES`).",
        "Send it in parts.",
    ),
    "TOO_MANY_OPERATIONS": (
        "There are too many operations on this websocket, or of this key.",
        "End some, or open another one.",
    ),
    "TOO_MANY_ROWS": (
        "The operation asks for too many rows.",
        "Ask for smaller pages: [limits](../limits.md).",
    ),
    "UNAUTHENTICATED": (
        "No key, or one that is not known, has expired or was revoked.",
        "Show a good one.",
    ),
    "UNAVAILABLE": (
        "Overload, or the database cannot be reached just now.",
        "Come again after `Retry-After` seconds; nothing was done, or the answer says so.",
    ),
    "UNBALANCED_QUOTES": ("A quote is opened and not closed.", "Mend the line."),
    "UNKNOWN_PROVIDER": ("There is no such provider.", "See [providers](providers.md)."),
    "UNREADABLE": (
        "This can never be read as a receipt of this provider.",
        "The message names the field.",
    ),
    "UNSUPPORTED_COMBINATION": (
        "This filter is not offered in this order.",
        "The message says what is.",
    ),
    "UNSUPPORTED_ENCODING": (
        "A file is packed by something else than gzip.",
        "Pack it by gzip, or not at all.",
    ),
    "UNSUPPORTED_FORMAT": ("The file is no table of text.", "Save it as CSV."),
    "UNSUPPORTED_MEDIA_TYPE": (
        "The body's content type is not taken here.",
        "The message says which is.",
    ),
}
"""By the code: what it means, what to do."""
