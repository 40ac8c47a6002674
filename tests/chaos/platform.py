"""A sending platform: it registers recipients, and tells how the provider calls their messages."""

from collections.abc import Callable
from random import Random
from typing import Any

import httpx

from tests.chaos.arena import Door, House
from tests.chaos.ledger import Answer, Planned
from tests.chaos.sending import Campaign, utc_now

ADD = """mutation($i: AddRecipientsInput!) { addRecipients(input: $i) {
  messages { id } userErrors { code } } }"""
BIND = """mutation($i: BindProviderMessagesInput!) { bindProviderMessages(input: $i) {
  bound userErrors { code } } }"""


async def ask(
    house: House, server: Door, query: str, variables: dict[str, Any]
) -> tuple[Answer, Any]:
    """What became of an operation, and its data where it was acknowledged."""
    headers = {"authorization": f"Bearer {house.key}"}
    body = {"query": query, "variables": variables}
    try:
        response = await house.http.post(f"{server.base}/graphql", json=body, headers=headers)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
        return Answer.UNSENT, None
    except httpx.TransportError:
        return Answer.UNKNOWN, None
    if response.status_code != 200 or "errors" in response.json():
        return Answer.REFUSED, None
    return Answer.ACKNOWLEDGED, response.json()["data"]


class Platform:
    """Registers and binds, by GraphQL; `differs` is told of an answer that should not be."""

    def __init__(self, house: House, chance: Random, differs: Callable[[str], None]) -> None:
        self._house = house
        self._chance = chance
        self._differs = differs

    async def finish(self, campaign: Campaign) -> None:
        """Register and bind, in peace, what is to come at all."""
        while campaign.to_register:
            await self.add(campaign, 100)
        while campaign.to_bind:
            await self.tell(campaign.to_bind[:100])

    async def add(self, campaign: Campaign, most: int) -> None:
        """Register so many at most of those that are to come."""
        # What is not known to be there is asked again in the same words.
        wanted = campaign.asked = campaign.asked or campaign.to_register[:most]
        rows = []
        for message in wanted:
            message.first_asked = message.first_asked or utc_now()
            row: dict[str, Any] = {"number": message.number}
            if message.key_at_once:
                row |= {"provider": "generic", "providerMessageIds": [message.key]}
            rows.append(row)
        given = {"campaignId": campaign.id, "recipients": rows}
        server = self._chance.choice(self._house.active)
        answer, data = await ask(self._house, server, ADD, {"i": given})
        if answer is not Answer.ACKNOWLEDGED:
            return
        said = data["addRecipients"]
        # All of them, or none because an earlier try did it though nobody said so.
        codes = {error["code"] for error in said["userErrors"]}
        added, refused = len(said["messages"]), len(said["userErrors"])
        if (added, refused) != (len(rows), 0) and (
            (added, refused) != (0, len(rows)) or codes != {"DUPLICATE_RECIPIENT"}
        ):
            self._differs(f"of {len(rows)} recipients {added} were added; refused: {codes}")
        campaign.asked = []
        for message in wanted:
            message.registered = True
            message.bound |= message.key_at_once

    async def tell(self, wanted: list[Planned]) -> None:
        """Tell the keys of these."""
        rows = [
            {"messageId": m.id, "provider": "generic", "providerMessageIds": [m.key]}
            for m in wanted
        ]
        for message in wanted:
            message.asked_to_bind = True
        server = self._chance.choice(self._house.active)
        answer, data = await ask(self._house, server, BIND, {"i": {"messages": rows}})
        if answer is not Answer.ACKNOWLEDGED:
            return
        said = data["bindProviderMessages"]
        if said != {"bound": len(rows), "userErrors": []}:
            self._differs(f"of {len(rows)} keys {said['bound']} were bound: {said['userErrors']}")
        for message in wanted:
            message.bound = True
