"""Receipts by GraphQL: each finds its message by any of its names, and one bad one spoils none of the others."""

from typing import Any

import pytest

from gql_server.domain.status import INDICATOR_OF, STATUS_LABEL, DeliveryStatus
from gql_server.providers import PROVIDERS
from tests.conftest import Api
from tests.resolvers.mutating import ERRORS, act, error, report, revision

AT = "2026-01-01T08:00:05Z"
UNKNOWN = f"This provider is not known; those that are: {', '.join(sorted(PROVIDERS))}."
NAMELESS = "Give messageId, or provider and providerMessageId."
NO_ID = "This is no id or reference of a message."
SEVERAL = (
    "This id of the provider covers several recipients; write it as id:number, or give messageId."
)
NUMBERS = ["+33612345678", "+33612345679", "+33612345680", "+33612345681"]


async def made(api: Api) -> tuple[str, list[dict[str, Any]]]:
    """A campaign with four messages, sent on the first of January 2026."""
    campaign = await api.new_campaign(sentAt="2026-01-01T08:00:00Z")
    return campaign, await api.add(campaign, NUMBERS)


async def bind(api: Api, message: dict[str, Any], provider: str, *ids: str) -> None:
    one = {"messageId": message["id"], "provider": provider, "providerMessageIds": list(ids)}
    done = await act(api, "bindProviderMessages", {"messages": [one]}, f"bound {ERRORS}")
    assert done == {"bound": 1, "userErrors": []}


async def record(api: Api, *receipts: dict[str, Any], **more: Any) -> dict[str, Any]:
    given = [{"status": "RECEIVED", "at": AT, **receipt} for receipt in receipts]
    fields = f"applied ignored parked {ERRORS} clientMutationId"
    return await act(api, "recordReceipts", {"receipts": given, **more}, fields)


def counted(
    applied: int = 0, ignored: int = 0, parked: int = 0, errors: tuple[dict[str, Any], ...] = ()
) -> dict[str, Any]:
    return {
        "applied": applied,
        "ignored": ignored,
        "parked": parked,
        "userErrors": list(errors),
        "clientMutationId": None,
    }


async def messages(api: Api, campaign: str) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = (await report(api, campaign))["messages"]["nodes"]
    return nodes


async def test_a_message_is_found_by_its_id_its_reference_and_its_provider_s_id(api: Api) -> None:
    campaign, (one, two, three, four) = await made(api)
    await bind(api, three, "twilio", "SM3")
    await bind(api, four, "smsmode", "S7")

    done = await record(
        api,
        {"messageId": one["id"]},
        {"messageId": two["reference"], "status": "SENT"},
        {"provider": "twilio", "providerMessageId": "SM3", "status": "OTHER_ERROR"},
        {"provider": "smsmode", "providerMessageId": f"S7:{NUMBERS[3]}", "status": "BLACKLISTED"},
        # the first one once more, by its other name and another writing of the same instant
        {"messageId": one["reference"], "at": "2026-01-01T10:00:05.000+02:00"},
        # these are not known yet
        {"provider": "twilio", "providerMessageId": "SM9"},
        {"messageId": "000000000000-000000"},
        clientMutationId="mine",
    )

    assert done == counted(applied=4, ignored=1, parked=2) | {"clientMutationId": "mine"}
    seen = await messages(api, campaign)
    assert [m["status"] for m in seen] == ["RECEIVED", "SENT", "OTHER_ERROR", "BLACKLISTED"]
    assert [m["statusAt"] for m in seen] == ["2026-01-01T08:00:05.000Z"] * 4
    # nobody named a provider for the first two, so they have none
    assert [m["provider"] for m in seen] == [None, None, "twilio", "smsmode"]


async def test_a_repeat_is_ignored_and_changes_nothing(api: Api) -> None:
    campaign, (one, *_) = await made(api)
    receipt = {"messageId": one["id"], "errorCode": "7", "errorReason": "odd"}
    assert await record(api, receipt) == counted(applied=1)
    before = await report(api, campaign)

    assert await record(api, receipt, receipt) == counted(ignored=2)

    assert await report(api, campaign) == before


async def test_a_receipt_that_is_parked_twice_is_applied_once(api: Api) -> None:
    campaign, (one, *_) = await made(api)
    early = {"provider": "twilio", "providerMessageId": "SM1"}
    assert await record(api, early, early) == counted(parked=2)
    before = await revision(api, campaign)

    await bind(api, one, "twilio", "SM1")

    # bound, and then one receipt
    assert await revision(api, campaign) == before + 2
    assert (await messages(api, campaign))[0]["status"] == "RECEIVED"


@pytest.mark.parametrize("status", list(DeliveryStatus))
async def test_every_status_is_shown_with_its_error_and_counted(
    api: Api, status: DeliveryStatus
) -> None:
    campaign, (one, *_) = await made(api)

    receipt = {"messageId": one["id"], "status": status, "errorCode": " 3502 "}
    done = await record(api, receipt | {"errorReason": "Absent\n", "provider": "twilio"})

    assert done == counted(applied=1)
    node = (
        await api.ask(
            "query($m: ID!) { node(id: $m) { ... on Message { status statusLabel indicator statusAt "
            "errorCode errorReason provider history { status at errorCode } } } }",
            {"m": one["id"]},
        )
    )["node"]
    history = node.pop("history")
    assert node == {
        "status": status,
        "statusLabel": STATUS_LABEL[status],
        "indicator": INDICATOR_OF[status],
        "statusAt": "2026-01-01T08:00:05.000Z",
        "errorCode": "3502",
        "errorReason": "Absent",
        "provider": "twilio",
    }
    # in a history each status stands once, with its earliest time; the registration was later
    waiting = [] if status is DeliveryStatus.WAITING else ["WAITING"]
    assert [h["status"] for h in history] == [status, *waiting]
    assert history[0] == {"status": status, "at": "2026-01-01T08:00:05.000Z", "errorCode": "3502"}
    counts = (await report(api, campaign))["statistics"]["statuses"]
    expected = {"WAITING": 3} | {status: 4 if status is DeliveryStatus.WAITING else 1}
    assert {c["status"]: c["count"] for c in counts if c["count"]} == expected


