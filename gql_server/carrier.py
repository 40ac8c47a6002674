"""Posts what the simulator planned to a webhook, over HTTP, and repeats what is not answered 2xx, as smsmode does.

It knows of us what a carrier knows: an address, references and numbers. So it can just as well run in another
process, and a restart of the server costs it nothing but time.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import httpx

from gql_server.errors import StartError
from gql_server.simulator import Callback, Message, Request, request_of

AT_ONCE = 20
"""Requests at a time: a provider has many connections, and we have two cores for everything."""
PATIENCE = 10.0
"""Seconds that an answer may take."""
RETRY_AFTER = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0, 60.0)
"""Seconds to the next attempt; smsmode's own are 30 s, 2 min, 10 min, 1 h, 5 h and 24 h."""
PAGE = 100


class Carrier:
    """Posts a plan to a webhook, each callback at its time or as soon after as the server takes it."""

    def __init__(self, callbacks: Sequence[Callback], webhook_url: str, *, zone: ZoneInfo) -> None:
        self._callbacks = callbacks
        self._url = webhook_url
        self._zone = zone
        self._started = datetime.now(UTC)
        self._slots = asyncio.Semaphore(AT_ONCE)
        self.total = len(callbacks)
        #: answered 2xx
        self.posted = 0
        #: attempts that were not, and had another one after them
        self.repeated = 0
        #: never answered 2xx, to the end of the ladder
        self.given_up = 0

    async def run(self) -> None:
        """Post everything.

        :raises StartError: the webhook refuses what no repetition can change, such as a wrong address.
        """
        # Its lines hold the address, which is a secret, and the number.
        logging.getLogger("httpx").disabled = True
        limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
        self._started = datetime.now(UTC)
        start = time.monotonic()
        refusal: BaseException | None = None
        try:
            # No proxy out of the environment: the webhook is a neighbour.
            async with (
                httpx.AsyncClient(timeout=PATIENCE, limits=limits, trust_env=False) as http,
                asyncio.TaskGroup() as tasks,
            ):
                for callback in self._callbacks:
                    pause = start + callback.at - time.monotonic()
                    if pause > 0:
                        await asyncio.sleep(pause)
                    tasks.create_task(self._deliver(http, callback))
        except* StartError as refused:
            # Not raised in here: before Python 3.11.4 that comes out in a group again.
            refusal = refused.exceptions[0]
        if refusal is not None:
            raise refusal

    async def _deliver(self, http: httpx.AsyncClient, callback: Callback) -> None:
        request = request_of(callback, started=self._started, zone=self._zone)
        for pause in (*RETRY_AFTER, None):
            async with self._slots:
                taken = await self._post(http, request)
            if taken:
                self.posted += 1
                return
            if pause is not None:
                self.repeated += 1
                # Not in a slot: while one server restarts, nothing else stands still.
                await asyncio.sleep(pause)
        self.given_up += 1

    async def _post(self, http: httpx.AsyncClient, request: Request) -> bool:
        address = f"{self._url}?{request.query}" if request.query else self._url
        headers = {"content-type": "application/json"} if request.body else {}
        try:
            answer = await http.request(
                request.method, address, content=request.body, headers=headers
            )
        except httpx.TransportError:
            return False
        if answer.is_client_error:
            raise StartError(
                f"the webhook answers {answer.status_code}: is its address right, and is it one of smsmode's?"
            )
        return answer.is_success


_MESSAGES = """query ($id: ID!, $after: String, $first: Int) { campaign(id: $id) {
  messages(first: $first, after: $after) { nodes { reference recipient } pageInfo { hasNextPage endCursor } }
} }"""


async def read_messages(url: str, key: str, campaign: str) -> list[Message]:
    """All messages of a campaign, read page by page from the API at `url`.

    :raises StartError: there is no server, no such campaign, or the key does not show the numbers.
    """
    found: list[Message] = []
    after = None
    async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as http:
        while True:
            variables = {"id": campaign, "after": after, "first": PAGE}
            try:
                answer = await http.post(
                    f"{url.rstrip('/')}/graphql",
                    json={"query": _MESSAGES, "variables": variables},
                    headers={"authorization": f"Bearer {key}"},
                )
                said = answer.json()
            except (httpx.HTTPError, httpx.InvalidURL, ValueError):
                raise StartError(f"no GraphQL API answers at {url}") from None
            if errors := said.get("errors"):
                raise StartError(f"the API at {url} says: {errors[0]['message']}")
            if said["data"]["campaign"] is None:
                raise StartError("this key's workspace has no such campaign")
            page = said["data"]["campaign"]["messages"]
            found += [Message(node["reference"], node["recipient"]) for node in page["nodes"]]
            if not page["pageInfo"]["hasNextPage"]:
                break
            after = page["pageInfo"]["endCursor"]
    if any(not message.recipient[1:].isdigit() for message in found):
        raise StartError("the numbers are masked: the key needs the scope contacts:read")
    return found
