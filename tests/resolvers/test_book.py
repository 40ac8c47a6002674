"""The address book and the blacklist by GraphQL: who is in them, in pages, and what can be done with them."""

from base64 import urlsafe_b64decode
from typing import Any

import pytest

from gql_server.store import audit, workspaces
from gql_server.store.audit import Action
from tests.conftest import ALL_SCOPES, Api
from tests.quiet import NOW
from tests.resolvers.mutating import ERRORS, act, error

NUMBERS = [f"+3361234567{n}" for n in range(10)]
CONTACT = """id number name createdAt groups attributes { name value }
  removal { reason at status errorCode campaign { id } }"""
CONTACTS = f"""query($first: Int, $after: String, $last: Int, $before: String, $search: String,
  $removed: Boolean! = false, $group: String) {{
  contacts(first: $first, after: $after, last: $last, before: $before, search: $search,
    removed: $removed, group: $group) {{
    totalCount edges {{ cursor node {{ id }} }} nodes {{ {CONTACT} }}
    pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"""
ENTRY = "id number reason since campaign { id }"
BLACKLIST = f"""query($first: Int, $after: String, $last: Int, $before: String, $search: String) {{
  blacklist(first: $first, after: $after, last: $last, before: $before, search: $search) {{
    totalCount edges {{ cursor node {{ id }} }} nodes {{ {ENTRY} }}
    pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"""
HYGIENE = f"""query($c: ID!) {{ campaign(id: $c) {{ hygiene {{ removed blacklisted
  removedContacts {{ totalCount nodes {{ {CONTACT} }} }}
  blacklistEntries {{ totalCount nodes {{ {ENTRY} }} }} }} }} }}"""


async def contacts(api: Api, **given: Any) -> dict[str, Any]:
    page: dict[str, Any] = (await api.ask(CONTACTS, given))["contacts"]
    return page


async def blacklist(api: Api, **given: Any) -> dict[str, Any]:
    page: dict[str, Any] = (await api.ask(BLACKLIST, given))["blacklist"]
    return page


async def numbers(api: Api, **given: Any) -> list[str]:
    return [node["number"] for node in (await contacts(api, **given))["nodes"]]


async def made(api: Api, number: str, **more: Any) -> dict[str, Any]:
    done = await act(
        api, "createContact", {"number": number, **more}, f"contact {{ {CONTACT} }} {ERRORS}"
    )
    assert done["userErrors"] == []
    contact: dict[str, Any] = done["contact"]
    return contact


async def barred(api: Api, number: str) -> dict[str, Any]:
    done = await act(api, "addToBlacklist", {"number": number}, f"entry {{ {ENTRY} }} {ERRORS}")
    assert done["userErrors"] == []
    entry: dict[str, Any] = done["entry"]
    return entry


async def reported(api: Api, message: str, status: str, at: str, **more: Any) -> None:
    receipt = {"messageId": message, "status": status, "at": at, **more}
    done = await act(api, "recordReceipts", {"receipts": [receipt]}, f"applied {ERRORS}")
    assert done["userErrors"] == []