async def test_what_is_left_out_is_null_and_so_is_what_is_blank(api: Api) -> None:
    campaign, (one, two, *_) = await made(api)
    empty = {"provider": None, "providerMessageId": None, "errorCode": None, "errorReason": None}
    blank = {"errorCode": "", "errorReason": " "}

    done = await record(api, {"messageId": one["id"], **empty}, {"messageId": two["id"], **blank})

    assert done == counted(applied=2)
    for seen in (await messages(api, campaign))[:2]:
        assert (seen["errorCode"], seen["errorReason"], seen["provider"]) == (None, None, None)


TOO_LONG = ("TOO_LONG", "This has at most 255 characters.")


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        ({}, ("receipts.1", "REQUIRED", NAMELESS)),
        ({"messageId": ""}, ("receipts.1", "REQUIRED", NAMELESS)),
        ({"provider": "twilio"}, ("receipts.1", "REQUIRED", NAMELESS)),
        ({"providerMessageId": "SM1"}, ("receipts.1", "REQUIRED", NAMELESS)),
        (
            {"provider": "twilio", "providerMessageId": " "},
            ("receipts.1", "REQUIRED", NAMELESS),
        ),
        ({"messageId": "nonsense"}, ("receipts.1.messageId", "INVALID_ID", NO_ID)),
        (
            {"messageId": "Q2FtcGFpZ246MDAwMDAwMDAwMDAw"},
            ("receipts.1.messageId", "INVALID_ID", NO_ID),
        ),
        (
            {"provider": "acme", "providerMessageId": "SM1"},
            ("receipts.1.provider", "UNKNOWN_PROVIDER", UNKNOWN),
        ),
        (
            {"provider": "", "messageId": "000000000000-000000"},
            ("receipts.1.provider", "UNKNOWN_PROVIDER", UNKNOWN),
        ),
        (
            {"provider": "smsmode", "providerMessageId": "S7"},
            ("receipts.1.providerMessageId", "RECIPIENT_NEEDED", SEVERAL),
        ),
        (
            {"provider": "smsmode", "providerMessageId": " S7 "},
            ("receipts.1.providerMessageId", "RECIPIENT_NEEDED", SEVERAL),
        ),
        (
            {"provider": "twilio", "providerMessageId": "x" * 201},
            ("receipts.1.providerMessageId", "TOO_LONG", "This has at most 200 characters."),
        ),
        ({"messageId": "x", "errorCode": "x" * 256}, ("receipts.1.errorCode", *TOO_LONG)),
        ({"messageId": "x", "errorReason": "x" * 256}, ("receipts.1.errorReason", *TOO_LONG)),
    ],
)
async def test_a_receipt_that_cannot_be_is_refused_and_its_neighbours_are_applied(
    api: Api, bad: dict[str, str], expected: tuple[str, str, str]
) -> None:
    campaign, (one, _, three, _) = await made(api)

    done = await record(
        api, {"messageId": one["id"]}, bad, {"messageId": three["id"], "status": "SENT"}
    )

    assert done == counted(applied=2, errors=(error(*expected),))
    seen = await messages(api, campaign)
    assert [m["status"] for m in seen] == ["RECEIVED", "WAITING", "SENT", "WAITING"]
    # a bad one alone changes nothing, and is not kept for later either
    before = await report(api, campaign)
    assert (await record(api, bad))["parked"] == 0
    assert await report(api, campaign) == before


async def test_the_longest_that_is_allowed_is_taken(api: Api) -> None:
    campaign, (one, *_) = await made(api)
    await bind(api, one, "twilio", "x" * 200)

    done = await record(
        api,
        {
            "provider": "twilio",
            "providerMessageId": "x" * 200,
            "errorCode": "c" * 255,
            "errorReason": "r" * 255,
        },
    )

    assert done == counted(applied=1)
    seen = (await messages(api, campaign))[0]
    assert (seen["errorCode"], seen["errorReason"]) == ("c" * 255, "r" * 255)


async def test_a_thousand_are_taken_and_of_a_thousand_and_one_none(api: Api) -> None:
    campaign, (one, *_) = await made(api)
    before = await report(api, campaign)

    done = await record(api, *[{"messageId": one["id"]}] * 1001)
    limit = error("receipts", "TOO_MANY", "At most 1,000 receipts a call.")
    assert done == counted(errors=(limit,))
    assert await report(api, campaign) == before

    assert await record(api, *[{"messageId": one["id"]}] * 1000) == counted(applied=1, ignored=999)
    assert await record(api) == counted()


async def test_a_time_that_cannot_be_is_moved_to_where_it_can(api: Api) -> None:
    campaign, (one, two, *_) = await made(api)

    done = await record(
        api,
        {"messageId": one["id"], "at": "0001-01-01T00:00:00Z"},
        {"messageId": two["id"], "at": "9999-12-31T23:59:59Z"},
    )

    # five minutes before the sending, and not in the future
    assert done == counted(applied=2)
    first, second, *_ = await messages(api, campaign)
    assert first["statusAt"] == "2026-01-01T07:55:00.000Z"
    assert "2026-01-01T08:00:00.000Z" < second["statusAt"] < "2099"
