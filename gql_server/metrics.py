"""What is counted. No label ever holds a number, a token or a value of a caller.

Gauges say by their mode what becomes of those of several workers (`exposition.py`): a sum, or the highest of those that
look up the same number.
"""

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SUM: Literal["livesum"] = "livesum"
SAME: Literal["livemax"] = "livemax"

REGISTRY = CollectorRegistry()
"""Ours alone: what the libraries register for themselves stays out."""

WEBHOOKS = Counter(
    "gql_webhooks", "Requests to webhooks.", ["provider", "answer"], registry=REGISTRY
)
WEBHOOK_SECONDS = Histogram(
    "gql_webhook_seconds",
    "Time from a webhook's request to its answer: of a receipt, until it is durable.",
    ["provider"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 4),
    registry=REGISTRY,
)
RECEIPTS = Counter(
    "gql_receipts", "Delivery receipts, by what became of them.", ["outcome"], registry=REGISTRY
)
LINES_REFUSED = Counter(
    "gql_lines_refused",
    "Lines of NDJSON bodies that were not taken, by the code that was answered.",
    ["code"],
    registry=REGISTRY,
)
IMPORTS = Counter(
    "gql_imports",
    "Imports that ended: `done`, `failed` (the file could not be read any further) or `interrupted` (they can be gone "
    "on with).",
    ["outcome"],
    registry=REGISTRY,
)
IMPORTED = Counter(
    "gql_imported_rows",
    "Rows of imported files, by what became of them; those that are `blacklisted` are among those `added`.",
    ["outcome"],
    registry=REGISTRY,
)
UNKNOWN_WORDS = Counter(
    "gql_unknown_words",
    "Receipts with a status word that we do not know: kept as WAITING.",
    ["provider"],
    registry=REGISTRY,
)
INBOUND = Counter(
    "gql_inbound",
    "Replies, by what they were taken for: `opt_out` and `opt_in` (STOP and START), `other`, and `no_number` where one "
    "of the first two came from a name or a short code.",
    ["provider", "meaning"],
    registry=REGISTRY,
)
LEFT_OUT = Counter(
    "gql_left_out",
    "Elements of lists that could not be read and were left out, where others of the list could.",
    ["provider"],
    registry=REGISTRY,
)
THROTTLED = Counter(
    "gql_throttled",
    "Operations that were refused because their key had no points left.",
    registry=REGISTRY,
)
QUEUE = Gauge(
    "gql_queue",
    "Receipts that wait to be committed; at most 20,000.",
    registry=REGISTRY,
    multiprocess_mode=SUM,
)
COMMIT_SECONDS = Histogram(
    "gql_commit_seconds",
    "Time of one commit, with all its attempts.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2.5),
    registry=REGISTRY,
)
BATCH_RECEIPTS = Histogram(
    "gql_batch_receipts",
    "Receipts that were committed together.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
    registry=REGISTRY,
)
RETRIES = Counter(
    "gql_transaction_retries",
    "Attempts of transactions that were made again: another writer was faster, or MongoDB faltered.",
    registry=REGISTRY,
)
ORPHANS = Gauge(
    "gql_orphans",
    "Parked receipts, whose message is not known, in the whole database: of several processes take max, not sum.",
    registry=REGISTRY,
    multiprocess_mode=SAME,
)
ORPHANS_DROPPED = Counter(
    "gql_orphans_dropped",
    "Parked receipts that were dropped because their source had parked too many.",
    registry=REGISTRY,
)
ORPHANS_JOINED = Counter(
    "gql_orphans_joined",
    "Parked receipts that met their message, by what became of them.",
    ["outcome"],
    registry=REGISTRY,
)
DEAD = Counter(
    "gql_dead_receipts",
    "Receipts that could not be committed and were put aside; expected 0.",
    registry=REGISTRY,
)
DEAD_PRESENT = Gauge(
    "gql_dead_receipts_present",
    "Receipts that are put aside now, in the whole database: of several processes take max, not sum. Expected 0.",
    registry=REGISTRY,
    multiprocess_mode=SAME,
)
EXPIRED = Counter(
    "gql_expired_messages", "Messages that waited too long for a receipt.", registry=REGISTRY
)
ERASED = Counter(
    "gql_erased_messages",
    "Messages whose recipient was erased, on request or because their time was over.",
    registry=REGISTRY,
)
ERASURES_UNFINISHED = Gauge(
    "gql_erasures_unfinished",
    "Erasures of persons that were begun and have not ended, in the whole database: of several processes take max, not "
    "sum. Expected 0.",
    registry=REGISTRY,
    multiprocess_mode=SAME,
)
REMOVED = Counter(
    "gql_removed_messages",
    "Messages that were deleted because their time was over.",
    registry=REGISTRY,
)
HYGIENE = Counter(
    "gql_hygiene",
    "Contacts that were REMOVED from the address book or RESTORED, numbers that were BLACKLISTED or LIFTED again, by "
    "receipts, replies and hands.",
    ["what"],
    registry=REGISTRY,
)
AUDIENCES_UNFINISHED = Gauge(
    "gql_audiences_unfinished",
    "Follow-up campaigns to which recipients are still to be added, in the whole database, as the process that runs "
    "the jobs has seen it last.",
    registry=REGISTRY,
    multiprocess_mode=SAME,
)
RETENTION_OVERDUE = Gauge(
    "gql_retention_overdue",
    "Campaigns whose time was over more than a day ago and whose messages are still there, in the whole database: of "
    "several processes take max, not sum. Expected 0.",
    registry=REGISTRY,
    multiprocess_mode=SAME,
)
RECOUNTED = Counter("gql_recounts", "Campaigns that were recounted.", registry=REGISTRY)
DIFFERENCE = Counter(
    "gql_recount_difference",
    "What recounts found wrong in counters, in sum without signs; expected 0 for ever.",
    registry=REGISTRY,
)
SLOTS = Gauge(
    "gql_writer_slots",
    "Writer slots that this process holds.",
    registry=REGISTRY,
    multiprocess_mode=SUM,
)
SHARES = Gauge(
    "gql_live_shares",
    "Executions that run for all equal subscriptions together.",
    registry=REGISTRY,
    multiprocess_mode=SUM,
)
SUBSCRIBERS = Gauge(
    "gql_live_subscribers",
    "Subscriptions that are served by such an execution.",
    registry=REGISTRY,
    multiprocess_mode=SUM,
)
EXECUTIONS = Counter(
    "gql_live_events",
    "Events that were executed and encoded once for all who share them.",
    registry=REGISTRY,
)
LIVE_EVENTS_SENT = Counter(
    "gql_live_events_sent",
    "Such events, once for each subscription that could take them.",
    registry=REGISTRY,
)
LIVE_SECONDS = Histogram(
    "gql_live_seconds",
    "Time from the hint that a watched campaign has changed until those who watch it here have the new figures.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2),
    registry=REGISTRY,
)
RESUMED = Counter(
    "gql_live_resumed",
    "Subscriptions that came back with a cursor: `resumed` without a gap, or `resync`, since it was too old, or of "
    "before a restore.",
    ["outcome"],
    registry=REGISTRY,
)
BUS_CONNECTED = Gauge(
    "gql_bus_connected",
    "Processes that hear the others by the bus.",
    registry=REGISTRY,
    multiprocess_mode=SUM,
)
OPERATION_SECONDS = Histogram(
    "gql_operation_seconds",
    "Time of a query or a mutation by HTTP.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
    registry=REGISTRY,
)
ERRORS = Counter(
    "gql_errors",
    "Errors that were answered to GraphQL operations, by code.",
    ["code"],
    registry=REGISTRY,
)
EXPORTS_OPEN = Gauge(
    "gql_exports",
    "Files of exports that are on their way.",
    registry=REGISTRY,
    multiprocess_mode=SUM,
)
EXPORTS = Counter(
    "gql_exports_ended",
    "Exports by HTTP, by how they ended: `whole`, `gone` (the reader left, or took nothing), `cut` (by us: an error, "
    "a key that was revoked, or the server stopped).",
    ["outcome"],
    registry=REGISTRY,
)
EXPORTED_ROWS = Counter(
    "gql_exported_rows", "Rows that were written into files of exports.", registry=REGISTRY
)
CONNECTIONS = Gauge(
    "gql_connections",
    "Websockets and HTTP streams (SSE, multipart) that are open.",
    registry=REGISTRY,
    multiprocess_mode=SUM,
)
DROPPED = Counter(
    "gql_connections_ended",
    "Connections that this server ended, by close code: 1012 it stops, 4403 the key, 4408 no sign of life.",
    ["code"],
    registry=REGISTRY,
)
SIGN_INS_REFUSED = Counter(
    "gql_sign_ins_refused",
    "Requests and websockets that were not let in: `none` showed nothing, `wrong` what was never good, `over` what is "
    "no longer, or is for others; `too_many` came from an address that failed too often.",
    ["why"],
    registry=REGISTRY,
)
JWKS_FETCHES = Counter(
    "gql_jwks_fetches",
    "Fetches of the identity provider's keys: `fetched` or `failed`.",
    ["outcome"],
    registry=REGISTRY,
)
ANSWERS = Counter(
    "gql_answers",
    "Queries by HTTP that could be answered from what is kept: `again` it was, `changed` since, or `new`.",
    ["outcome"],
    registry=REGISTRY,
)
