"""Campaigns by GraphQL: made as asked for, changed as asked for, or refused in words and left alone."""

from datetime import datetime
from typing import Any

import pytest

from gql_server.services import utc_now
from tests.conftest import Api
from tests.resolvers.mutating import ERRORS, act, error, report, revision

SPRING = {"name": "Spring", "text": "Hello", "sender": "ACME"}
SHOWN = "id name text sender type state createdAt sentAt recipientCount partsPerMessage cost"
PAYLOAD = f"campaign {{ {SHOWN} }} {ERRORS} clientMutationId"
YEARS = "The time of a sending is in the years 2000 to 2099."
BEGUN = "Receipts have come in, so the time of the sending cannot be changed any more."
NOWHERE = "Q2FtcGFpZ246MDAwMDAwMDAwMDAw"  # Campaign:000000000000


async def create(api: Api, **more: Any) -> dict[str, Any]:
    return await act(api, "createCampaign", SPRING | more, PAYLOAD)


async def update(api: Api, campaign: str, **changes: Any) -> dict[str, Any]:
    fields = f"campaign {{ id name state sentAt }} {ERRORS} clientMutationId"
    return await act(api, "updateCampaign", {"id": campaign, **changes}, fields)


async def receive(api: Api, message: str, status: str = "RECEIVED") -> None:
    receipt = {"messageId": message, "status": status, "at": "2026-01-01T08:00:00Z"}
    done = await act(api, "recordReceipts", {"receipts": [receipt]}, f"applied {ERRORS}")
    assert done == {"applied": 1, "userErrors": []}


async def campaigns(api: Api) -> int:
    count: int = (await api.ask("{ campaigns { totalCount } }"))["campaigns"]["totalCount"]
    return count


async def test_a_campaign_without_a_time_is_sent_now(api: Api) -> None:
    before = utc_now()
    payload = await create(api, clientMutationId="mine-7")
    after = utc_now()

    campaign = payload["campaign"]
    made_at = datetime.fromisoformat(campaign["createdAt"])
    assert before.replace(microsecond=before.microsecond // 1000 * 1000) <= made_at <= after
    assert payload == {
        "campaign": {
            "id": campaign["id"],
            "name": "Spring",
            "text": "Hello",
            "sender": "ACME",
            "type": "MARKETING",
            "state": "COMPLETED",
            "createdAt": campaign["createdAt"],
            "sentAt": campaign["createdAt"],
            "recipientCount": 0,
            "partsPerMessage": 1,
            "cost": 0,
        },
        "userErrors": [],
        "clientMutationId": "mine-7",
    }
    seen = await report(api, campaign["id"])
    assert {name: seen[name] for name in campaign} == campaign
    assert seen["statistics"]["revision"] == 1


@pytest.mark.parametrize("type_", ["MARKETING", "TRANSACTIONAL", "OTP"])
async def test_a_campaign_is_of_the_type_that_is_asked_for(api: Api, type_: str) -> None:
    assert (await create(api, type=type_))["campaign"]["type"] == type_


async def test_a_campaign_of_the_past_is_sent_and_one_of_the_future_scheduled(api: Api) -> None:
    past = (await create(api, sentAt="2020-01-02T10:04:05.678999+02:00"))["campaign"]
    future = (await create(api, sentAt="2099-12-31T23:59:59.999Z"))["campaign"]

    assert (past["sentAt"], past["state"]) == ("2020-01-02T08:04:05.678Z", "COMPLETED")
    assert (future["sentAt"], future["state"]) == ("2099-12-31T23:59:59.999Z", "SCHEDULED")
    # with recipients, the first one is being sent and the other one still waits for its time
    for campaign, state in ((past, "SENDING"), (future, "SCHEDULED")):
        await api.add(campaign["id"], ["+33612345678"])
        assert (await report(api, campaign["id"]))["state"] == state


async def test_what_surrounds_a_name_and_a_sender_is_cut_off_and_a_text_is_left_alone(
    api: Api,
) -> None:
    payload = await create(api, name="  Spring \n", sender=" ACME ", text="  Hello \n")

    campaign = payload["campaign"]
    assert (campaign["name"], campaign["sender"]) == ("Spring", "ACME")
    assert campaign["text"] == "  Hello \n"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"name": ""}, ("name", "REQUIRED", "The name must not be empty.")),
        ({"name": " \t\n"}, ("name", "REQUIRED", "The name must not be empty.")),
        ({"text": " "}, ("text", "REQUIRED", "The text must not be empty.")),
        ({"sender": "  "}, ("sender", "REQUIRED", "The sender must not be empty.")),
        ({"name": "n" * 201}, ("name", "TOO_LONG", "The name has at most 200 characters.")),
        ({"text": "t" * 1601}, ("text", "TOO_LONG", "The text has at most 1600 characters.")),
        ({"sender": "s" * 21}, ("sender", "TOO_LONG", "The sender has at most 20 characters.")),
        ({"sentAt": "1999-12-31T23:59:59.999Z"}, ("sentAt", "INVALID_TIME", YEARS)),
        ({"sentAt": "2100-01-01T00:00:00Z"}, ("sentAt", "INVALID_TIME", YEARS)),
        ({"sentAt": "0001-01-01T00:00:00Z"}, ("sentAt", "INVALID_TIME", YEARS)),
    ],
)
async def test_a_campaign_that_cannot_be_is_refused_in_words_and_not_made(
    api: Api, given: dict[str, str], expected: tuple[str, str, str]
) -> None:
    payload = await create(api, **given, clientMutationId="mine")

    assert payload == {
        "campaign": None,
        "userErrors": [error(*expected)],
        "clientMutationId": "mine",
    }
    assert await campaigns(api) == 0


