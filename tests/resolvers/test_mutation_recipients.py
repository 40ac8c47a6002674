"""Recipients by GraphQL: the good ones become messages in their order, each of the others is told why not."""

import re
from typing import Any

import pytest

from gql_server.providers import PROVIDERS
from tests.conftest import Api
from tests.resolvers.mutating import ERRORS, act, error, report, revision

PAYLOAD = (
    "campaign { id recipientCount } added messages { id reference recipient contactName status provider country } "
    f"{ERRORS} clientMutationId"
)
INVALID = "This is no phone number; write it in international form, such as +33612345678."
DUPLICATE = "The campaign has this number already."
UNKNOWN = f"This provider is not known; those that are: {', '.join(sorted(PROVIDERS))}."
TAKEN = "Another message of this workspace has this id of the provider."
ONE, TWO, THREE = "+33612345678", "+33612345679", "+33612345680"


async def add(api: Api, campaign: str, *recipients: Any, **more: Any) -> dict[str, Any]:
    given = [{"number": r} if isinstance(r, str) else r for r in recipients]
    return await act(
        api, "addRecipients", {"campaignId": campaign, "recipients": given, **more}, PAYLOAD
    )


def numbers(payload: dict[str, Any]) -> list[str]:
    return [message["recipient"] for message in payload["messages"]]


async def test_the_good_ones_are_added_in_their_order_and_the_others_are_told_why(
    api: Api,
) -> None:
    campaign = await api.new_campaign()

    payload = await add(
        api, campaign, THREE, "12", ONE, THREE, "nobody", TWO, "", clientMutationId="mine"
    )

    assert payload["campaign"] == {"id": campaign, "recipientCount": 3}
    assert payload["added"] == 3
    assert payload["clientMutationId"] == "mine"
    assert numbers(payload) == [THREE, ONE, TWO]
    assert payload["userErrors"] == [
        error("recipients.1.number", "INVALID_NUMBER", INVALID),
        error("recipients.3.number", "DUPLICATE_RECIPIENT", DUPLICATE),
        error("recipients.4.number", "INVALID_NUMBER", INVALID),
        error("recipients.6.number", "INVALID_NUMBER", INVALID),
    ]
    seen = await report(api, campaign)
    assert [m["id"] for m in seen["messages"]["nodes"]] == [m["id"] for m in payload["messages"]]
    assert [m["recipient"] for m in seen["messages"]["nodes"]] == [THREE, ONE, TWO]
    assert seen["statistics"]["revision"] == 2


async def test_a_number_is_one_however_it_is_written(api: Api) -> None:
    campaign = await api.new_campaign()
    first = await add(api, campaign, " 0033 6 12-34-56-78 ")
    assert numbers(first) == [ONE]
    before = await report(api, campaign)

    again = await add(api, campaign, ONE, "33612345678", "+33 (6) 12 34 56 78")

    assert (again["added"], again["messages"]) == (0, [])
    assert again["userErrors"] == [
        error(f"recipients.{n}.number", "DUPLICATE_RECIPIENT", DUPLICATE) for n in range(3)
    ]
    assert await report(api, campaign) == before
    # another campaign may have it
    other = await api.new_campaign()
    assert numbers(await add(api, other, ONE)) == [ONE]


async def test_a_thousand_are_taken_and_of_a_thousand_and_one_nobody(api: Api) -> None:
    campaign = await api.new_campaign()
    many = [f"+33{600000000 + n}" for n in range(1001)]

    payload = await add(api, campaign, *many)
    assert payload == {
        "campaign": {"id": campaign, "recipientCount": 0},
        "added": 0,
        "messages": [],
        "userErrors": [error("recipients", "TOO_MANY", "At most 1,000 recipients a call.")],
        "clientMutationId": None,
    }
    assert await revision(api, campaign) == 1

    payload = await add(api, campaign, *many[:1000])
    assert payload["campaign"] == {"id": campaign, "recipientCount": 1000}
    assert (payload["added"], payload["userErrors"]) == (1000, [])
    assert numbers(payload) == many[:1000]
    assert await revision(api, campaign) == 2


