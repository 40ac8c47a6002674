"""Somebody between a page and its server, who can speak for the server."""

import json
import re
from typing import Any

from playwright.async_api import Page, WebSocketRoute


class Between:
    """What the server says on websockets of a page goes through here, and may become something else."""

    def __init__(self) -> None:
        #: subscriptions to this field break at their next event, with an error of this code; None: none does
        self.field: str | None = None
        self.code = "INTERNAL_ERROR"
        #: whether such a subscription goes on after its error, as one of an event alone
        self.goes_on = False
        #: how many have broken
        self.broken = 0
        self._over: set[str] = set()

    @classmethod
    async def of(cls, page: Page) -> "Between":
        """One for all that this page opens from now on."""
        between = cls()
        await page.route_web_socket(re.compile("/graphql$"), between._connect)
        return between

    def breaks(self, field: str, code: str = "INTERNAL_ERROR", *, goes_on: bool = False) -> None:
        """From now on, until `mend`."""
        self.field, self.code, self.goes_on = field, code, goes_on

    def mend(self) -> None:
        """Say what the server says."""
        self.field = None

    async def _connect(self, page: WebSocketRoute) -> None:
        server = page.connect_to_server()

        def from_server(text: str | bytes) -> None:
            frame = json.loads(text)
            if frame.get("id") in self._over:
                return
            data = (frame.get("payload") or {}).get("data") if frame["type"] == "next" else None
            if self.field is None or self.field not in (data or {}):
                page.send(text)
                return
            self.broken += 1
            number = frame["id"]
            page.send(_frame(number, "next", {"data": None, "errors": [_error(self.code)]}))
            if not self.goes_on:
                self._over.add(number)
                server.send(_frame(number, "complete"))
                page.send(_frame(number, "complete"))

        page.on_message(server.send)
        server.on_message(from_server)


def _error(code: str) -> dict[str, Any]:
    return {"message": "Something went wrong on our side.", "extensions": {"code": code}}


def _frame(number: str, kind: str, payload: Any = None) -> str:
    more = {} if payload is None else {"payload": payload}
    return json.dumps({"id": number, "type": kind, **more})
