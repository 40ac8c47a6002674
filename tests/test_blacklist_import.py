"""A file of numbers goes onto the blacklist: each once, whatever was there, and nobody who was erased."""

from typing import Any

from gql_server.erasure import Erasure
from gql_server.services import utc_now
from gql_server.store import blacklist, contacts
from gql_server.store.contacts import ContactCondition
from gql_server.store.walk import Walk
from tests.barring import bar
from tests.conftest import ALL_SCOPES, Api
from tests.quiet import quiet
from tests.resolvers.mutating import act

NUMBERS = [f"+3361234567{n}" for n in range(6)]
ALL: Walk[Any] = Walk(None, None, descending=False, limit=100)


async def sent(api: Api, text: str, key: str | None = None) -> tuple[int, dict[str, Any]]:
    answer = await api.http.post(
        f"{api.base}/blacklist",
        content=text.encode(),
        headers={"authorization": f"Bearer {key or api.key}", "content-type": "text/csv"},
    )
    told: dict[str, Any] = answer.json()
    return answer.status_code, told


async def listed(api: Api) -> dict[str, str]:
    rows = await blacklist.page(api.db.latest, api.workspace, ALL)
    return {row.number: row.reason.value for row in rows}


async def test_each_number_is_listed_once_and_its_contact_leaves_the_address_book(
    api: Api,
) -> None:
    # given a contact, one who asked for no more already, and one who was erased
    await act(api, "createContact", {"number": NUMBERS[0]}, "userErrors { code }")
    await bar(api.db, api.workspace, NUMBERS[1])
    async with quiet(api.db, slots=(60,)) as process:
        erasure = Erasure(api.db, process.committer, clock=utc_now)
        await erasure.erase(api.workspace, NUMBERS[2], by="test")
    text = "\n".join(["number", *NUMBERS[:4], NUMBERS[3], "12"])

    status, told = await sent(api, text)

    assert (status, told["rows"], told["added"], told["there"]) == (200, 6, 2, 2)
    assert told["refused"] == {"ERASED_RECIPIENT": 1, "INVALID_NUMBER": 1}
    assert told["campaignId"] is None
    expected = {NUMBERS[0]: "MANUAL", NUMBERS[1]: "UNSUBSCRIBED", NUMBERS[3]: "MANUAL"}
    assert await listed(api) == expected
    gone = await contacts.page(api.db.latest, api.workspace, ContactCondition(removed=True), ALL)
    assert [one.number for one in gone] == [NUMBERS[0]]

    # and the same file again changes nothing
    status, told = await sent(api, text)
    assert (status, told["added"], told["there"]) == (200, 0, 4)
    assert await listed(api) == expected


async def test_who_may_not_write_lists_nobody(api: Api) -> None:
    key = await api.new_key(scopes=ALL_SCOPES - {"campaigns:write"})

    status, told = await sent(api, NUMBERS[0], key)

    [error] = told["errors"]
    assert (status, error["extensions"]["code"]) == (403, "FORBIDDEN")
    assert await listed(api) == {}
