"""Address book, removed contacts, blacklist and audience as files: what GraphQL shows, all of it."""

from typing import Any

import pytest

from gql_server import people_tables, report_table
from gql_server.domain import ids
from tests.conftest import ALL_SCOPES, Api
from tests.exporting import code_of, csv_rows, ndjson_rows, some_campaign, xlsx_rows
from tests.resolvers.mutating import act
from tests.resolvers.test_book import BLACKLIST, CONTACTS, barred, made
from tests.test_reports import trail

MASKED = ALL_SCOPES - {"contacts:read"}


async def get(api: Api, path: str, *, key: str | None = None, **given: Any) -> Any:
    headers = {"authorization": f"Bearer {key or api.key}"}
    return await api.http.get(f"{api.base}/{path}", params=given, headers=headers)


async def a_book(api: Api) -> None:
    """Five contacts, of whom two are removed by hand, and a third number that is no contact."""
    for n in range(5):
        await made(
            api,
            f"+3361234567{n}",
            name=f"=Name {n}",
            groups=["a; b", "c"] if n % 2 else [],
            attributes=[{"name": "town", "value": "=Lyon"}] if n else [],
        )
    for n in (1, 2, 7):
        await barred(api, f"+3361234567{n}")


def flat(node: dict[str, Any]) -> dict[str, Any]:
    """A contact of GraphQL's as a row."""
    removal = node["removal"] or {}
    campaign = removal.get("campaign")
    return {
        "number": node["number"],
        "name": node["name"],
        "groups": node["groups"],
        "attributes": {one["name"]: one["value"] for one in node["attributes"]},
        "createdAt": node["createdAt"],
        "removalReason": removal.get("reason"),
        "removedAt": removal.get("at"),
        "removalStatus": removal.get("status"),
        "removalErrorCode": removal.get("errorCode"),
        "removalCampaignId": campaign and campaign["id"],
        "id": node["id"],
    }


@pytest.mark.parametrize("batch", [1, 2, 1000])
@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ({}, {}),
        ({"removed": "true"}, {"removed": True}),
        ({"removed": "false", "group": "c"}, {"group": "c"}),
        ({"removed": "true", "group": "c"}, {"removed": True, "group": "c"}),
        ({"group": "nobody"}, {"group": "nobody"}),
    ],
    ids=str,
)
async def test_contacts_are_those_of_graphql_in_the_same_order(
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    batch: int,
    given: dict[str, str],
    chosen: dict[str, Any],
) -> None:
    monkeypatch.setattr(people_tables, "BATCH", batch)
    await a_book(api)

    answer = await get(api, "contacts.ndjson", **given)

    page = (await api.ask(CONTACTS, chosen))["contacts"]
    assert ndjson_rows(answer.content) == [flat(node) for node in page["nodes"]]
    assert answer.headers["export-rows"] == str(page["totalCount"])
    name = "removed-contacts" if chosen.get("removed") else "contacts"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}.ndjson"'


async def test_a_cell_with_several_texts_is_one_text_and_no_formula(api: Api) -> None:
    await a_book(api)

    [*_, first] = csv_rows((await get(api, "contacts.csv")).content)
    [row, _] = csv_rows((await get(api, "contacts.csv", group="c")).content) * 2
    sheet = xlsx_rows((await get(api, "contacts.xlsx", group="c")).content)

    assert (first["name"], first["groups"], first["attributes"]) == ("'=Name 0", "", "")
    assert (row["name"], row["groups"]) == ("'=Name 3", "a; b; c")
    assert row["attributes"] == '{"town":"=Lyon"}'
    assert sheet[1][:4] == ("+33612345673", "=Name 3", "a; b; c", '{"town":"=Lyon"}')


async def test_the_blacklist_is_that_of_graphql(api: Api) -> None:
    await a_book(api)

    answer = await get(api, "blacklist.ndjson")

    page = (await api.ask(BLACKLIST, {}))["blacklist"]
    assert ndjson_rows(answer.content) == [
        {
            "number": node["number"],
            "reason": node["reason"],
            "since": node["since"],
            "campaignId": node["campaign"] and node["campaign"]["id"],
            "id": node["id"],
        }
        for node in page["nodes"]
    ]
    assert answer.headers["export-rows"] == "3"
    assert len(csv_rows((await get(api, "blacklist.csv")).content)) == 3
    assert len(xlsx_rows((await get(api, "blacklist.xlsx")).content)) == 4