async def test_all_that_is_wrong_is_told_at_once(api: Api) -> None:
    payload = await create(api, name="", text="", sender="s" * 21, sentAt="1999-01-01T00:00:00Z")

    told = [(e["field"], e["code"]) for e in payload["userErrors"]]
    assert told == [
        (["name"], "REQUIRED"),
        (["text"], "REQUIRED"),
        (["sender"], "TOO_LONG"),
        (["sentAt"], "INVALID_TIME"),
    ]
    assert await campaigns(api) == 0


async def test_the_longest_that_is_allowed_is_taken(api: Api) -> None:
    longest = {"name": "n" * 200, "text": "t" * 1600, "sender": "s" * 20}
    payload = await create(api, **longest, sentAt="2000-01-01T00:00:00Z")

    assert payload["userErrors"] == []
    assert {name: payload["campaign"][name] for name in longest} == longest
    assert payload["campaign"]["sentAt"] == "2000-01-01T00:00:00.000Z"


async def test_a_null_is_as_good_as_nothing_where_a_value_may_be_left_out(api: Api) -> None:
    made = await create(api, sentAt=None, clientMutationId=None)

    campaign = made["campaign"]
    assert (made["userErrors"], made["clientMutationId"]) == ([], None)
    assert campaign["sentAt"] == campaign["createdAt"]

    before = await report(api, campaign["id"])
    changed = await update(api, campaign["id"], name=None, sentAt=None, clientMutationId=None)
    assert (changed["userErrors"], changed["clientMutationId"]) == ([], None)
    assert await report(api, campaign["id"]) == before


@pytest.mark.parametrize("field", ["name", "text", "sender", "type"])
async def test_a_null_is_refused_where_a_value_must_be(api: Api, field: str) -> None:
    query = "mutation($i: CreateCampaignInput!) { createCampaign(input: $i) { campaign { id } } }"

    assert await api.codes(query, {"i": SPRING | {field: None}}) == ["BAD_USER_INPUT"]
    assert await campaigns(api) == 0


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        # of the extension table: two septets each
        ("€" * 80, 1),
        ("€" * 80 + "a", 2),
        # UCS-2: one letter outside the GSM alphabet makes the whole text so
        ("ж" * 70, 1),
        ("a" * 70 + "ж", 2),
        ("ж" * 134, 2),
        ("ж" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
    ],
)
async def test_a_text_costs_its_parts_for_each_recipient_that_is_not_blacklisted(
    api: Api, text: str, parts: int
) -> None:
    campaign = await api.new_campaign(text=text)
    messages = await api.add(campaign, ["+33612345678", "+33612345679", "+33612345680"])
    seen = await report(api, campaign)
    assert (seen["partsPerMessage"], seen["cost"]) == (parts, 3 * parts)

    await receive(api, messages[1]["id"], "BLACKLISTED")

    seen = await report(api, campaign)
    assert (seen["partsPerMessage"], seen["cost"]) == (parts, 2 * parts)


