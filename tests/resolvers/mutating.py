"""Asking for a mutation, and the whole of a campaign, so that "nothing changed" is one comparison."""

from typing import Any

from tests.conftest import Api

ERRORS = "userErrors { field code message }"

_REPORT = """query($c: ID!) { campaign(id: $c) { id name text sender type state createdAt sentAt
  recipientCount partsPerMessage cost statistics { revision asOf total statuses { status count } }
  messages(first: 100) { nodes { id reference recipient contactName status statusAt errorCode
    errorReason provider country operator history { status at errorCode } } } } }"""


async def act(
    api: Api, mutation: str, given: dict[str, Any], fields: str, *, key: str | None = None
) -> dict[str, Any]:
    """The payload of a mutation that is answered without errors."""
    kind = f"{mutation[0].upper()}{mutation[1:]}Input"
    query = f"mutation($i: {kind}!) {{ {mutation}(input: $i) {{ {fields} }} }}"
    payload: dict[str, Any] = (await api.ask(query, {"i": given}, key=key))[mutation]
    return payload


async def report(api: Api, campaign: str) -> dict[str, Any]:
    """Everything that there is to see of a campaign of at most 100 messages."""
    seen: dict[str, Any] = (await api.ask(_REPORT, {"c": campaign}))["campaign"]
    return seen


async def revision(api: Api, campaign: str) -> int:
    """How often a campaign was changed."""
    seen: int = (await report(api, campaign))["statistics"]["revision"]
    return seen


def error(field: str, code: str, message: str) -> dict[str, Any]:
    """A userError, its path written with dots."""
    return {"field": field.split("."), "code": code, "message": message}
