"""The command `gql-server keys`: who may come in, as what, and for how long."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from gql_server import auth
from gql_server.cli_database import AsJson, Id, NewWorkspace, Workspace, checked, with_database
from gql_server.cli_run import refused, settings_of, written
from gql_server.clock import utc_now
from gql_server.database import Database
from gql_server.key_hash import KeyHashes
from gql_server.key_secret import key_hashes
from gql_server.settings import Settings
from gql_server.store import audit, installation, keys, workspaces
from gql_server.store.audit import Action, Done
from gql_server.store.keys import Key

keys_app = typer.Typer(help="API keys.", no_args_is_help=True)

LONGEST = timedelta(days=3660)
"""Ten years: far less than what dates can take."""

_DURATION = re.compile(r"(\d{1,6})(m|h|d)\Z", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}

ExpiresIn = Annotated[
    str | None,
    typer.Option(
        help="How long it is good, e.g. 90d, 12h or 30m, or until when: 2027-01-31, or with a time "
        "2027-01-31T12:00:00Z.",
        show_default="for ever",
    ),
]


@keys_app.command("create")
def create_key(
    workspace: NewWorkspace,
    scopes: Annotated[
        str | None,
        typer.Option(help=f"Separated by commas, of: {', '.join(auth.SCOPES)}. All but admin."),
    ] = None,
    expires_in: ExpiresIn = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key and print it: it is shown once, and never again."""
    wanted = auth.DEFAULT_SCOPES
    if scopes is not None:
        wanted = frozenset(scope.strip() for scope in scopes.split(","))
    if unknown := wanted - set(auth.SCOPES):
        raise refused(
            f"There is no scope {sorted(unknown)[0]!r}; there are: {', '.join(auth.SCOPES)}."
        )
    checked(workspace)
    now = utc_now()
    expires_at = None if expires_in is None else _end("--expires-in", expires_in, now)
    settings = settings_of()

    async def add(db: Database) -> tuple[str, Key]:
        text, key = auth.new_key(
            workspace, wanted, now=now, hashes=await _hashes(db, settings), expires_at=expires_at
        )
        await workspaces.ensure(db, workspace, now=now)
        await _note(db, workspace, Action.KEY_CREATED, key.id)
        await keys.add(db, key)
        return text, key

    text, key = with_database(settings, add)
    _show(text, key, as_json=as_json)


@keys_app.command("list")
def list_keys(workspace: Workspace, as_json: AsJson = False) -> None:
    """List a workspace's keys, without their secrets: when each was made, ends, and was used last.

    The last use is up to a minute old.
    """
    checked(workspace)
    found = with_database(settings_of(), lambda db: keys.of_workspace(db.latest, workspace))
    if as_json:
        typer.echo(json.dumps([_row(key) for key in found]))
        return
    for key in found:
        ends = f"expires {_written(key.expires_at, 'never')}"
        used = f"used {_written(key.last_used_at, 'never')}"
        scopes = ",".join(sorted(key.scopes))
        typer.echo(f"{key.id}  {written(key.created_at)}  {ends}  {used}  {scopes}")


@keys_app.command("rotate")
def rotate_key(
    workspace: Workspace,
    key_id: Id,
    overlap: Annotated[
        str, typer.Option(help="How long the old key stays good: 24h, 7d, 30m, or 0h.")
    ] = "24h",
    expires_in: ExpiresIn = None,
    as_json: AsJson = False,
) -> None:
    """Make a key that takes another one's place, with the same scopes, and print it.

    The old one stays good for the overlap, so that nothing fails while the new one is put in place; then it expires,
    and what is still open with it is closed with 4403. A key that has an end is followed by one with the same lifetime.
    """
    checked(workspace)
    now = utc_now()
    until = now if overlap.strip() in ("0", "0m", "0h", "0d") else _end("--overlap", overlap, now)
    expires_at = None if expires_in is None else _end("--expires-in", expires_in, now)
    settings = settings_of()

    async def rotate(db: Database) -> tuple[str, Key] | str:
        text, key = auth.new_key(
            workspace,
            frozenset(),
            now=now,
            hashes=await _hashes(db, settings),
            expires_at=expires_at,
        )
        made = await keys.rotate(
            db, workspace, key_id, successor=key, until=until, now=now, by=audit.COMMAND
        )
        if made is not None:
            return text, made
        old = await keys.one(db.latest, key_id)
        if old is None or old.workspace != workspace:
            return _NO_KEY
        if old.replaced_by is not None:
            return f"This key was rotated already, to {old.replaced_by}: rotate that one."
        return "This key has expired: make a new one with `gql-server keys create`."

    done = with_database(settings, rotate)
    if isinstance(done, str):
        raise refused(done)
    text, made = done
    more = {"replaces": key_id, "replacedExpiresAt": written(until)}
    _show(text, made, as_json=as_json, more=more)
    if not as_json:
        typer.echo(f"The old key, {key_id}, is good until {written(until)} at most.", err=True)


