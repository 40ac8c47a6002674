"""What providers call messages: told once they have them, by whichever name, and as often as one likes."""

from typing import Any

import pytest

from gql_server.providers import PROVIDERS
from tests.conftest import Api
from tests.resolvers.mutating import ERRORS, act, error, report

UNKNOWN = f"This provider is not known; those that are: {', '.join(sorted(PROVIDERS))}."
TAKEN = "Another message of this workspace has this id of the provider."
NO_MESSAGE = "There is no such message."
LENGTH = "An id of a provider has 1 to 200 characters."
NUMBERS = ["+33612345678", "+33612345679", "+33612345680"]


async def made(api: Api) -> tuple[str, list[dict[str, Any]]]:
    """A campaign with three messages, sent on the first of January 2026."""
    campaign = await api.new_campaign(sentAt="2026-01-01T08:00:00Z")
    return campaign, await api.add(campaign, NUMBERS)


async def bind(api: Api, *bindings: tuple[str, str, list[str]], **more: Any) -> dict[str, Any]:
    given = [
        {"messageId": message, "provider": provider, "providerMessageIds": ids}
        for message, provider, ids in bindings
    ]
    fields = f"bound {ERRORS} clientMutationId"
    return await act(api, "bindProviderMessages", {"messages": given, **more}, fields)


async def receive(api: Api, provider: str, id_: str, status: str) -> dict[str, Any]:
    receipt = {
        "provider": provider,
        "providerMessageId": id_,
        "status": status,
        "at": "2026-01-01T08:00:05Z",
    }
    return await act(api, "recordReceipts", {"receipts": [receipt]}, "applied ignored parked")


APPLIED = {"applied": 1, "ignored": 0, "parked": 0}
PARKED = {"applied": 0, "ignored": 0, "parked": 1}


async def statuses(api: Api, campaign: str) -> list[str]:
    return [m["status"] for m in (await report(api, campaign))["messages"]["nodes"]]


async def test_a_message_is_bound_by_its_id_and_by_its_reference(api: Api) -> None:
    campaign, (one, two, _) = await made(api)

    payload = await bind(
        api,
        (one["id"], "twilio", ["SM1"]),
        (two["reference"], "twilio", ["SM2", "SM3"]),
        clientMutationId="mine",
    )

    assert payload == {"bound": 2, "userErrors": [], "clientMutationId": "mine"}
    seen = await report(api, campaign)
    assert [m["provider"] for m in seen["messages"]["nodes"]] == ["twilio", "twilio", None]
    assert await receive(api, "twilio", "SM1", "RECEIVED") == APPLIED
    assert await receive(api, "twilio", "SM3", "SENT") == APPLIED
    assert await statuses(api, campaign) == ["RECEIVED", "SENT", "WAITING"]


@pytest.mark.parametrize(
    ("message", "provider", "ids", "expected"),
    [
        ("nonsense", "twilio", ["SM1"], ("messageId", "NOT_FOUND", NO_MESSAGE)),
        ("", "twilio", ["SM1"], ("messageId", "NOT_FOUND", NO_MESSAGE)),
        ("000000000000-000000", "twilio", ["SM1"], ("messageId", "NOT_FOUND", NO_MESSAGE)),
        (None, "acme", ["SM1"], ("provider", "UNKNOWN_PROVIDER", UNKNOWN)),
        (None, "twilio", [], ("providerMessageIds", "REQUIRED",
                              "At least one id of the provider is needed.")),
        (None, "twilio", ["SM1", " "], ("providerMessageIds", "INVALID_ID", LENGTH)),
        (None, "twilio", ["x" * 201], ("providerMessageIds", "INVALID_ID", LENGTH)),
        (None, "twilio", ["x"] * 51, ("providerMessageIds", "TOO_MANY",
                                      "A message has at most 50 ids.")),
    ],
)  # fmt: skip
async def test_a_binding_that_cannot_be_is_refused_and_its_neighbours_are_bound(
    api: Api, message: str | None, provider: str, ids: list[str], expected: tuple[str, str, str]
) -> None:
    campaign, (one, two, three) = await made(api)

    payload = await bind(
        api,
        (one["id"], "twilio", ["SM8"]),
        (two["id"] if message is None else message, provider, ids),
        (three["id"], "twilio", ["SM9"]),
    )

    assert payload["bound"] == 2
    assert payload["userErrors"] == [error(f"messages.1.{expected[0]}", *expected[1:])]
    seen = await report(api, campaign)
    assert [m["provider"] for m in seen["messages"]["nodes"]] == ["twilio", None, "twilio"]
    assert await receive(api, "twilio", "SM1", "RECEIVED") == PARKED