async def test_a_contact_is_written_down_as_it_was_said(api: Api) -> None:
    contact = await made(
        api,
        " 0033 6 12-34-56-78 ",
        name="  Zoë Zimmer ",
        attributes=[{"name": "town", "value": "Ghent"}, {"name": "born", "value": "1990"}],
        groups=["friends", "sports", "friends"],
    )

    assert contact == {
        "id": contact["id"],
        "number": "+33612345678",
        "name": "Zoë Zimmer",
        "createdAt": contact["createdAt"],
        "groups": ["friends", "sports"],
        "attributes": [{"name": "town", "value": "Ghent"}, {"name": "born", "value": "1990"}],
        "removal": None,
    }
    assert (await contacts(api))["nodes"] == [contact]
    node = await api.ask(
        "query($id: ID!) { node(id: $id) { ... on Contact { number name } } }",
        {"id": contact["id"]},
    )
    assert node == {"node": {"number": "+33612345678", "name": "Zoë Zimmer"}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"number": "12"},
            error(
                "number",
                "INVALID_NUMBER",
                "This is no phone number; write it in international form, such as +33612345678.",
            ),
        ),
        (
            {"number": NUMBERS[0]},
            error("number", "DUPLICATE_CONTACT", "There is a contact of this number."),
        ),
        (
            {"number": NUMBERS[1], "name": "x" * 201},
            error("name", "TOO_LONG", "The name has at most 200 characters."),
        ),
        (
            {"number": NUMBERS[1], "groups": ["a", " "]},
            error("groups.1", "REQUIRED", "The name of a group must not be empty."),
        ),
        (
            {"number": NUMBERS[1], "groups": [str(n) for n in range(21)]},
            error("groups", "TOO_MANY", "A contact is in at most 20 groups."),
        ),
        (
            {"number": NUMBERS[1], "attributes": [{"name": " ", "value": "x"}]},
            error("attributes.0.name", "REQUIRED", "The name of an attribute must not be empty."),
        ),
        (
            {"number": NUMBERS[1], "attributes": [{"name": "a", "value": "x" * 501}]},
            error(
                "attributes.0.value",
                "TOO_LONG",
                "The value of an attribute has at most 500 characters.",
            ),
        ),
    ],
)
async def test_what_cannot_be_a_contact_is_refused_and_nothing_changes(
    api: Api, given: dict[str, Any], expected: dict[str, Any]
) -> None:
    there = await made(api, NUMBERS[0], name="Zoë")

    done = await act(api, "createContact", given, f"contact {{ id }} {ERRORS}")

    assert done == {"contact": None, "userErrors": [expected]}
    assert (await contacts(api))["nodes"] == [there]


async def test_a_number_is_read_as_in_the_workspaces_own_country(api: Api) -> None:
    refused = await act(api, "createContact", {"number": "06 12 34 56 78"}, ERRORS)
    assert [e["code"] for e in refused["userErrors"]] == ["INVALID_NUMBER"]

    await workspaces.set_country(api.db, api.workspace, "FR")

    assert (await made(api, "06 12 34 56 78"))["number"] == "+33612345678"
    assert (await made(api, "+49 1512 3456789"))["number"] == "+4915123456789"


async def test_what_is_given_is_changed_and_nothing_else(api: Api) -> None:
    contact = await made(
        api, NUMBERS[0], name="Zoë", attributes=[{"name": "a", "value": "1"}], groups=["g"]
    )
    changed = {"id": contact["id"], "name": "Max"}

    done = await act(api, "updateContact", changed, f"contact {{ {CONTACT} }} {ERRORS}")
    assert done == {"contact": {**contact, "name": "Max"}, "userErrors": []}
    assert await numbers(api, search="max") == [NUMBERS[0]]
    assert await numbers(api, search="zoë") == []

    blank = {"id": contact["id"], "name": " ", "attributes": [], "groups": []}
    done = await act(api, "updateContact", blank, f"contact {{ {CONTACT} }} {ERRORS}")
    assert done["contact"] == {**contact, "name": None, "attributes": [], "groups": []}
    assert await numbers(api, search="max") == []
    assert await numbers(api, group="g") == []
    assert (await contacts(api))["nodes"] == [done["contact"]]


async def test_a_contact_that_is_not_there_cannot_be_changed(api: Api) -> None:
    there = await made(api, NUMBERS[0])
    for unknown in ("x", there["id"][:-2] + "zz"):
        missing = error("id", "NOT_FOUND", "There is no such contact.")
        assert await act(
            api, "updateContact", {"id": unknown, "name": "x"}, f"contact {{ id }} {ERRORS}"
        ) == {"contact": None, "userErrors": [missing]}
        assert await act(api, "deleteContact", {"id": unknown}, f"deletedId {ERRORS}") == {
            "deletedId": None,
            "userErrors": [missing],
        }
    assert (await contacts(api))["nodes"] == [there]


