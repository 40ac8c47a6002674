"""What the lists offer, refuse, count, and whom they tell what."""

import base64
from typing import Any

import pytest

from tests.conftest import ALL_SCOPES, Api
from tests.gql_clients import connected, watching
from tests.resolvers.test_pages import CAMPAIGNS, MESSAGES, messages

UPDATES = """subscription($c: ID!, $f: MessageFilter) {
  messagesUpdated(campaignId: $c, filter: $f, minIntervalMs: 100) { messages { reference status errorCode } } }"""


def order(field: str, direction: str = "ASC") -> dict[str, str]:
    return {"field": field, "direction": direction}


REFUSED: list[tuple[dict[str, Any], str | None]] = [
    ({"statuses": ["SENT"], "country": "FR"}, None),
    ({"statuses": ["SENT"], "errorCode": "9"}, "POSITION"),
    ({"country": "FR", "errorCode": "9"}, None),
    ({"country": "FR", "search": "+336"}, None),
    ({"statuses": ["SENT"], "search": "zoe"}, None),
    ({"indicators": ["RECEIPT"], "search": "5678"}, "RECIPIENT"),
    ({"statuses": ["SENT", "RECEIVED"]}, "STATUS_AT"),
    ({"indicators": ["RECEIPT"]}, "STATUS_AT"),
    ({"country": "FR"}, "STATUS_AT"),
    ({"errorCode": "9"}, "STATUS_AT"),
    ({"search": "+336"}, "STATUS_AT"),
    ({"search": "+336"}, "POSITION"),
    ({"search": "zoe"}, "POSITION"),
    ({"search": "zoe"}, "STATUS_AT"),
    ({"search": "zoe"}, "RECIPIENT"),
    ({"statuses": ["SENT"]}, "RECIPIENT"),
    ({"statuses": []}, "RECIPIENT"),
    ({"country": "FR"}, "RECIPIENT"),
    ({"errorCode": "9"}, "RECIPIENT"),
]


@pytest.mark.parametrize(("chosen", "field"), REFUSED, ids=str)
async def test_what_no_index_serves_is_refused_with_what_is_offered(
    api: Api, chosen: dict[str, Any], field: str | None
) -> None:
    campaign = await api.new_campaign(1)
    given: dict[str, Any] = {"c": campaign, "filter": chosen}
    if field is not None:
        given["order"] = order(field)

    (error,) = (await api.post(MESSAGES, given)).json()["errors"]

    assert error["extensions"]["code"] == "UNSUPPORTED_COMBINATION"
    for word in (
        "POSITION",
        "STATUS_AT",
        "RECIPIENT",
        "statuses",
        "indicators",
        "country",
        "errorCode",
    ):
        assert word in error["message"]


@pytest.mark.parametrize("text", ["12", "+3", "()", "x" * 201])
async def test_a_search_that_can_find_nothing_is_refused(api: Api, text: str) -> None:
    campaign = await api.new_campaign(1)

    assert await api.codes(MESSAGES, {"c": campaign, "filter": {"search": text}}) == [
        "INVALID_SEARCH"
    ]


async def test_a_search_of_campaigns_is_bounded_and_a_blank_one_is_none(api: Api) -> None:
    await api.new_campaign(name="Été")

    assert await api.codes(CAMPAIGNS, {"filter": {"search": "x" * 201}}) == ["INVALID_SEARCH"]
    for text, found in (
        (" \u00a0", 1),
        ("", 1),
        ("TE", 1),
        ("tee", 0),
        ("t.", 0),
        ("\x00é\u200d", 1),
    ):
        page = (await api.ask(CAMPAIGNS, {"filter": {"search": text}}))["campaigns"]
        assert page["totalCount"] == len(page["nodes"]) == found, text


