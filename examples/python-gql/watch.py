"""python watch.py CAMPAIGN [CURSOR]: a campaign's figures and messages, as they change, over websockets.

It outlives restarts of the server: nothing is missed, nothing is told twice. CURSOR, which is printed at Ctrl-C, lets
this script itself go on where it was.
"""

import asyncio
import os
import random
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from gql import Client, gql
from gql.transport.exceptions import TransportError, TransportQueryError
from gql.transport.websockets import WebsocketsTransport

SERVER = os.environ.get("SERVER", "http://127.0.0.1:8000")
KEY = os.environ.get("KEY", "")

CAMPAIGN = "query Campaign($id: ID!) { campaign(id: $id) { name updatesCursor } }"

FIGURES = """subscription Figures($id: ID!) {
  campaignUpdated(id: $id) {
    statistics { revision total indicators { label count rate } }
  }
}"""

MESSAGES = """subscription Messages($id: ID!, $after: String!) {
  messagesUpdated(campaignId: $id, after: $after) {
    cursor
    resync
    messages { id recipient status }
  }
}"""

PASSES = {
    *("INTERNAL_ERROR", "RATE_LIMITED", "TIMEOUT"),
    *("TOO_MANY_CONNECTIONS", "TOO_MANY_OPERATIONS", "UNAVAILABLE"),
}
MISTAKES = {4400, 4401, 4406, 4409, 4429}
KEY_IS_NOT_GOOD = 4403


def transport() -> WebsocketsTransport:
    """Make a connection. The server asks for a sign of life every 20 s; we do the same."""
    return WebsocketsTransport(
        url=f"{SERVER.replace('http', 'ws', 1)}/graphql",
        init_payload={"authorization": f"Bearer {KEY}"},
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        ping_interval=20,  # of the protocol: a server that is gone without a word is noticed ...
        pong_timeout=10,  # ... when it has not answered within this time
    )


async def events(
    query: str, variables: Callable[[], dict[str, Any]]
) -> AsyncGenerator[dict[str, Any], None]:
    """Every event of an operation, over as many connections as it takes.

    `variables` are asked for before each connection: they hold the newest cursor.
    """
    tries = 0
    while True:
        request = gql(query)
        request.variable_values = variables()
        try:
            async with Client(transport=transport()) as session:
                async for event in session.subscribe(request):
                    tries = 0
                    yield event
        except TransportQueryError as error:  # of this operation alone
            codes = {one.get("extensions", {}).get("code") for one in error.errors or ()}
            if not codes <= PASSES:
                raise
        except (TransportError, OSError) as error:  # the connection is lost
            code = getattr(getattr(error.__cause__, "rcvd", None), "code", None)
            # No good key: once more, should there be a new one by then. 1012, 1013, 4408 and all else: come back.
            if code in MISTAKES or (code == KEY_IS_NOT_GOOD and tries):
                raise
        # A little longer after each failure; and not all clients at once when the server is back.
        wait = min(0.5 * 2**tries, 30) * (0.5 + random.random() / 2)
        print(f"The connection is lost; again in {wait:.1f} s.", file=sys.stderr)
        await asyncio.sleep(wait)
        tries += 1


async def watch_figures(campaign: str) -> None:
    """The figures as they are, and then as they become.

    After a loss the first event is their present state again.
    """
    revision = None
    async for event in events(FIGURES, lambda: {"id": campaign}):
        figures = event["campaignUpdated"]["statistics"]
        if figures["revision"] == revision:
            continue
        revision = figures["revision"]
        rates = (f"{r['label']} {r['count']} ({r['rate'] or 0:.1%})" for r in figures["indicators"])
        print(f"{figures['total']} messages: {', '.join(rates)}", flush=True)


async def watch_messages(campaign: str, position: dict[str, str]) -> None:
    """Each message that changes, and in `position` how far that is.

    A message may come twice, so it takes the place of the one with its id, and is not added up.
    """
    known: dict[str, str] = {}  # a table of your own, say, that has the id as its key
    async for event in events(MESSAGES, lambda: {"id": campaign, **position}):
        update = event["messagesUpdated"]
        if update["resync"]:
            # Away for longer than changes are kept (GQL_OUTBOX_HOURS), or the database was restored.
            print("Some changes are no longer kept: query all messages again.", file=sys.stderr)
        for message in update["messages"]:
            if known.get(message["id"]) != message["status"]:
                known[message["id"]] = message["status"]
                print(f"{message['recipient']} {message['status']}", flush=True)
        position["after"] = update["cursor"]  # only now: what was not told yet comes again


async def main(campaign: str, cursor: str | None = None) -> None:
    """Query, then subscribe from the cursor of the answer: between the two nothing is lost."""
    async with aclosing(events(CAMPAIGN, lambda: {"id": campaign})) as answers:
        answer = await anext(answers)
    if answer["campaign"] is None:
        raise SystemExit("There is no such campaign.")
    print(answer["campaign"]["name"], flush=True)
    position = {"after": cursor or answer["campaign"]["updatesCursor"]}
    try:
        await asyncio.gather(watch_figures(campaign), watch_messages(campaign, position))
    except asyncio.CancelledError:  # Ctrl-C
        print(
            f"To go on from here: python watch.py {campaign} {position['after']}", file=sys.stderr
        )


if __name__ == "__main__":
    if not KEY or len(sys.argv) not in (2, 3):
        raise SystemExit(f"{__doc__}\n\nIts API key is in the environment: KEY.")
    asyncio.run(main(*sys.argv[1:]))
