"""`gql-server demo` and `gql-server simulate`: the server with a campaign whose receipts keep arriving.

Server and simulated carrier share the process: the carrier posts some forty callbacks a second, which is a few
percent of a core, and there is no second process that could outlive the first.
"""

import asyncio
import contextlib
import json
import logging
import secrets
import shlex
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from logging.handlers import RotatingFileHandler
from pathlib import Path
from socket import socket
from urllib.parse import quote
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.progress import Progress
from starlette.types import ASGIApp

from gql_server import auth, pages, structured
from gql_server.app import Endpoint, create_app
from gql_server.carrier import Carrier, read_messages
from gql_server.demo_access import FILE, Access, forget_the_last, publish, withdraw
from gql_server.demo_door import demo_door
from gql_server.demo_past import furnish
from gql_server.demo_people import people
from gql_server.demo_screen import Board, say, shown
from gql_server.domain import ids
from gql_server.domain.campaign import SmsType
from gql_server.domain.source import Source
from gql_server.errors import Overloaded, StartError
from gql_server.intake import MOST_AT_ONCE
from gql_server.key_hash import KeyHashes
from gql_server.opening import connected
from gql_server.origins import address_of
from gql_server.pace import Interval
from gql_server.registration import NewCampaign
from gql_server.server import make_server
from gql_server.services import Services, utc_now
from gql_server.settings import Settings
from gql_server.simulator import Message, plan
from gql_server.sockets import listening_socket
from gql_server.store import keys, sources, workspaces

WORKSPACE = "demo"
ZONE = ZoneInfo("Europe/Paris")
"""Of the demo's source: smsmode writes times without zone."""
ORIGINS = ("http://localhost:*", "http://127.0.0.1:*")
"""Single-page apps under development may use the demo, unless GQL_ALLOWED_ORIGINS says which."""
LOG_FILE = "server.log"
LOG_BYTES = 5_000_000
PAUSE = 5.0
"""Seconds at most between two campaigns, for the eye."""

_SENDINGS = (
    (
        "Spring collection",
        "The spring collection is here: 20% off until Sunday. Reply STOP to opt out.",
    ),
    (
        "Private sale",
        "Our private sale opens tonight at 6 pm, for members only. Reply STOP to opt out.",
    ),
    (
        "Loyalty points",
        "Your loyalty points expire at the end of the month. Reply STOP to opt out.",
    ),
    ("Back in stock", "Good news: the item on your list is back in stock. Reply STOP to opt out."),
    ("Free delivery", "Free delivery all weekend, whatever you order. Reply STOP to opt out."),
)


async def run(
    settings: Settings,
    *,
    graphql: Callable[[Settings], Endpoint],
    minutes: float,
    recipients: int,
) -> None:
    """Serve, and send one campaign after the other, until a signal ends it.

    `graphql` makes the GraphQL endpoint for the settings of the demo.

    :raises StartError: the port or the data directory is taken, or there is no database.
    """
    console = Console()
    work = asyncio.create_task(_demo(settings, graphql, console, minutes * 60, recipients))

    def end() -> None:
        # Once: a second Ctrl-C would cut short what takes a second, and leave a mess.
        if not work.cancelling():
            work.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, end)
    try:
        await work
    except asyncio.CancelledError:
        if not work.cancelled():
            raise
    say(console, f"Stopped. The data stay in {settings.data_dir}.")