async def test_nobody_is_added_where_nobody_is_named(api: Api) -> None:
    campaign = await api.new_campaign(1)
    before = await report(api, campaign)

    payload = await add(api, campaign)

    assert payload == {
        "campaign": {"id": campaign, "recipientCount": 1},
        "added": 0,
        "messages": [],
        "userErrors": [],
        "clientMutationId": None,
    }
    assert await report(api, campaign) == before


@pytest.mark.parametrize("id_", ["Q2FtcGFpZ246MDAwMDAwMDAwMDAw", "", "nonsense"])
async def test_of_a_campaign_that_is_not_there_only_that_is_told(api: Api, id_: str) -> None:
    assert await add(api, id_, ONE, "12") == {
        "campaign": None,
        "added": 0,
        "messages": [],
        "userErrors": [error("campaignId", "NOT_FOUND", "There is no such campaign.")],
        "clientMutationId": None,
    }


async def test_a_name_is_trimmed_and_cut_and_a_blank_one_is_none(api: Api) -> None:
    campaign = await api.new_campaign()

    payload = await add(
        api,
        campaign,
        {"number": ONE, "name": "  Zoë \n"},
        {"number": TWO, "name": " "},
        {"number": THREE, "name": "n" * 201},
        {"number": "+33612345681", "name": None, "provider": None, "providerMessageIds": None},
    )

    assert payload["userErrors"] == []
    assert [m["contactName"] for m in payload["messages"]] == ["Zoë", None, "n" * 200, None]
    assert [m["provider"] for m in payload["messages"]] == [None] * 4


async def test_a_number_tells_its_country(api: Api) -> None:
    campaign = await api.new_campaign()

    payload = await add(
        api, campaign, ONE, "+14155550123", "+14165550123", "+353851234567", "+870773111632"
    )

    assert payload["userErrors"] == []
    # an Inmarsat number belongs to none
    assert [m["country"] for m in payload["messages"]] == ["FR", "US", "CA", "IE", None]


async def test_a_reference_is_short_plain_and_as_good_as_the_id(api: Api) -> None:
    campaign = await api.new_campaign()
    payload = await add(api, campaign, ONE, TWO)

    for message in payload["messages"]:
        for name in ("reference", "id"):
            assert re.fullmatch(r"[A-Za-z0-9_-]{1,36}", message[name])
            found = await api.ask("query($m: ID!) { node(id: $m) { id } }", {"m": message[name]})
            assert found == {"node": {"id": message["id"]}}
    assert len({m["reference"] for m in payload["messages"]}) == 2