async def test_what_would_tell_numbers_or_names_needs_the_scope_for_contacts(api: Api) -> None:
    campaign = await api.new_campaign(3)
    masked = await api.new_key(scopes=ALL_SCOPES - {"contacts:read"})

    for given in (
        {"filter": {"search": "+3360"}},
        {"filter": {"search": "001*"}},
        {"filter": {"search": "zoe"}},
        {"order": order("RECIPIENT")},
        {"order": order("RECIPIENT", "DESC")},
    ):
        variables = {"c": campaign, **given}
        assert await api.codes(MESSAGES, variables, key=masked) == ["FORBIDDEN"], given
    allowed: list[dict[str, Any]] = [
        {},
        {"filter": {"search": " "}},
        {"filter": {"country": "FR"}},
        {"filter": {"statuses": ["WAITING"]}, "order": order("STATUS_AT")},
    ]
    for given in allowed:
        data = await api.ask(MESSAGES, {"c": campaign, **given}, key=masked)
        assert len(data["campaign"]["messages"]["nodes"]) == 3, given


async def test_no_cursor_holds_a_number_or_a_name(api: Api) -> None:
    campaign = await api.new_campaign(name="Printemps")
    await api.ask(
        "mutation($i: AddRecipientsInput!) { addRecipients(input: $i) { added } }",
        {"i": {"campaignId": campaign, "recipients": [{"number": "+33612345678", "name": "Zoé"}]}},
    )
    cursors = []
    for given in (
        {"filter": {"search": "+336"}},
        {"filter": {"search": "678"}},
        {"filter": {"search": "zoe"}},
        {"order": order("RECIPIENT")},
        {"order": order("STATUS_AT")},
        {"filter": {"country": "FR"}},
    ):
        page = await messages(api, campaign, **given)
        assert len(page["edges"]) == 1, given
        cursors.append(page["edges"][0]["cursor"])
    named = await api.ask(CAMPAIGNS, {"order": order("NAME")})
    cursors.append(named["campaigns"]["edges"][0]["cursor"])

    for cursor in cursors:
        held = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).lower()
        for told in (b"612345", b"543216", b"zo", b"printemps"):
            assert told not in held


async def test_a_cursor_fits_one_filter_and_one_order(api: Api) -> None:
    campaign = await api.new_campaign(3)
    ways: list[dict[str, Any]] = [
        {"filter": {"search": "+336"}},
        {"filter": {"search": "+3360"}},
        {"filter": {"search": "33600000*"}, "order": order("RECIPIENT", "DESC")},
        {"filter": {"search": "-0000000"}},
        {"filter": {"country": "FR"}},
        {"filter": {"statuses": ["WAITING"]}},
        {"filter": {"statuses": ["WAITING"]}, "order": order("STATUS_AT")},
        {"order": order("STATUS_AT")},
        {"order": order("STATUS_AT", "DESC")},
        {"order": order("RECIPIENT")},
    ]
    cursors = [
        (await messages(api, campaign, first=1, **way))["pageInfo"]["endCursor"] for way in ways
    ]

    for number, way in enumerate(ways):
        for other, cursor in enumerate(cursors):
            variables = {"c": campaign, "after": cursor, **way}
            expected = [] if number == other else ["INVALID_CURSOR"]
            assert await api.codes(MESSAGES, variables) == expected, (number, other)


async def test_a_campaign_that_is_renamed_is_found_and_sorted_by_its_new_name(api: Api) -> None:
    first = await api.new_campaign(name="Alpha")
    second = await api.new_campaign(name="Beta")

    await api.ask(
        "mutation($i: UpdateCampaignInput!) { updateCampaign(input: $i) { userErrors { code } } }",
        {"i": {"id": first, "name": "Çeta"}},
    )

    async def found(**given: Any) -> list[str]:
        page = (await api.ask(CAMPAIGNS, given))["campaigns"]
        return [node["id"] for node in page["nodes"]]

    assert await found(order=order("NAME")) == [second, first]
    assert await found(filter={"search": "alpha"}) == []
    assert await found(filter={"search": "CET"}) == [first]