async def test_a_campaign_is_renamed_and_nothing_else_of_it_changes(api: Api) -> None:
    campaign = await api.new_campaign(1)
    before = await report(api, campaign)

    payload = await update(api, campaign, name="  Summer ", clientMutationId="mine")

    assert payload == {
        "campaign": {
            "id": campaign,
            "name": "Summer",
            "state": "SENDING",
            "sentAt": before["sentAt"],
        },
        "userErrors": [],
        "clientMutationId": "mine",
    }
    after = await report(api, campaign)
    assert after["statistics"].pop("revision") == before["statistics"].pop("revision") + 1
    assert after["statistics"].pop("asOf") >= before["statistics"].pop("asOf")
    assert after == before | {"name": "Summer"}


async def test_the_time_of_a_sending_can_be_moved_until_a_receipt_has_come(api: Api) -> None:
    campaign = await api.new_campaign()
    (message,) = await api.add(campaign, ["+33612345678"])

    for sent_at, state in (
        ("2099-01-01T00:00:00.000Z", "SCHEDULED"),
        ("2020-01-01T00:00:00.000Z", "SENDING"),
    ):
        payload = await update(api, campaign, sentAt=sent_at)
        assert payload["userErrors"] == []
        seen = payload["campaign"]
        assert (seen["sentAt"], seen["state"]) == (sent_at, state)

    await receive(api, message["id"])
    before = await report(api, campaign)
    payload = await update(api, campaign, name="Late", sentAt="2020-01-02T00:00:00Z")
    assert payload["userErrors"] == [error("sentAt", "ALREADY_SENT", BEGUN)]
    assert payload["campaign"]["name"] == "Spring"
    assert await report(api, campaign) == before

    # its name can be changed still, also beside the time that it has
    payload = await update(api, campaign, name="Late", sentAt="2020-01-01T00:00:00Z")
    assert (payload["userErrors"], payload["campaign"]["name"]) == ([], "Late")


async def test_a_change_to_what_is_already_so_changes_nothing(api: Api) -> None:
    campaign = await api.new_campaign(1, sentAt="2020-01-01T00:00:00Z")
    before = await report(api, campaign)

    for same in ({}, {"name": "Spring"}, {"name": " Spring "}, {"sentAt": "2020-01-01T00:00:00Z"}):
        payload = await update(api, campaign, **same)
        assert payload["userErrors"] == []
        assert payload["campaign"]["id"] == campaign

    assert await report(api, campaign) == before


@pytest.mark.parametrize(
    "id_", [NOWHERE, "", "nonsense", "é", "TWVzc2FnZTowMDAwMDAwMDAwMDAtMDAwMDAw"]
)
async def test_a_campaign_that_is_not_there_cannot_be_changed(api: Api, id_: str) -> None:
    payload = await update(api, id_, name="Summer", clientMutationId="mine")

    assert payload == {
        "campaign": None,
        "userErrors": [error("id", "NOT_FOUND", "There is no such campaign.")],
        "clientMutationId": "mine",
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": " "}, ("name", "REQUIRED", "The name must not be empty.")),
        ({"name": "n" * 201}, ("name", "TOO_LONG", "The name has at most 200 characters.")),
        (
            {"name": "Summer", "sentAt": "2100-01-01T00:00:00Z"},
            ("sentAt", "INVALID_TIME", YEARS),
        ),
    ],
)
async def test_a_change_that_cannot_be_is_refused_as_a_whole(
    api: Api, changes: dict[str, str], expected: tuple[str, str, str]
) -> None:
    campaign = await api.new_campaign(1)
    before = await report(api, campaign)

    payload = await update(api, campaign, **changes)

    assert payload["userErrors"] == [error(*expected)]
    assert payload["campaign"]["name"] == "Spring"
    assert await report(api, campaign) == before
    assert await revision(api, campaign) == 2