async def test_without_contacts_read_people_are_masked_and_nobody_is_noted(api: Api) -> None:
    await a_book(api)
    key = await api.new_key(scopes=MASKED)

    contacts = ndjson_rows((await get(api, "contacts.ndjson", key=key)).content)
    listed = ndjson_rows((await get(api, "blacklist.ndjson", key=key)).content)

    page = (await api.ask(CONTACTS, {}, key=key))["contacts"]
    assert contacts == [flat(node) for node in page["nodes"]]
    assert {one["number"] for one in (*contacts, *listed)} == {
        f"+33••••••67{n}" for n in (0, 1, 2, 3, 4, 7)
    }
    assert await trail(api.db) == []
    # and in clear they are, as of no campaign
    await get(api, "contacts.csv")
    assert [entry[1:] for entry in await trail(api.db)] == [("CONTACTS_EXPORTED", "", 3)]


@pytest.mark.parametrize("batch", [2, 1000])
async def test_an_audience_has_who_may_be_written_to_again(
    api: Api, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(report_table, "BATCH", batch)
    campaign = await some_campaign(api)
    path = f"campaigns/{campaign}/audience"
    query = """query($c: ID!, $i: [DeliveryIndicator!]!) { campaign(id: $c) { audience(indicators: $i) {
      nodes { recipient } } } }"""
    given = {"c": campaign, "i": ["RECEIPT", "PENDING", "TEMPORARY_ERROR"]}

    async def audience() -> list[str]:
        answer = await get(api, f"{path}.ndjson", indicators=",".join(given["i"]))
        assert "export-rows" not in answer.headers
        assert answer.headers["content-disposition"] == (
            f'attachment; filename="audience-{ids.read_campaign(campaign)}.ndjson"'
        )
        return [row["recipient"] for row in ndjson_rows(answer.content)]

    assert await audience() == [
        *("+33612345678", "+491711234567", "+33612345670", "+4915112345678"),
    ]
    await barred(api, "+491711234567")
    await act(api, "erasePerson", {"number": "+33612345670"}, "erasedMessages")

    shown = (await api.ask(query, given))["campaign"]["audience"]["nodes"]
    assert await audience() == [node["recipient"] for node in shown]
    assert await audience() == ["+33612345678", "+4915112345678"]


@pytest.mark.parametrize(
    ("path", "given", "status", "code"),
    [
        ("contacts.csv", {"removed": "1"}, 400, "BAD_USER_INPUT"),
        ("contacts.csv", {"search": "+336"}, 400, "BAD_USER_INPUT"),
        ("blacklist.csv", {"removed": "true"}, 400, "BAD_USER_INPUT"),
        ("contacts.pdf", {}, 404, "NOT_FOUND"),
        ("campaigns/CAMPAIGN/audience.csv", {}, 400, "BAD_USER_INPUT"),
        ("campaigns/CAMPAIGN/audience.csv", {"indicators": "SENT"}, 400, "BAD_USER_INPUT"),
        ("campaigns/x/audience.csv", {"indicators": "RECEIPT"}, 404, "NOT_FOUND"),
    ],
)
async def test_what_cannot_be_is_refused(
    api: Api, path: str, given: dict[str, str], status: int, code: str
) -> None:
    campaign = await api.new_campaign()

    answer = await get(api, path.replace("CAMPAIGN", campaign), **given)

    assert (answer.status_code, code_of(answer)) == (status, code)


@pytest.mark.parametrize("path", ["contacts.csv", "blacklist.csv"])
async def test_it_needs_a_key_that_may_read(api: Api, path: str) -> None:
    blind = await api.new_key(scopes=ALL_SCOPES - {"reports:read"})

    answer = await get(api, path, key=blind)

    assert (answer.status_code, code_of(answer)) == (403, "FORBIDDEN")
    assert (await api.http.get(f"{api.base}/{path}")).status_code == 401