async def test_of_a_thousand_and_one_bindings_none_is_made_and_of_none_none(api: Api) -> None:
    campaign, (one, *_) = await made(api)
    before = await report(api, campaign)

    many = await bind(api, *[(one["id"], "twilio", [f"SM{n}"]) for n in range(1001)])
    none = await bind(api)

    limit = error("messages", "TOO_MANY", "At most 1,000 bindings a call.")
    assert (many["bound"], many["userErrors"]) == (0, [limit])
    assert (none["bound"], none["userErrors"]) == (0, [])
    assert await report(api, campaign) == before


async def test_a_binding_that_is_repeated_is_bound_and_changes_nothing(api: Api) -> None:
    campaign, (one, *_) = await made(api)
    assert (await bind(api, (one["id"], "twilio", ["SM1", "SM2"])))["bound"] == 1
    before = await report(api, campaign)
    assert before["statistics"]["revision"] == 3

    for again in (["SM1", "SM2"], ["SM2"], [" SM1", "SM1 "]):
        payload = await bind(api, (one["reference"], "twilio", again))
        assert (payload["bound"], payload["userErrors"]) == (1, [])

    assert await report(api, campaign) == before


async def test_an_id_that_another_message_has_is_refused(api: Api) -> None:
    campaign, (one, two, three) = await made(api)
    taken = "PROVIDER_ID_TAKEN"

    within = await bind(
        api,
        (one["id"], "twilio", ["SM1"]),
        (two["id"], "twilio", ["SM2", "SM1"]),
        (three["id"], "twilio", ["SM3"]),
    )
    assert within["bound"] == 2
    assert within["userErrors"] == [error("messages.1.providerMessageIds", taken, TAKEN)]

    before = await report(api, campaign)
    later = await bind(api, (two["id"], "twilio", ["SM3"]))
    assert later["bound"] == 0
    assert later["userErrors"] == [error("messages.0.providerMessageIds", taken, TAKEN)]
    assert await report(api, campaign) == before
    # what was refused is free: neither half of a refused binding was kept
    assert (await bind(api, (two["id"], "twilio", ["SM2"])))["bound"] == 1


async def test_receipts_that_came_before_are_applied_when_their_message_is_bound(
    api: Api,
) -> None:
    campaign, (one, *_) = await made(api)
    assert await receive(api, "twilio", "SM1", "SENT") == PARKED
    assert await receive(api, "twilio", "SM1", "RECEIVED") == PARKED
    assert await statuses(api, campaign) == ["WAITING", "WAITING", "WAITING"]

    assert (await bind(api, (one["id"], "twilio", ["SM1"])))["bound"] == 1

    (first, *_) = (await report(api, campaign))["messages"]["nodes"]
    assert (first["status"], first["statusAt"]) == ("RECEIVED", "2026-01-01T08:00:05.000Z")
    assert {h["status"] for h in first["history"]} == {"WAITING", "SENT", "RECEIVED"}
    # nothing waits any more: the same receipt finds its message now
    repeat = await receive(api, "twilio", "SM1", "SENT")
    assert repeat == {"applied": 0, "ignored": 1, "parked": 0}


async def test_a_message_that_went_to_two_providers_is_found_by_both(api: Api) -> None:
    campaign, (one, two, _) = await made(api)

    # one after the other, and in one call
    assert (await bind(api, (one["id"], "twilio", ["SM1"])))["bound"] == 1
    assert (await bind(api, (one["id"], "smsmode", ["S7"])))["bound"] == 1
    both = await bind(api, (two["id"], "twilio", ["SM2"]), (two["id"], "smsmode", ["S7"]))
    assert (both["bound"], both["userErrors"]) == (2, [])

    # a legacy id of smsmode names a message together with its number
    assert await receive(api, "twilio", "SM1", "OTHER_ERROR") == APPLIED
    assert await receive(api, "smsmode", "S7:33612345678", "RECEIVED") == APPLIED
    assert await receive(api, "smsmode", "S7:+33 6 12 34 56 79", "SENT") == APPLIED
    assert await receive(api, "twilio", "SM2", "ROUTING_ERROR") == APPLIED
    assert await statuses(api, campaign) == ["RECEIVED", "ROUTING_ERROR", "WAITING"]


async def test_what_surrounds_an_id_is_cut_off_wherever_it_is_given(api: Api) -> None:
    campaign, (one, *_) = await made(api)

    assert (await bind(api, (one["id"], "twilio", [" SM1\n"])))["bound"] == 1

    assert await receive(api, "twilio", "SM1", "SENT") == APPLIED
    assert await receive(api, "twilio", "\tSM1 ", "RECEIVED") == APPLIED
    assert await statuses(api, campaign) == ["RECEIVED", "WAITING", "WAITING"]