async def test_a_contact_that_is_deleted_is_gone_and_its_messages_stay(api: Api) -> None:
    contact = await made(api, NUMBERS[0], name="Zoë")
    campaign = await api.new_campaign()
    await api.add(campaign, [NUMBERS[0]])

    done = await act(api, "deleteContact", {"id": contact["id"]}, f"deletedId {ERRORS}")

    assert done == {"deletedId": contact["id"], "userErrors": []}
    assert (await contacts(api))["nodes"] == []
    found = await api.ask(
        "query($c: ID!) { campaign(id: $c) { messages { nodes { recipient } } } }", {"c": campaign}
    )
    assert found["campaign"]["messages"]["nodes"] == [{"recipient": NUMBERS[0]}]
    assert (await made(api, NUMBERS[0]))["name"] is None


async def test_an_attribute_may_have_any_name(api: Api) -> None:
    names = ["$ref", "$id", "a.b", "$$", "\x00", "é"]
    given = [{"name": name, "value": name} for name in names]

    contact = await made(api, NUMBERS[0], attributes=given)

    assert contact["attributes"] == given
    assert (await contacts(api))["nodes"] == [contact]


async def test_who_asked_for_no_more_is_shown_as_such_whoever_else_listed_him(api: Api) -> None:
    assert (await barred(api, NUMBERS[0]))["reason"] == "MANUAL"
    webhook = await api.new_source("generic")

    reply = {"from": NUMBERS[0], "to": "36180", "text": "STOP"}
    assert (await api.http.post(f"{webhook}/inbound", json=reply)).status_code == 200

    assert [e["reason"] for e in (await blacklist(api))["nodes"]] == ["UNSUBSCRIBED"]


async def test_what_is_done_by_hand_to_the_blacklist_is_written_down_without_a_number(
    api: Api,
) -> None:
    entry = await barred(api, NUMBERS[0])
    await act(api, "removeFromBlacklist", {"id": entry["id"]}, "removedId")

    entries = await audit.of_workspace(api.db.latest, api.workspace, since=NOW, limit=10)
    assert {Action.BLACKLIST_ADDED, Action.BLACKLIST_REMOVED} <= {e.done.action for e in entries}


async def test_a_number_is_listed_once_and_taken_off_again(api: Api) -> None:
    contact = await made(api, NUMBERS[0])
    entry = await barred(api, NUMBERS[0])
    assert (entry["number"], entry["reason"], entry["campaign"]) == (NUMBERS[0], "MANUAL", None)

    # once more changes nothing
    assert await barred(api, NUMBERS[0]) == entry
    assert (await blacklist(api))["nodes"] == [entry]
    [removed] = (await contacts(api, removed=True))["nodes"]
    assert removed == {
        **contact,
        "removal": {
            "reason": "MANUAL",
            "at": entry["since"],
            "status": None,
            "errorCode": None,
            "campaign": None,
        },
    }
    assert await numbers(api) == []
    # it comes back by being taken off there, and not otherwise
    restored = {"id": contact["id"], "restored": True}
    done = await act(api, "updateContact", restored, f"contact {{ id }} {ERRORS}")
    assert [e["code"] for e in done["userErrors"]] == ["BLACKLISTED"]
    assert await numbers(api) == []

    taken = await act(api, "removeFromBlacklist", {"id": entry["id"]}, f"removedId {ERRORS}")
    assert taken == {"removedId": entry["id"], "userErrors": []}
    assert (await blacklist(api))["nodes"] == []
    assert (await contacts(api))["nodes"] == [contact]
    # and can be listed again
    again = await barred(api, NUMBERS[0])
    assert (await blacklist(api))["nodes"] == [again]


async def test_an_entry_that_is_not_there_cannot_be_taken_off(api: Api) -> None:
    contact = await made(api, NUMBERS[0])
    missing = error("id", "NOT_FOUND", "There is no such entry.")
    for unknown in ("x", contact["id"]):
        done = await act(api, "removeFromBlacklist", {"id": unknown}, f"removedId {ERRORS}")
        assert done == {"removedId": None, "userErrors": [missing]}