async def _demo(
    settings: Settings,
    graphql: Callable[[Settings], Endpoint],
    console: Console,
    duration: float,
    recipients: int,
) -> None:
    folder = settings.data_dir
    with contextlib.closing(listening_socket(settings.host, settings.port)) as listening:
        settings = replace(
            settings,
            port=listening.getsockname()[1],
            allowed_origins=settings.allowed_origins or ORIGINS,
        )
        say(console, "Starting MongoDB ..." if settings.mongodb_url is None else "Connecting ...")
        structured.configure(settings.log_level, settings.log_format)
        async with connected(settings, server=True, migrating=True) as db:
            with _logging_to(folder):
                await forget_the_last(db, folder)
                open_to: list[Access] = []
                door = demo_door(lambda: open_to[-1] if open_to else None, settings.port)
                application = create_app(settings, graphql=graphql(settings), db=db, also=[door])
                async with _serving(application, listening) as services:
                    try:
                        await _campaigns(services, console, duration, recipients, open_to.append)
                    finally:
                        say(console, "Stopping ...")
                        withdraw(folder)


@contextlib.asynccontextmanager
async def _serving(application: ASGIApp, listening: socket) -> AsyncIterator[Services]:
    """A server on this socket, once it answers: its services. It ends with the context."""
    started = asyncio.Event()
    server = make_server(application, on_started=started.set)
    # Signals are for the demo as a whole, from its first moment on.
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    waiting = asyncio.create_task(started.wait())
    try:
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not started.is_set():
            await serving
            raise StartError("the server ended before it had begun; its log says why")
        services: Services = server.lifespan.state["services"]
        yield services
    finally:
        waiting.cancel()
        server.should_exit = True
        await serving


async def _campaigns(
    services: Services,
    console: Console,
    duration: float,
    recipients: int,
    opened: Callable[[Access], None],
) -> None:
    """One campaign after the other, for ever; `opened` is told of each as soon as it can be looked at."""
    settings = services.settings
    access = await _new_access(services)
    await furnish(services, WORKSPACE)
    number = 0
    while True:
        name, text = _SENDINGS[number % len(_SENDINGS)]
        number += 1
        try:
            campaign, messages = await _new_campaign(services, console, name, text, recipients)
        except Overloaded:
            raise StartError("the database did not take a new campaign in time") from None
        # In a thread: a tenth of a second in which the server answers all the same.
        callbacks = await asyncio.to_thread(plan, messages, number, duration)
        access = replace(access, campaignId=ids.to_global("Campaign", campaign))
        publish(settings.data_dir, access)
        opened(access)
        _announce(console, access, settings, first=number == 1)
        carrier = Carrier(callbacks, access.webhookUrl, zone=ZONE)
        board = Board(carrier)
        watching = asyncio.create_task(_watch(services, campaign, board))
        try:
            async with shown(board, console):
                await carrier.run()
                await asyncio.sleep(min(PAUSE, duration / 20))
        finally:
            watching.cancel()
        if carrier.given_up:
            say(console, f"{carrier.given_up:,} receipts found no open door and were given up.")


async def _watch(services: Services, campaign: str, board: Board) -> None:
    async for picture in services.live.campaign(WORKSPACE, campaign, pace=Interval(0.25)):
        board.campaign, board.statistics = picture.campaign, picture.figures.statistics


async def _new_access(services: Services) -> Access:
    """A key with all scopes and a source of smsmode, in the demo's workspace; there is no campaign yet."""
    db, settings, now = services.db, services.settings, utc_now()
    await workspaces.ensure(db, WORKSPACE, now=now)
    hashes = KeyHashes(services.installation.secret, settings.secret)
    text, key = auth.new_key(WORKSPACE, frozenset(auth.SCOPES), now=now, hashes=hashes)
    await keys.add(db, key)
    token, token_hash = auth.new_token()
    source = Source(secrets.token_hex(8), WORKSPACE, "smsmode", (), ZONE.key)
    await sources.add(db, source, token_hash=token_hash, now=now)
    address = _address(settings)
    return Access(
        url=address,
        apiKey=text,
        workspace=WORKSPACE,
        campaignId="",
        webhookUrl=f"{address}/webhooks/smsmode/{token}",
    )


