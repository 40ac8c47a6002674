"""A message that is bound to a provider's id, a request over HTTP, and what is seen of the message then."""

from typing import Any
from zoneinfo import ZoneInfo

import httpx

from gql_server.providers import Provider, WebhookRequest
from tests.conftest import Api

PARIS = ZoneInfo("Europe/Paris")
URL = "https://reports.example/webhooks/x/token"

NUMBER = "+33612345678"
"""The recipient in every template, so that no test overlooks it in a log."""


async def one_message(api: Api, provider: Provider, *message_ids: str, number: str = NUMBER) -> str:
    """A campaign with one message, bound to these ids of the provider's."""
    campaign = await api.new_campaign()
    bound = {"number": number, "provider": provider.name, "providerMessageIds": [*message_ids]}
    added = await api.ask(
        "mutation($i: AddRecipientsInput!) { addRecipients(input: $i) { added } }",
        {"i": {"campaignId": campaign, "recipients": [bound]}},
    )
    assert added == {"addRecipients": {"added": 1}}
    return campaign


async def sent(api: Api, request: WebhookRequest) -> httpx.Response:
    """What the server answers to it."""
    return await api.http.request(
        request.method, request.url, content=request.body, headers=dict(request.headers)
    )


def answered(response: httpx.Response) -> tuple[int, str]:
    """A refusal's status and code."""
    return response.status_code, response.json()["error"]["code"]


async def seen(api: Api, campaign: str) -> dict[str, Any]:
    """The campaign's revision and all that is told of its one message."""
    found = await api.ask(
        """query($c: ID!) { campaign(id: $c) { statistics { revision } messages { nodes {
             status statusAt errorCode provider operator history { status at errorCode } } } } }""",
        {"c": campaign},
    )
    [message] = found["campaign"]["messages"]["nodes"]
    return {"revision": found["campaign"]["statistics"]["revision"], **message}


async def status_after(
    api: Api, provider: Provider, request: WebhookRequest, message_id: str, number: str = NUMBER
) -> str:
    """The status of a message with this id, once the request (its address is a query alone) came."""
    campaign = await one_message(api, provider, message_id, number=number)
    webhook = await api.new_source(provider.name)
    answer = await api.http.request(
        request.method,
        webhook + request.url,
        content=request.body,
        headers=dict(request.headers),
    )
    assert answer.is_success, answer.text
    status: str = (await seen(api, campaign))["status"]
    return status