@pytest.mark.parametrize(
    ("recipient", "expected"),
    [
        ({"provider": "acme"}, ("provider", "UNKNOWN_PROVIDER", UNKNOWN)),
        ({"provider": ""}, ("provider", "UNKNOWN_PROVIDER", UNKNOWN)),
        ({"provider": "Twilio"}, ("provider", "UNKNOWN_PROVIDER", UNKNOWN)),
        ({"providerMessageIds": ["SM1"]}, ("provider", "UNKNOWN_PROVIDER", UNKNOWN)),
        (
            {"provider": "twilio", "providerMessageIds": ["SM1", " "]},
            ("providerMessageIds", "INVALID_ID", "An id of a provider has 1 to 200 characters."),
        ),
        (
            {"provider": "twilio", "providerMessageIds": ["x" * 201]},
            ("providerMessageIds", "INVALID_ID", "An id of a provider has 1 to 200 characters."),
        ),
        (
            {"provider": "twilio", "providerMessageIds": [f"SM{n}" for n in range(51)]},
            ("providerMessageIds", "TOO_MANY", "A message has at most 50 ids."),
        ),
    ],
)
async def test_a_recipient_with_ids_that_cannot_be_is_refused_and_its_neighbours_are_not(
    api: Api, recipient: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    campaign = await api.new_campaign()

    payload = await add(api, campaign, ONE, {"number": TWO, **recipient}, THREE)

    assert numbers(payload) == [ONE, THREE]
    assert payload["userErrors"] == [error(f"recipients.1.{expected[0]}", *expected[1:])]


async def test_an_id_of_a_provider_belongs_to_one_message_of_a_workspace(api: Api) -> None:
    campaign, other = await api.new_campaign(), await api.new_campaign()
    named = {"provider": "twilio", "providerMessageIds": ["SM1"]}

    within = await add(api, campaign, {"number": ONE, **named}, {"number": TWO, **named})
    assert numbers(within) == [ONE]
    assert within["userErrors"] == [
        error("recipients.1.providerMessageIds", "PROVIDER_ID_TAKEN", TAKEN)
    ]

    before = await report(api, other)
    elsewhere = await add(
        api, other, {"number": TWO, "provider": "twilio", "providerMessageIds": ["SM0", " SM1 "]}
    )
    assert (elsewhere["added"], elsewhere["messages"]) == (0, [])
    assert elsewhere["userErrors"] == [
        error("recipients.0.providerMessageIds", "PROVIDER_ID_TAKEN", TAKEN)
    ]
    assert await report(api, other) == before

    # the same word of another provider, and of another workspace, is another id
    generic = {"number": TWO, "provider": "generic", "providerMessageIds": ["SM1"]}
    assert numbers(await add(api, other, generic)) == [TWO]
    api.key = await api.new_key("globex")
    assert numbers(await add(api, await api.new_campaign(), {"number": ONE, **named})) == [ONE]


async def test_a_message_is_found_by_the_ids_that_were_given_with_its_recipient(api: Api) -> None:
    campaign = await api.new_campaign(sentAt="2026-01-01T08:00:00Z")
    webhook = await api.new_source("twilio")
    payload = await add(
        api,
        campaign,
        {"number": ONE, "provider": "twilio", "providerMessageIds": [" SM1 "]},
        {"number": TWO, "provider": "twilio", "providerMessageIds": ["SM2", "SM3"]},
        {"number": THREE, "provider": "twilio"},
    )
    assert payload["userErrors"] == []
    assert [m["provider"] for m in payload["messages"]] == ["twilio"] * 3

    answer = await api.http.post(webhook, data={"MessageSid": "SM1", "MessageStatus": "delivered"})
    assert answer.status_code == 200
    receipt = {
        "provider": "twilio",
        "providerMessageId": "SM3",
        "status": "SENT",
        "at": "2026-01-01T08:00:05Z",
    }
    done = await act(api, "recordReceipts", {"receipts": [receipt]}, f"applied parked {ERRORS}")
    assert done == {"applied": 1, "parked": 0, "userErrors": []}

    seen = await report(api, campaign)
    assert [m["status"] for m in seen["messages"]["nodes"]] == ["RECEIVED", "SENT", "WAITING"]


async def test_what_was_reported_before_is_shown_with_the_message_at_once(api: Api) -> None:
    campaign = await api.new_campaign(sentAt="2026-01-01T08:00:00Z")
    receipt = {
        "provider": "twilio",
        "providerMessageId": "SM1",
        "status": "RECEIVED",
        "at": "2026-01-01T08:00:05Z",
    }
    done = await act(api, "recordReceipts", {"receipts": [receipt]}, f"applied parked {ERRORS}")
    assert done == {"applied": 0, "parked": 1, "userErrors": []}

    payload = await add(
        api, campaign, {"number": ONE, "provider": "twilio", "providerMessageIds": ["SM1"]}
    )

    assert [m["status"] for m in payload["messages"]] == ["RECEIVED"]