async def _new_campaign(
    services: Services, console: Console, name: str, text: str, recipients: int
) -> tuple[str, list[Message]]:
    """The id of a new campaign, and its messages as a carrier is handed them."""
    register = services.registration
    wanted = NewCampaign(name, text, sender="DEMO SHOP", type=SmsType.MARKETING, sent_at=None)
    campaign, refused = await register.create_campaign(WORKSPACE, wanted)
    if campaign is None:
        raise StartError(f"the demo's campaign was refused: {refused[0].message}")
    everyone = people(recipients)
    messages: list[Message] = []
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        shown_as = progress.add_task("Adding recipients", total=len(everyone))
        for first in range(0, len(everyone), MOST_AT_ONCE):
            some = everyone[first : first + MOST_AT_ONCE]
            added = await register.add_recipients(WORKSPACE, campaign, some)
            if added.errors:
                raise StartError(f"a recipient was refused: {added.errors[0].message}")
            messages += [
                Message(reference, person.number)
                for reference, person in zip(added.messages, some, strict=True)
            ]
            progress.advance(shown_as, len(some))
    return campaign, messages


def _announce(console: Console, access: Access, settings: Settings, *, first: bool) -> None:
    key, campaign = quote(access.apiKey, safe=""), quote(access.campaignId, safe="")
    link = f"{access.url}/graphiql/#key={key}&campaign={campaign}"
    query = (
        f"{{ campaign(id: {json.dumps(access.campaignId)}) "
        "{ name state statistics { revision total indicators { label count rate } } } }"
    )
    curl = [
        *("curl", "-s", f"{access.url}/graphql", "-H", "Content-Type: application/json"),
        *("-H", f"Authorization: Bearer {access.apiKey}", "-d", json.dumps({"query": query})),
    ]
    say(console)
    if first:
        if pages.built():
            say(console, f"Dashboard {access.url}/")
        say(console, f"Address   {access.url}")
        say(console, f"API key   {access.apiKey}")
        say(console, f"Webhook   {access.webhookUrl}")
    say(console, f"Campaign  {access.campaignId}")
    say(console, f"GraphiQL  {link}")
    say(console, f"Try       {shlex.join(curl)}")
    if first:
        say(
            console,
            f"All this is in {settings.data_dir / FILE}; the log is {settings.data_dir / LOG_FILE}.",
        )
        say(console, "Ctrl-C ends everything.")
    say(console)


def _address(settings: Settings) -> str:
    """Where a browser of this machine finds the server."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return address_of(host, settings.port)


@contextlib.contextmanager
def _logging_to(folder: Path) -> Iterator[None]:
    """Logs go to a file: on the screen they would tear the table apart."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = RotatingFileHandler(folder / LOG_FILE, maxBytes=LOG_BYTES, backupCount=1)
    except OSError as error:
        raise StartError(
            f"cannot write to {folder} ({error.strerror}): use another --data-dir"
        ) from None
    root = logging.getLogger()
    before = root.handlers
    file.setFormatter(before[0].formatter)
    root.handlers = [file]
    try:
        yield
    finally:
        root.handlers = before
        file.close()


async def simulate(access: Access, *, minutes: float, seed: int, zone: ZoneInfo) -> None:
    """Answer a campaign of any server, read over its API, and show how far it is.

    :raises StartError: server, campaign or webhook are not there, or receipts could not be delivered.
    """
    messages = await read_messages(access.url, access.apiKey, access.campaignId)
    carrier = Carrier(plan(messages, seed, minutes * 60), access.webhookUrl, zone=zone)
    with Progress() as progress:
        shown_as = progress.add_task("Receipts", total=carrier.total)
        posting = asyncio.create_task(carrier.run())
        while not posting.done():
            progress.update(shown_as, completed=carrier.posted)
            await asyncio.wait({posting}, timeout=0.2)
        progress.update(shown_as, completed=carrier.posted)
        await posting
    say(
        progress.console,
        f"{carrier.posted:,} receipts of {len(messages):,} messages are delivered.",
    )
    if carrier.given_up:
        raise StartError(f"{carrier.given_up:,} receipts found no open door and were given up")