async def test_a_new_contact_that_is_blacklisted_is_removed_at_once(api: Api) -> None:
    await barred(api, NUMBERS[0])

    contact = await made(api, NUMBERS[0])

    assert contact["removal"]["reason"] == "MANUAL"
    assert (await numbers(api), await numbers(api, removed=True)) == ([], [NUMBERS[0]])


async def test_a_campaign_tells_whom_it_removed_and_blacklisted(api: Api) -> None:
    for number in NUMBERS[:4]:
        await made(api, number)
    campaign = await api.new_campaign(sentAt="2026-11-23T07:00:00Z")
    sent = [one["id"] for one in await api.add(campaign, NUMBERS[:6])]
    codes = ["ROUTING_ERROR", "ABSENCE_PERMANENT_ERROR", "BLACKLISTED", "OTHER_ERROR"]
    codes += ["BLACKLISTED", "ROUTING_ERROR"]
    for n, (message, status) in enumerate(zip(sent, codes, strict=True)):
        await reported(api, message, status, f"2026-11-23T08:0{n}:00Z", errorCode=str(n))

    found = (await api.ask(HYGIENE, {"c": campaign}))["campaign"]["hygiene"]

    assert (found["removed"], found["blacklisted"]) == (3, 2)
    assert found["removedContacts"]["totalCount"] == 3
    assert [(c["number"], c["removal"]) for c in found["removedContacts"]["nodes"]] == [
        (
            NUMBERS[n],
            {
                "reason": reason,
                "at": f"2026-11-23T08:0{n}:00.000Z",
                "status": codes[n],
                "errorCode": str(n),
                "campaign": {"id": campaign},
            },
        )
        for n, reason in ((2, "UNSUBSCRIBED"), (1, "PERMANENT_ERROR"), (0, "PERMANENT_ERROR"))
    ]
    assert [
        (e["number"], e["reason"], e["campaign"]) for e in found["blacklistEntries"]["nodes"]
    ] == [(NUMBERS[n], "UNSUBSCRIBED", {"id": campaign}) for n in (4, 2)]
    # and of another campaign nothing
    other = (await api.ask(HYGIENE, {"c": await api.new_campaign()}))["campaign"]["hygiene"]
    assert (other["removed"], other["blacklisted"]) == (0, 0)


async def test_who_says_that_the_number_is_not_the_cause_removes_nobody(api: Api) -> None:
    await made(api, NUMBERS[0])
    campaign = await api.new_campaign()
    (message,) = await api.add(campaign, NUMBERS[:1])

    await reported(api, message["id"], "ROUTING_ERROR", "2026-11-23T08:00:00Z", numberCaused=False)

    assert await numbers(api) == [NUMBERS[0]]


async def test_without_the_scope_numbers_are_masked_and_names_left_out(api: Api) -> None:
    await made(api, NUMBERS[0], name="Zoë", attributes=[{"name": "a", "value": "b"}])
    await barred(api, NUMBERS[1])
    key = await api.new_key(scopes=ALL_SCOPES - {"contacts:read"})

    answer = (await api.post(CONTACTS, {}, key=key)).json()["data"]["contacts"]["nodes"][0]
    assert (answer["number"], answer["name"], answer["attributes"]) == ("+33••••••670", None, [])
    answer = (await api.post(BLACKLIST, {}, key=key)).json()["data"]["blacklist"]["nodes"][0]
    assert answer["number"] == "+33••••••671"
    for query in (CONTACTS, BLACKLIST):
        assert await api.codes(query, {"search": "671"}, key=key) == ["FORBIDDEN"]


