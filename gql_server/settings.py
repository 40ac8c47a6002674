"""Every environment variable once, with its default and its meaning."""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gql_server.errors import StartError
from gql_server.possible import PREFIX, check

LARGEST_BODY = 1024 * 1024
"""Bytes of a request to /graphql; a thousand recipients are a fifth of it."""

OTHERS = {"GQL_API_KEY"}
"""Variables with the prefix that are read elsewhere: by commands which are clients of a server."""


def _setting(default: Any, meaning: str, shown: str | None = None) -> Any:
    """A field of `Settings`; `shown` is how the documentation writes the default."""
    shown = str(default) if shown is None else shown
    return field(default=default, metadata={"meaning": meaning, "default": shown})


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set, each field by the environment variable `GQL_` + its name in capitals."""

    mongodb_url: str | None = _setting(
        None,
        "A MongoDB replica set or sharded cluster, as `mongodb://` or `mongodb+srv://` URL. Unset: a real "
        "mongod is started as a child, on a unix socket in the data directory.",
        "unset: embedded",
    )
    mongodb_database: str = _setting("gql_server", "The database's name, where the URL names none.")
    mongo_driver: str = _setting(
        "motor", "The driver: `motor`, or `pymongo` for its successor AsyncMongoClient."
    )
    broadcast_url: str = _setting(
        "memory://",
        "The bus between server processes, as broadcaster writes it: `memory://` for one process, "
        "`redis://host:6379` for several, with `pip install 'gql-server[redis]'`; `local:///run/gql-server` (a folder) "
        "for several on one machine. The workers of one server need none.",
    )
    host: str = _setting("127.0.0.1", "The address to listen on.")
    port: int = _setting(8000, "The port to listen on; 0 takes a free one.")
    workers: int = _setting(
        0,
        "Processes of `gql-server serve`, on one address, that a parent starts, watches and replaces: about one a "
        "core, with one left for MongoDB where it runs on the same machine. `0`: one process, which has no parent; "
        "SIGHUP does nothing then. What is limited for each process is so for each of them. See `docs/operations.md`.",
    )
    public_url: str | None = _setting(
        None,
        "How the internet reaches this server, e.g. `https://reports.example.com`: for webhook addresses "
        "and for signatures that are made over the address. Unset: taken from each request.",
        "unset",
    )
    data_dir: Path = _setting(Path(".data"), "Where the embedded MongoDB keeps its files.")
    allowed_origins: tuple[str, ...] = _setting(
        (),
        "Origins of single-page apps that may query and subscribe, separated by commas, e.g. "
        "`https://app.example.com`. `http://localhost:*` stands for any port.",
        "none",
    )
    trusted_proxies: tuple[str, ...] = _setting(
        (),
        "Proxies in front of this server whose `X-Forwarded-For` and `X-Forwarded-Proto` count: addresses and "
        "networks, separated by commas, e.g. `10.0.0.0/8`. Nobody else's do.",
        "none",
    )
    sign_in_attempts: int = _setting(
        20,
        "What was no key may be shown so often in a minute from one address (of IPv6: one /64), before it has to wait. "
        "0: without end. Behind a proxy it needs `GQL_TRUSTED_PROXIES`.",
    )
    secret: tuple[str, ...] = _setting(
        (),
        "A secret of 32 characters or more that goes into the hashes of API keys, so that a stolen database alone is "
        "worth nothing; the same on every server and for the command. Several, separated by commas: the first is used, "
        "and keys from the time of the others go on working.",
        "none",
    )
    jwt_jwks_url: str | None = _setting(
        None,
        "Where your identity provider publishes its keys (JWKS, `https://`): its tokens (JWT) are let in. See "
        "`docs/access.md`.",
        "unset",
    )
    jwt_key_file: str | None = _setting(
        None,
        "Instead of that a file with the provider's public key or certificate in PEM, or with a secret that is shared "
        "with it.",
        "unset",
    )
    jwt_algorithms: tuple[str, ...] = _setting(
        ("RS256", "ES256", "EdDSA"),
        "The algorithms that tokens may be signed with, separated by commas.",
        "RS256,ES256,EdDSA",
    )
    jwt_issuer: str | None = _setting(
        None, "What tokens must have as `iss`, to the letter; required for tokens.", "unset"
    )
    jwt_audience: str | None = _setting(
        None, "What tokens must have in `aud`, to the letter; required for tokens.", "unset"
    )
    jwt_workspace_claim: str = _setting(
        "workspace", "The claim that names the workspace of a token."
    )
    jwt_scopes_claim: str = _setting(
        "scope",
        "The claim that names its scopes: text with blanks between them, or a list. Others than ours are passed over.",
    )
    outbox_hours: int = _setting(
        24, "How long a subscription can resume: changes are kept for this many hours."
    )
    lanes: int = _setting(
        3,
        "Receipts are committed in so many lanes at once; each leases a writer slot of its own, of 64 in all.",
    )
    waiting_expires_after: int = _setting(
        72,
        "Hours after its sending, or its registration if that was later, until a message of which nothing was "
        "heard counts as not delivered (`NO_RECEIPT`); any later receipt takes that back. 0: never.",
    )
    orphans_per_source: int = _setting(
        100_000,
        "Receipts of messages that are not known, kept for a week for each source; beyond that the oldest go.",
    )
    most_connections: int = _setting(
        20_000,
        "Websockets and HTTP streams that one process serves at once; one more is told to come again later.",
    )
    most_connections_of_a_key: int = _setting(
        10_000, "How many of these, in one process, may have been opened with the same key."
    )
    most_operations: int = _setting(
        100_000,
        "Subscriptions and other operations that run at once on all websockets of one process; one more is told so.",
    )
    most_operations_of_a_key: int = _setting(
        20_000,
        "How many of these, in one process, may be of the same key. On each websocket they are 50.",
    )
    drain_seconds: int = _setting(
        5,
        "Seconds over which a server that shall stop sends its subscribers away, so that they do not all come back "
        "at once.",
    )
    shutdown_delay_seconds: int = _setting(
        0,
        "Seconds that a server which shall stop goes on serving all, while `/health/ready` says 503 already: so long "
        "as proxies take to see it, e.g. 10. A second signal ends the waiting.",
    )
    trusted_documents: str = _setting(
        "prefer",
        "Which GraphQL documents are executed: `off`: texts alone; `prefer`: texts, those of the manifests by id, and "
        "what Apollo's clients register by its hash; `require`: those of the manifests alone.",
    )
    trusted_documents_files: tuple[str, ...] = _setting(
        (),
        "Manifests of trusted documents, as graphql-codegen, relay-compiler or Apollo write them: paths, separated by "
        "commas.",
        "none",
    )
    answer_cache_mb: int = _setting(
        32,
        "Megabytes of answers that one process keeps, to give them again as long as nothing has changed that they were "
        "made from. 0: none.",
    )
    introspection: str = _setting(
        "all",
        "Whose keys may look at the schema, and are told what they may have meant: `all`, `admin` (those with this "
        "scope), or `off`: nobody's. GraphiQL needs it.",
    )
    operation_seconds: int = _setting(
        10,
        "Seconds that one query or mutation may take; then it is answered with TIMEOUT, and MongoDB stops as well.",
    )
    cost_per_minute: int = _setting(
        600_000,
        "Points that the operations of one key may cost in a minute: one each, and one for each row that it asks for. "
        "Beyond that it is answered RATE_LIMITED, with Retry-After. Counted for all processes together where the bus "
        "is Redis. 0: no limit.",
    )
    new_documents_per_minute: int = _setting(
        1_200,
        "Documents of one key that a process reads anew in a minute, a quarter of them at once. Each takes as long as "
        "a page of 100, and pushes out one that is known. Apps have some dozens; who writes values into documents, and "
        "not as variables, has more. Beyond that it is answered RATE_LIMITED. 0: no limit.",
    )
    most_exports: int = _setting(
        8,
        "Files of exports that one process sends at once, half as many to one workspace; one more is answered "
        "TOO_MANY_EXPORTS.",
    )
    export_disk_mb: int = _setting(
        1024,
        "Megabytes that a process may keep of exports in temporary files (in `TMPDIR`) while their readers are slower "
        "than the database. Beyond that they are made at the pace of their readers, which may take longer than MongoDB "
        "keeps their point in time; then they are cut.",
    )
    most_imports: int = _setting(
        4,
        "Files of people that one process brings in at once, half of them of one workspace; one more is told to come "
        "again later.",
    )
    most_import_lines: int = _setting(5_000_000, "Lines of such a file.")
    compression: str = _setting(
        "on",
        "`on`: answers of 1 KiB and more are compressed (zstd, br, gzip); `off`: where a proxy in front does it.",
    )
    log_format: str = _setting(
        "auto",
        "`json`: an object a line; `text`: words for people; `auto`: text on a terminal, else JSON.",
    )
    log_level: str = _setting("info", "`debug`, `info`, `warning` or `error`.")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """The settings that the environment gives.

        :raises StartError: a value cannot be read, or is impossible.
        """
        environment = os.environ if environment is None else environment
        known = {PREFIX + item.name.upper(): item for item in dataclasses.fields(cls)}
        values: dict[str, Any] = {}
        for variable, item in known.items():
            text = environment.get(variable, "").strip()
            if text:
                values[item.name] = _read(variable, item.default, text)
        return cls(**values).checked()

    def checked(self) -> "Settings":
        """Itself, where its values are possible ones.

        :raises StartError: one is not; it says which, and what is.
        """
        check(self)
        return self


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Variables with our prefix that are no settings: a typing mistake, or another version's."""
    known = {PREFIX + item.name.upper() for item in dataclasses.fields(Settings)} | OTHERS
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)


def _read(variable: str, default: Any, text: str) -> Any:
    if isinstance(default, int):
        try:
            return int(text)
        except ValueError:
            raise StartError(f"{variable} must be a whole number") from None
    if isinstance(default, Path):
        return Path(text)
    if isinstance(default, tuple):
        return tuple(part.strip().rstrip("/") for part in text.split(",") if part.strip())
    return text