@keys_app.command("revoke")
def revoke_key(workspace: Workspace, key_id: Id, as_json: AsJson = False) -> None:
    """Revoke a key by its id, the part between the underscores.

    New requests with it are refused within 5 seconds, and websockets and streams that are open with it are closed
    within 10 (with 4403), on every server.
    """
    checked(workspace)

    async def revoke(db: Database) -> bool:
        found = await keys.one(db.latest, key_id)
        if found is None or found.workspace != workspace:
            return False
        await _note(db, workspace, Action.KEY_REVOKED, key_id)
        return await keys.remove(db, workspace, key_id)

    if not with_database(settings_of(), revoke):
        raise refused(_NO_KEY)
    if as_json:
        typer.echo(json.dumps({"id": key_id, "workspace": workspace, "revoked": True}))


@keys_app.command("forget-secret")
def forget_secret(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Start again with another GQL_SECRET, since the one that keys are kept by is lost.

    Keys that were made or used with it are not known any more: make new ones. Nothing else hangs on it.
    """
    if not yes:
        typer.confirm(
            "Keys that were used with the lost secret will never work again. Go on?", abort=True
        )

    async def forget(db: Database) -> None:
        await installation.mark_keys(db, None)

    with_database(settings_of(), forget)
    typer.echo("Set GQL_SECRET on all servers, start them, and make new keys.")


_NO_KEY = "This workspace has no key of this id; see `gql-server keys list`."


async def _note(db: Database, workspace: str, action: Action, key_id: str) -> None:
    await audit.add(db, Done(workspace, audit.COMMAND, action, key_id), at=utc_now())


async def _hashes(db: Database, settings: Settings) -> KeyHashes:
    return await key_hashes(db, settings.secret)


def _show(text: str, key: Key, *, as_json: bool, more: dict[str, str] | None = None) -> None:
    if as_json:
        shown: dict[str, Any] = {
            "apiKey": text,
            "id": key.id,
            "workspace": key.workspace,
            "scopes": sorted(key.scopes),
            "expiresAt": _written(key.expires_at, None),
        }
        typer.echo(json.dumps(shown | (more or {})))
    else:
        typer.echo(text)
        typer.echo("Keep it now: only a hash of it is stored.", err=True)


def _row(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "scopes": sorted(key.scopes),
        "createdAt": written(key.created_at),
        "expiresAt": _written(key.expires_at, None),
        "lastUsedAt": _written(key.last_used_at, None),
        "replacedBy": key.replaced_by,
    }


def _written(at: datetime | None, none: str | None) -> str | None:
    return none if at is None else written(at)


def _end(option: str, text: str, now: datetime) -> datetime:
    """A time after now, from `90d`, `12h`, `30m`, or a date; ends the command where it is none."""
    text = text.strip()
    try:
        if match := _DURATION.match(text):
            end = now + timedelta(**{_UNITS[match[2]]: int(match[1])})
        else:
            end = datetime.fromisoformat(text)
            end = end.replace(tzinfo=UTC) if end.tzinfo is None else end.astimezone(UTC)
    except (ValueError, OverflowError):
        raise refused(f"{option} takes a time such as 90d, 12h or 30m, or a date.") from None
    if not now < end <= now + LONGEST:
        raise refused(f"{option} must end after now, and within ten years.")
    return end
