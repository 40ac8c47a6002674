"""Which values of the settings are possible: what would fail later, or far away, is refused at the start."""

from ipaddress import ip_network
from typing import TYPE_CHECKING

from gql_server.buses import check_bus
from gql_server.errors import StartError
from gql_server.origins import check_origins

if TYPE_CHECKING:
    from gql_server.settings import Settings

PREFIX = "GQL_"

MOST_WORKERS = 64
MOST_LANES = 16
MOST_DRAIN = 600
MOST_DOCUMENTS = 1_000_000
MOST_FILES = 1000
MOST_LINES = 1_000_000_000
MOST_CONNECTIONS = 1_000_000
"""Far more than one process can serve."""

MOST_HOURS = 24 * 366
"""A year: far less than what MongoDB's indexes and Python's dates can take."""
MOST_ORPHANS = 10_000_000
MOST_MEGABYTES = 16 * 1024
MOST_EXPORT_MEGABYTES = 1024 * 1024
MOST_SECONDS = 600
MOST_POINTS = 10**9

SHORTEST_SECRET = 32


def check(settings: "Settings") -> None:
    """Refuse what is not possible.

    :raises StartError: it says which setting it is, and what is possible.
    """
    if settings.mongo_driver not in ("motor", "pymongo"):
        raise StartError("GQL_MONGO_DRIVER must be motor or pymongo")
    check_bus(settings.broadcast_url)
    if settings.compression not in ("on", "off"):
        raise StartError("GQL_COMPRESSION must be on or off")
    if settings.log_format not in ("auto", "json", "text"):
        raise StartError("GQL_LOG_FORMAT must be auto, json or text")
    if settings.log_level not in ("debug", "info", "warning", "error"):
        raise StartError("GQL_LOG_LEVEL must be debug, info, warning or error")
    if not 0 <= settings.port <= 65535:
        raise StartError("GQL_PORT must be 0 to 65535")
    if not 0 <= settings.workers <= MOST_WORKERS:
        raise StartError(f"GQL_WORKERS must be 0 to {MOST_WORKERS}")
    if not 1 <= settings.outbox_hours <= MOST_HOURS:
        raise StartError(f"GQL_OUTBOX_HOURS must be 1 to {MOST_HOURS}")
    if not 1 <= settings.lanes <= MOST_LANES:
        raise StartError(f"GQL_LANES must be 1 to {MOST_LANES}")
    if not 0 <= settings.waiting_expires_after <= MOST_HOURS:
        raise StartError(
            f"GQL_WAITING_EXPIRES_AFTER must be 1 to {MOST_HOURS} hours, or 0 for never"
        )
    if not 1 <= settings.orphans_per_source <= MOST_ORPHANS:
        raise StartError(f"GQL_ORPHANS_PER_SOURCE must be 1 to {MOST_ORPHANS}")
    _check_answers(settings)
    _check_operations(settings)
    _check_connections(settings)
    _check_access(settings)
    check_origins(settings.allowed_origins)
    if settings.public_url is not None and not settings.public_url.startswith(
        ("http://", "https://")
    ):
        raise StartError("GQL_PUBLIC_URL must begin with http:// or https://")


def _check_answers(settings: "Settings") -> None:
    if settings.trusted_documents not in ("off", "prefer", "require"):
        raise StartError("GQL_TRUSTED_DOCUMENTS must be off, prefer or require")
    if settings.trusted_documents == "require" and not settings.trusted_documents_files:
        raise StartError(
            "GQL_TRUSTED_DOCUMENTS=require would refuse everything: name the manifests of your apps in "
            "GQL_TRUSTED_DOCUMENTS_FILES"
        )
    if not 0 <= settings.answer_cache_mb <= MOST_MEGABYTES:
        raise StartError(f"GQL_ANSWER_CACHE_MB must be 0 to {MOST_MEGABYTES}")


def _check_operations(settings: "Settings") -> None:
    if settings.introspection not in ("all", "admin", "off"):
        raise StartError("GQL_INTROSPECTION must be all, admin or off")
    if not 1 <= settings.operation_seconds <= MOST_SECONDS:
        raise StartError(f"GQL_OPERATION_SECONDS must be 1 to {MOST_SECONDS}")
    if not 0 <= settings.cost_per_minute <= MOST_POINTS:
        raise StartError(f"GQL_COST_PER_MINUTE must be 1 to {MOST_POINTS}, or 0 for no limit")
    if not 0 <= settings.new_documents_per_minute <= MOST_DOCUMENTS:
        raise StartError(
            f"GQL_NEW_DOCUMENTS_PER_MINUTE must be 1 to {MOST_DOCUMENTS}, or 0 for no limit"
        )


def _check_access(settings: "Settings") -> None:
    for proxy in settings.trusted_proxies:
        try:
            ip_network(proxy)
        except ValueError:
            raise StartError(
                "GQL_TRUSTED_PROXIES holds something that is neither an address nor a network, e.g. 10.0.0.0/8"
            ) from None
    if not 0 <= settings.sign_in_attempts <= MOST_CONNECTIONS:
        raise StartError(
            f"GQL_SIGN_IN_ATTEMPTS must be 1 to {MOST_CONNECTIONS}, or 0 for any number"
        )
    if any(len(secret) < SHORTEST_SECRET for secret in settings.secret):
        raise StartError(
            f"A secret in GQL_SECRET must have {SHORTEST_SECRET} characters or more: openssl rand -hex 32 makes one"
        )


def _check_connections(settings: "Settings") -> None:
    bounds = {
        "most_connections": MOST_CONNECTIONS,
        "most_connections_of_a_key": MOST_CONNECTIONS,
        "most_operations": MOST_CONNECTIONS,
        "most_operations_of_a_key": MOST_CONNECTIONS,
        "most_exports": MOST_FILES,
        "most_imports": MOST_FILES,
        "most_import_lines": MOST_LINES,
    }
    for name, most in bounds.items():
        if not 1 <= getattr(settings, name) <= most:
            raise StartError(f"{PREFIX}{name.upper()} must be 1 to {most}")
    if not 0 <= settings.export_disk_mb <= MOST_EXPORT_MEGABYTES:
        raise StartError(f"GQL_EXPORT_DISK_MB must be 0 to {MOST_EXPORT_MEGABYTES}")
    if not 0 <= settings.drain_seconds <= MOST_DRAIN:
        raise StartError(f"GQL_DRAIN_SECONDS must be 0 to {MOST_DRAIN}")
    if not 0 <= settings.shutdown_delay_seconds <= MOST_DRAIN:
        raise StartError(f"GQL_SHUTDOWN_DELAY_SECONDS must be 0 to {MOST_DRAIN}")