async def walked(ask: Any, api: Api, *, size: int, back: bool = False, **given: Any) -> list[str]:
    """The ids of all pages."""
    found: list[str] = []
    cursor = None
    while True:
        way = {"last": size, "before": cursor} if back else {"first": size, "after": cursor}
        page = await ask(api, **way, **given)
        ids = [edge["node"]["id"] for edge in page["edges"]]
        assert [node["id"] for node in page["nodes"]] == ids
        found = ids + found if back else found + ids
        info = page["pageInfo"]
        if not info["hasPreviousPage" if back else "hasNextPage"]:
            return found
        cursor = info["startCursor" if back else "endCursor"]


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
        ({"group": "even"}, [8, 6, 4, 2, 0]),
        ({"group": "none"}, []),
        ({"search": "zo"}, [0, 1, 2, 3, 4]),
        ({"search": "max 7"}, [7]),
        ({"search": "+3361234567"}, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ({"search": "345671"}, [1]),
        ({"search": "  "}, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
    ],
)
async def test_every_list_of_contacts_can_be_walked_both_ways(
    api: Api, size: int, given: dict[str, Any], expected: list[int]
) -> None:
    ids = [
        (
            await made(
                api,
                number,
                name=f"Zoë {n}" if n < 5 else f"Max {n}",
                groups=["even" if n % 2 == 0 else "odd"],
            )
        )["id"]
        for n, number in enumerate(NUMBERS)
    ]
    gone = await made(api, "+33612345660", name="Zoë gone", groups=["even"])
    await barred(api, "+33612345660")

    wanted = [ids[n] for n in expected]
    assert await walked(contacts, api, size=size, **given) == wanted
    assert await walked(contacts, api, size=size, back=True, **given) == wanted
    page = await contacts(api, **given)
    searched = bool(given.get("search", "").strip())
    assert page["totalCount"] == (None if searched else len(expected))
    assert await walked(contacts, api, size=size, removed=True) == [gone["id"]]


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
        ({"search": "+3361234567"}, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ({"search": "45674"}, [4]),
    ],
)
async def test_the_blacklist_can_be_walked_both_ways(
    api: Api, size: int, given: dict[str, Any], expected: list[int]
) -> None:
    ids = [(await barred(api, number))["id"] for number in NUMBERS]
    await made(api, "+33612345660")

    wanted = [ids[n] for n in expected]
    assert await walked(blacklist, api, size=size, **given) == wanted
    assert await walked(blacklist, api, size=size, back=True, **given) == wanted
    assert (await blacklist(api, **given))["totalCount"] == (
        None if "search" in given else len(expected)
    )


@pytest.mark.parametrize(
    ("query", "given", "code"),
    [
        (CONTACTS, {"search": "zo", "group": "g"}, "UNSUPPORTED_COMBINATION"),
        (CONTACTS, {"search": "12"}, "INVALID_SEARCH"),
        (CONTACTS, {"first": 101}, "INVALID_PAGE_SIZE"),
        (CONTACTS, {"after": "x"}, "INVALID_CURSOR"),
        (BLACKLIST, {"search": "zoë"}, "INVALID_SEARCH"),
        (BLACKLIST, {"after": "x"}, "INVALID_CURSOR"),
    ],
)
async def test_what_cannot_be_listed_is_told(
    api: Api, query: str, given: dict[str, Any], code: str
) -> None:
    assert await api.codes(query, given) == [code]


async def test_a_cursor_holds_no_number(api: Api) -> None:
    await made(api, NUMBERS[0])
    await barred(api, NUMBERS[1])
    for ask in (contacts, blacklist):
        for given in ({}, {"search": "+336"}):
            cursor = (await ask(api, **given))["pageInfo"]["endCursor"]
            raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("latin-1")
            assert "612345" not in raw
            assert "543216" not in raw


async def test_who_is_shown_people_is_written_down(api: Api) -> None:
    await made(api, NUMBERS[0])
    await contacts(api)

    entries = await audit.of_workspace(api.db.latest, api.workspace, since=NOW, limit=10)
    assert Action.CONTACTS_READ in {entry.done.action for entry in entries}