async def test_a_span_of_time_is_half_open_and_may_be_empty(api: Api) -> None:
    for hour in (7, 8, 9):
        await api.new_campaign(name=f"at {hour}", sentAt=f"2026-11-23T0{hour}:00:00Z")

    async def found(start: int, end: int, field: str) -> list[str]:
        span = {"sentFrom": f"2026-11-23T0{start}:00:00Z", "sentTo": f"2026-11-23T0{end}:00:00Z"}
        page = (await api.ask(CAMPAIGNS, {"filter": span, "order": order(field)}))["campaigns"]
        assert page["totalCount"] == len(page["nodes"])
        return [node["name"] for node in page["nodes"]]

    for field in ("SENT_AT", "CREATED_AT", "NAME"):
        assert await found(7, 9, field) == ["at 7", "at 8"]
        assert await found(8, 8, field) == []
        assert await found(9, 7, field) == []


async def test_a_number_is_registered_once_in_a_campaign(api: Api) -> None:
    campaign = await api.new_campaign(1)

    again = await api.ask(
        "mutation($i: AddRecipientsInput!) { addRecipients(input: $i) { added userErrors { code } } }",
        {"i": {"campaignId": campaign, "recipients": [{"number": "+33600000000"}]}},
    )

    assert again["addRecipients"] == {
        "added": 0,
        "userErrors": [{"code": "DUPLICATE_RECIPIENT"}],
    }
    assert await api.db.collection("recipients").count_documents({"workspace": api.workspace}) == 1


async def test_who_follows_an_error_code_sees_a_message_come_and_leave(api: Api) -> None:
    campaign = await api.new_campaign(sentAt="2026-11-23T07:00:00Z")
    ours, other = await api.add(campaign, ["+33612345678", "+33612345679"])

    async def report(message: dict[str, Any], status: str, code: str | None) -> None:
        receipt = {
            "messageId": message["id"],
            "status": status,
            "errorCode": code,
            "at": "2026-11-23T08:00:00Z",
        }
        done = await api.ask(
            "mutation($i: RecordReceiptsInput!) { recordReceipts(input: $i) { applied } }",
            {"i": {"receipts": [receipt]}},
        )
        assert done["recordReceipts"] == {"applied": 1}

    followed = {"errorCode": "9", "search": "5678", "country": "fr"}
    async with (
        connected(api.ws, api.key) as session,
        watching(session, UPDATES, {"c": campaign, "f": followed}) as watch,
    ):
        await watch.until(lambda events: len(events) == 1)
        await report(other, "OTHER_ERROR", "9")
        await report(ours, "SENT", None)
        await report(ours, "OTHER_ERROR", "9")
        await watch.until(lambda events: len(events) == 2)
        await report(other, "RECEIVED", None)
        await report(ours, "RECEIVED", None)
        events = await watch.until(lambda events: "RECEIVED" in str(events[-1]))

    seen = [event["messagesUpdated"]["messages"] for event in events]
    # At least once: what it saw alone, at the beginning, it may see again with the others.
    assert [messages for n, messages in enumerate(seen) if n == 0 or messages != seen[n - 1]] == [
        [],
        [{"reference": ours["reference"], "status": "OTHER_ERROR", "errorCode": "9"}],
        [{"reference": ours["reference"], "status": "RECEIVED", "errorCode": None}],
    ]


async def test_who_may_not_read_contacts_cannot_follow_a_search(api: Api) -> None:
    campaign = await api.new_campaign(1)
    masked = await api.new_key(scopes=ALL_SCOPES - {"contacts:read"})

    for text, key, code in (("zoe", masked, "FORBIDDEN"), ("12", api.key, "INVALID_SEARCH")):
        async with connected(api.ws, key) as session:
            with pytest.raises(Exception, match=code):
                async with watching(
                    session, UPDATES, {"c": campaign, "f": {"search": text}}
                ) as watch:
                    await watch.until(lambda events: len(events) == 1)
