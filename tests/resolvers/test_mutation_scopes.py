"""What a key sees of what it has written: no figures without reports:read, no numbers without contacts:read."""

from typing import Any

import pytest

from tests.conftest import ALL_SCOPES, Api
from tests.resolvers.mutating import ERRORS, act, report

NUMBER = "+33612345678"
ADD = """mutation($i: AddRecipientsInput!) { addRecipients(input: $i) { added campaign { id %s }
  messages { id } } }"""
FIGURES = [
    "recipientCount",
    "cost",
    "updatesCursor",
    "statistics { revision }",
    "messages { nodes { id } }",
    "messages { totalCount }",
]


async def writing(api: Api) -> str:
    """A key that may write campaigns, and nothing else."""
    return await api.new_key(scopes=frozenset({"campaigns:write"}))


async def test_a_key_that_only_writes_is_shown_what_it_wrote(api: Api) -> None:
    key = await writing(api)
    spring = {"name": "Spring", "text": "Hello", "sender": "ACME"}

    made = await act(api, "createCampaign", spring, f"campaign {{ id name }} {ERRORS}", key=key)
    campaign = made["campaign"]["id"]
    assert made == {"campaign": {"id": campaign, "name": "Spring"}, "userErrors": []}

    renamed = await act(
        api, "updateCampaign", {"id": campaign, "name": "Summer"}, "campaign { id name }", key=key
    )
    assert renamed == {"campaign": {"id": campaign, "name": "Summer"}}

    added = await act(
        api,
        "addRecipients",
        {"campaignId": campaign, "recipients": [{"number": NUMBER, "name": "Zoë"}]},
        "added campaign { id name } messages { id recipient contactName status campaign { name } }",
        key=key,
    )
    (message,) = added["messages"]
    assert added == {
        "added": 1,
        "campaign": {"id": campaign, "name": "Summer"},
        "messages": [
            {
                "id": message["id"],
                "recipient": "+33••••••678",
                "contactName": None,
                "status": "WAITING",
                "campaign": {"name": "Summer"},
            }
        ],
    }

    binding = {"messageId": message["id"], "provider": "twilio", "providerMessageIds": ["SM1"]}
    bound = await act(api, "bindProviderMessages", {"messages": [binding]}, "bound", key=key)
    assert bound == {"bound": 1}


@pytest.mark.parametrize("figure", FIGURES)
async def test_a_key_that_only_writes_is_shown_no_figures(api: Api, figure: str) -> None:
    campaign = await api.new_campaign()
    key = await writing(api)
    given = {"i": {"campaignId": campaign, "recipients": [{"number": NUMBER}]}}

    answer = (await api.post(ADD % figure, given, key=key)).json()

    (refusal,) = answer["errors"]
    field = figure.split(maxsplit=1)[0]
    assert refusal["message"] == "This needs the scope reports:read, which your key does not have."
    assert refusal["extensions"] == {"code": "FORBIDDEN"}
    assert refusal["path"] == ["addRecipients", "campaign", field]
    # what it asked for is done and shown, the figures alone are not
    payload = answer["data"]["addRecipients"]
    assert (payload["added"], len(payload["messages"]), payload["campaign"]) == (1, 1, None)


@pytest.mark.parametrize("figure", FIGURES)
async def test_nor_does_it_get_at_them_by_way_of_a_message(api: Api, figure: str) -> None:
    campaign = await api.new_campaign()
    key = await writing(api)
    query = ADD.replace("messages { id }", "messages { campaign { %s } }").replace("{ id %s }", "{ id }")  # fmt: skip
    given = {"i": {"campaignId": campaign, "recipients": [{"number": NUMBER}]}}

    answer = await api.post(query % figure, given, key=key)

    assert [e["extensions"]["code"] for e in answer.json()["errors"]] == ["FORBIDDEN"]
    assert answer.json()["data"] is None


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("query($c: ID!) { campaign(id: $c) { id } }", {}),
        ("query($c: ID!) { node(id: $c) { id } }", {}),
        ("query($c: ID!) { nodes(ids: [$c]) { id } }", {}),
        (
            "mutation($i: RecordReceiptsInput!) { recordReceipts(input: $i) { applied } }",
            {"i": {"receipts": []}},
        ),
    ],
)
async def test_a_key_that_only_writes_campaigns_does_nothing_else(
    api: Api, query: str, variables: dict[str, Any]
) -> None:
    campaign = await api.new_campaign(1)
    before = await report(api, campaign)

    codes = await api.codes(query, variables or {"c": campaign}, key=await writing(api))

    assert codes == ["FORBIDDEN"]
    assert await report(api, campaign) == before


@pytest.mark.parametrize(
    ("mutation", "given"),
    [
        ("createCampaign", {"name": "Mine", "text": "Hello", "sender": "ACME"}),
        ("updateCampaign", {"id": "CAMPAIGN", "name": "Mine"}),
        (
            "addRecipients",
            {"campaignId": "CAMPAIGN", "recipients": [{"number": "+33699999999"}]},
        ),
        (
            "bindProviderMessages",
            {"messages": [
                {"messageId": "MESSAGE", "provider": "twilio", "providerMessageIds": ["SM1"]}
            ]},
        ),
        (
            "recordReceipts",
            {"receipts": [
                {"messageId": "MESSAGE", "status": "RECEIVED", "at": "2026-01-01T08:00:00Z"}
            ]},
        ),
    ],
)  # fmt: skip
async def test_a_key_without_the_scope_of_a_mutation_changes_nothing(
    api: Api, mutation: str, given: dict[str, Any]
) -> None:
    campaign = await api.new_campaign(1)
    before = await report(api, campaign)
    (message,) = before["messages"]["nodes"]
    scope = "receipts:write" if mutation == "recordReceipts" else "campaigns:write"
    key = await api.new_key(scopes=ALL_SCOPES - {scope})
    kind = f"{mutation[0].upper()}{mutation[1:]}Input"
    query = f"mutation($i: {kind}!) {{ {mutation}(input: $i) {{ userErrors {{ code }} }} }}"

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: filled(one) for name, one in value.items()}
        if isinstance(value, list):
            return [filled(one) for one in value]
        return {"CAMPAIGN": campaign, "MESSAGE": message["id"]}.get(value, value)

    answer = (await api.post(query, {"i": filled(given)}, key=key)).json()

    (refusal,) = answer["errors"]
    assert refusal["message"] == f"This needs the scope {scope}, which your key does not have."
    assert refusal["extensions"] == {"code": "FORBIDDEN"}
    assert answer["data"] is None
    assert await report(api, campaign) == before
    assert (await api.ask("{ campaigns { totalCount } }"))["campaigns"]["totalCount"] == 1


async def test_a_key_that_writes_and_sees_contacts_is_shown_them(api: Api) -> None:
    campaign = await api.new_campaign()
    key = await api.new_key(scopes=frozenset({"campaigns:write", "contacts:read"}))

    added = await act(
        api,
        "addRecipients",
        {"campaignId": campaign, "recipients": [{"number": NUMBER, "name": "Zoë"}]},
        "messages { recipient contactName }",
        key=key,
    )

    assert added == {"messages": [{"recipient": NUMBER, "contactName": "Zoë"}]}
