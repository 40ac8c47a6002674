"""The report of a campaign as a file: the same rows as pages show, in each form, to whom they may be shown."""

import gzip
from datetime import UTC, datetime
from typing import Any

import pytest

from gql_server import report_table
from gql_server.database import Database
from gql_server.domain import ids
from gql_server.settings import Settings
from gql_server.store import audit
from tests.commands import listening
from tests.conftest import ALL_SCOPES, Api, serving_api
from tests.driver import DRIVER
from tests.exporting import (
    NAMES,
    NODES,
    code_of,
    csv_rows,
    export,
    ndjson_rows,
    nodes,
    some_campaign,
    xlsx_rows,
)
from tests.resolvers.mutating import act
from tests.tenants import nobodys_campaign
from tests.test_unknown_and_foreign import OF_TENANTS, shape

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FILTERS: list[dict[str, Any]] = [
    {"statuses": ["RECEIVED"]},
    {"statuses": ["RECEIVED", "WAITING"]},
    {"indicators": ["RECEIPT", "PENDING"]},
    {"statuses": ["RECEIVED", "ROUTING_ERROR"], "indicators": ["PERMANENT_ERROR"]},
    {"statuses": ["RECEIVED"], "indicators": ["PERMANENT_ERROR"]},
    {"country": "de"},
    {"country": "JP"},
    {"errorCode": "27"},
    {"errorCode": "-1"},
    {"search": "+336"},
    {"search": "678"},
    {"search": "zoe"},
    {"search": "Z"},
]


async def trail(db: Database) -> list[tuple[str, str, str | None, int]]:
    """(actor, action, subject, count) of what was exported."""
    entries = await audit.of_workspace(db.latest, "acme", since=LONG_AGO, limit=1000)
    return [
        (e.done.actor, e.done.action.value, e.done.subject, e.count)
        for e in entries
        if e.done.action is audit.Action.CONTACTS_EXPORTED
    ]


def in_address(chosen: dict[str, Any]) -> dict[str, Any]:
    """A filter as an address has it."""
    return {k: ",".join(v) if isinstance(v, list) else v for k, v in chosen.items()}


async def test_a_csv_file_byte_by_byte(api: Api) -> None:
    campaign = await some_campaign(api)
    rows = await nodes(api, campaign)
    key = [row["reference"] for row in rows]
    id_ = [row["id"] for row in rows]

    answer = await export(api, campaign)

    assert answer.status_code == 200
    assert (
        answer.content
        == (
            "\ufeffrecipient,contactName,status,statusLabel,indicator,statusAt,errorCode,errorReason,provider,country,"
            "operator,reference,id\r\n"
            f"+33612345678,Zoë Zimmer,RECEIVED,Received,RECEIPT,2026-11-23T08:15:30.120Z,,,generic,FR,Orange F,"
            f"{key[0]},{id_[0]}\r\n"
            f"+33612345679,'=cmd|' /C calc'!A0,ROUTING_ERROR,Routing error,PERMANENT_ERROR,2026-11-23T08:16:00.000Z,-1,"
            f"unknown: +33612345679,generic,FR,'@SFR,{key[1]},{id_[1]}\r\n"
            '+491711234567,"Anna, ""Anni""",ABSENCE_TEMPORARY_ERROR,Absence Temporary Error,TEMPORARY_ERROR,'
            f"2026-11-23T08:17:00.000Z,27,,generic,DE,,{key[2]},{id_[2]}\r\n"
            f"+33612345670,,WAITING,Waiting,PENDING,{rows[3]['statusAt']},,,,FR,,{key[3]},{id_[3]}\r\n"
            f"+4915112345678,zoe,RECEIVED,Received,RECEIPT,2026-11-23T08:18:00.000Z,,,generic,DE,,{key[4]},{id_[4]}\r\n"
        ).encode()
    )
    statistics = (await api.ask(NODES, {"c": campaign}))["campaign"]["statistics"]
    assert {name: answer.headers[name] for name in (
        *("content-type", "content-disposition", "cache-control", "content-length"),
        *("export-rows", "export-revision", "export-as-of"),
    )} == {
        "content-type": "text/csv; charset=utf-8; header=present",
        "content-disposition": f'attachment; filename="report-{ids.read_campaign(campaign)}.csv"',
        "cache-control": "private, no-store",
        "content-length": str(len(answer.content)),
        "export-rows": "5",
        "export-revision": str(statistics["revision"]),
        "export-as-of": statistics["asOf"],
    }  # fmt: skip


async def test_an_ndjson_file_has_what_graphql_shows_under_the_same_names(api: Api) -> None:
    campaign = await some_campaign(api)

    answer = await export(api, campaign, "ndjson")

    assert answer.headers["content-type"] == "application/x-ndjson"
    assert ndjson_rows(answer.content) == await nodes(api, campaign)
    assert list(ndjson_rows(answer.content)[0]) == list(NAMES)


async def test_a_workbook_has_the_same_with_labels_and_real_times(api: Api) -> None:
    campaign = await some_campaign(api)

    answer = await export(api, campaign, "xlsx")

    assert answer.headers["content-type"] == (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    )
    labels, *rows = xlsx_rows(answer.content)
    assert labels == (
        *("Recipient", "Name", "Status code", "Status", "Rate", "Status time (UTC)", "Error code"),
        *("Error reason", "Provider", "Country", "Operator", "Reference", "Id"),
    )
    expected = []
    for row in await nodes(api, campaign):
        row["statusAt"] = datetime.fromisoformat(row["statusAt"]).replace(tzinfo=None)
        expected.append(tuple(row.values()))
    assert rows == expected


@pytest.mark.parametrize("form", ["csv", "ndjson"])
async def test_by_gzip_a_file_that_is_packed_or_a_transfer_that_is(api: Api, form: str) -> None:
    campaign = await some_campaign(api)
    plain = (await export(api, campaign, form)).content

    file = await export(api, campaign, form, gzip=1)
    transfer = await export(api, campaign, form, headers={"accept-encoding": "gzip"})

    assert gzip.decompress(file.content) == plain
    assert file.headers["content-type"] == "application/gzip"
    assert file.headers["content-disposition"].endswith(f'.{form}.gz"')
    assert "content-encoding" not in file.headers
    # unpacked by the client on its way
    assert transfer.content == plain
    assert transfer.headers["content-encoding"] == "gzip"
    assert transfer.headers["content-disposition"].endswith(f'.{form}"')
    assert (await export(api, campaign, form, gzip=0)).content == plain


@pytest.mark.parametrize("chosen", FILTERS, ids=str)
@pytest.mark.parametrize("batch", [2, 1000])
async def test_a_filter_lets_through_what_it_does_in_graphql_in_the_same_order(
    api: Api, monkeypatch: pytest.MonkeyPatch, chosen: dict[str, Any], batch: int
) -> None:
    monkeypatch.setattr(report_table, "BATCH", batch)
    campaign = await some_campaign(api)
    shown = await nodes(api, campaign, chosen)

    answer = await export(api, campaign, "ndjson", **in_address(chosen))

    assert ndjson_rows(answer.content) == shown
    counted = (await api.ask(NODES, {"c": campaign, "f": chosen}))["campaign"]["messages"]
    told = answer.headers.get("export-rows")
    assert told == (None if counted["totalCount"] is None else str(len(shown)))


async def test_how_a_filter_is_written_in_an_address(api: Api) -> None:
    campaign = await some_campaign(api)
    base = f"{api.base}/campaigns/{campaign}/report.ndjson"
    head = {"authorization": f"Bearer {api.key}"}

    async def found(query: str) -> int:
        answer = await api.http.get(f"{base}?{query}", headers=head)
        assert answer.status_code == 200, answer.text
        return len(ndjson_rows(answer.content))

    assert await found("statuses=RECEIVED&statuses=WAITING") == 3
    assert await found("statuses=RECEIVED,%20WAITING") == 3
    # nothing is given for it
    assert await found("statuses=&country=&search=%20&errorCode=&gzip=") == 5
    # `+` means a blank there, and nobody searches for one
    assert await found("search=%2B336") == 3
    assert await found("search=+336") == 3
    assert await found("search=0033%206") == 3


REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("csv", {"statuses": "SENT", "country": "FR"}, 400, "UNSUPPORTED_COMBINATION"),
    ("csv", {"errorCode": "9", "search": "+336"}, 400, "UNSUPPORTED_COMBINATION"),
    ("csv", {"search": "12"}, 400, "INVALID_SEARCH"),
    ("csv", {"statuses": "sent"}, 400, "BAD_USER_INPUT"),
    ("csv", {"indicators": "RECEIPT,"}, 400, "BAD_USER_INPUT"),
    ("csv", {"search": ["+336", "+337"]}, 400, "BAD_USER_INPUT"),
    ("csv", {"status": "SENT"}, 400, "BAD_USER_INPUT"),
    ("csv", {"gzip": "yes"}, 400, "BAD_USER_INPUT"),
    ("xlsx", {"gzip": "1"}, 400, "BAD_USER_INPUT"),
    ("pdf", {}, 404, "NOT_FOUND"),
]


@pytest.mark.parametrize(("form", "parameters", "status", "code"), REFUSED, ids=str)
async def test_what_cannot_be_is_refused_and_nothing_is_noted(
    api: Api, form: str, parameters: dict[str, Any], status: int, code: str
) -> None:
    campaign = await some_campaign(api)

    answer = await export(api, campaign, form, **parameters)

    assert (answer.status_code, code_of(answer)) == (status, code)
    for value in parameters.values():
        assert str(value) not in answer.text or value in ("SENT", "FR", "1")
    assert await trail(api.db) == []


@pytest.mark.parametrize(
    ("scopes", "parameters", "status", "code"),
    [
        (None, {}, 401, "UNAUTHENTICATED"),
        (ALL_SCOPES - {"reports:read"}, {}, 403, "FORBIDDEN"),
        (ALL_SCOPES - {"contacts:read"}, {"search": "zoe"}, 403, "FORBIDDEN"),
        (ALL_SCOPES - {"contacts:read"}, {"search": "+336"}, 403, "FORBIDDEN"),
    ],
)
async def test_who_may_not_have_it_is_refused(
    api: Api, scopes: frozenset[str] | None, parameters: dict[str, Any], status: int, code: str
) -> None:
    campaign = await some_campaign(api)
    key = "" if scopes is None else await api.new_key(scopes=scopes)

    answer = await export(api, campaign, key=key, **parameters)

    assert (answer.status_code, code_of(answer)) == (status, code)
    if status == 401:
        assert answer.headers["www-authenticate"] == "Bearer"
    assert await trail(api.db) == []


@pytest.mark.parametrize("form", ["csv", "ndjson", "xlsx"])
async def test_without_contacts_read_numbers_are_masked_names_left_out_and_nobody_is_noted(
    api: Api, form: str
) -> None:
    campaign = await some_campaign(api)
    key = await api.new_key(scopes=frozenset({"reports:read"}))

    answer = await export(api, campaign, form, key=key)

    shown = await nodes(api, campaign, key=key)
    assert [row["recipient"] for row in shown][:2] == ["+33••••••678", "+33••••••679"]
    assert shown[1]["errorReason"] == "unknown: ••••"
    if form == "ndjson":
        assert ndjson_rows(answer.content) == shown
    elif form == "csv":
        rows = csv_rows(answer.content)
        assert [row["recipient"] for row in rows] == [row["recipient"] for row in shown]
        assert {row["contactName"] for row in rows} == {""}
        assert b"12345" not in answer.content
    else:
        rows_ = xlsx_rows(answer.content)[1:]
        assert [row[0] for row in rows_] == [row["recipient"] for row in shown]
        assert {row[1] for row in rows_} == {None}
    assert await trail(api.db) == []


async def test_an_export_in_clear_is_in_the_trail_with_whom_and_how_many(api: Api) -> None:
    campaign = await some_campaign(api)
    subject = ids.read_campaign(campaign)

    await export(api, campaign)
    actor = api.key.split("_")[1]
    assert await trail(api.db) == [(actor, "CONTACTS_EXPORTED", subject, 5)]

    other = await api.new_key()
    await export(api, campaign, "xlsx", key=other, country="DE")
    assert sorted(await trail(api.db)) == sorted(
        [
            (actor, "CONTACTS_EXPORTED", subject, 5),
            (other.split("_")[1], "CONTACTS_EXPORTED", subject, 2),
        ]
    )


async def test_where_it_cannot_be_written_down_nothing_is_shown(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gql_server.errors import Overloaded

    campaign = await some_campaign(api)

    async def away(*_: Any, **__: Any) -> None:
        raise Overloaded("away")

    monkeypatch.setattr(audit, "count", away)
    answer = await export(api, campaign)

    assert (answer.status_code, code_of(answer)) == (503, "UNAVAILABLE")
    assert answer.headers["retry-after"] == "5"


async def test_who_was_erased_is_shown_as_everywhere(api: Api) -> None:
    campaign = await some_campaign(api)
    await act(api, "erasePerson", {"number": "+33612345679"}, "erasedMessages")

    rows = ndjson_rows((await export(api, campaign, "ndjson")).content)

    assert rows == await nodes(api, campaign)
    assert (rows[1]["recipient"], rows[1]["contactName"]) == ("+••••", None)
    assert rows[1]["errorReason"] == "unknown: ••••"
    (*_, count) = (await trail(api.db))[0]
    assert count == 4


@pytest.mark.parametrize("form", ["csv", "ndjson", "xlsx"])
async def test_a_campaign_without_recipients_is_a_file_too(api: Api, form: str) -> None:
    campaign = await api.new_campaign()

    answer = await export(api, campaign, form)

    assert answer.status_code == 200
    statistics = (await api.ask(NODES, {"c": campaign}))["campaign"]["statistics"]
    told = ("export-rows", "export-revision", "export-as-of")
    assert [answer.headers[name] for name in told] == [
        "0",
        str(statistics["revision"]),
        statistics["asOf"],
    ]
    if form == "csv":
        assert answer.content.decode("utf-8-sig") == ",".join(NAMES) + "\r\n"
    elif form == "ndjson":
        assert answer.content == b""
    else:
        assert len(xlsx_rows(answer.content)) == 1


async def test_a_campaign_whose_messages_are_deleted_says_so(api: Api) -> None:
    campaign = await some_campaign(api)
    await api.db.collection("campaigns").update_one(
        {"_id": ids.read_campaign(campaign)}, {"$set": {"sealedAt": LONG_AGO}}
    )

    answer = await export(api, campaign)

    assert (answer.status_code, code_of(answer)) == (410, "MESSAGES_EXPIRED")
    assert await api.codes(NODES, {"c": campaign}) == ["MESSAGES_EXPIRED"]
    assert await trail(api.db) == []


@pytest.mark.parametrize("form", ["csv", "ndjson", "xlsx"])
async def test_head_tells_what_there_would_be_and_makes_nothing(api: Api, form: str) -> None:
    campaign = await some_campaign(api)

    head = await export(api, campaign, form, method="HEAD")

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["export-rows"] == "5"
    assert await trail(api.db) == []
    answer = await export(api, campaign, form)
    for name in ("content-type", "content-disposition", "export-revision", "export-as-of"):
        assert head.headers[name] == answer.headers[name]
    missing = await export(api, "x", form, method="HEAD")
    assert missing.status_code == 404


async def test_a_page_of_an_allowed_origin_may_read_what_is_told_beside_the_file(
    make_api: Any,
) -> None:
    async with make_api(allowed_origins=("https://app.example.com",)) as api:
        campaign = await some_campaign(api)

        answer = await export(api, campaign, headers={"origin": "https://app.example.com"})

    exposed = answer.headers["access-control-expose-headers"]
    for name in ("Content-Disposition", "Export-Rows", "Export-Revision", "Export-As-Of"):
        assert name in exposed.split(", ")


async def test_rows_cost_a_tenth_of_what_they_do_in_graphql(make_api: Any) -> None:
    async with make_api(cost_per_minute=2000) as api:
        key = await api.new_key()
        campaign = await api.new_campaign(1000)

        # 1 for asking, 100 for the rows; what comes back meanwhile is some 33 a second
        told = [(await export(api, campaign, key=key)).status_code for _ in range(25)]
        refused = await export(api, campaign, key=key)
        unknown = [
            (await export(api, campaign, key=key, country="FR")).status_code for _ in range(3)
        ]

    assert told[:19] == [200] * 19
    assert 429 in told
    assert (refused.status_code, code_of(refused)) == (429, "RATE_LIMITED")
    assert 1 <= int(refused.headers["retry-after"]) <= 5
    # of a list that nobody has counted, asking alone has to be paid before
    assert unknown[0] == 200


@pytest.mark.parametrize("file", ["report", "audience"])
async def test_another_workspaces_campaign_is_one_that_nobody_has(
    settings: Settings, db: Database, mongo_url: str, file: str
) -> None:
    """The same answer, and the same commands of the database, so the same time."""
    async with (
        listening(db, mongo_url, DRIVER) as (loud, commands),
        serving_api(settings, loud) as api,
    ):
        campaign = await some_campaign(api)
        key = {"authorization": f"Bearer {await api.new_key('stranger')}"}

        async def asked(campaign: str) -> tuple[tuple[Any, ...], tuple[str, ...]]:
            address = f"{api.base}/campaigns/{campaign}/{file}.csv?indicators=RECEIPT"
            await api.http.get(address, headers=key)
            commands.clear()
            answer = await api.http.get(address, headers=key)
            heard = tuple(
                f"{next(iter(command))} {shape(command)}"
                for command in commands.seen
                if command.get(next(iter(command))) in OF_TENANTS
            )
            each = ("date", "x-request-id")
            told = [(k, v) for k, v in answer.headers.items() if k not in each]
            return (answer.status_code, answer.content, told), heard

        foreign = [await asked(campaign) for _ in range(5)]
        unknown = [await asked(nobodys_campaign()) for _ in range(5)]

    assert {one[0][0] for one in (*foreign, *unknown)} == {404}
    assert foreign[0][0] == unknown[0][0]
    # what the server does by itself falls in between at times, and only ever adds to it
    (command,) = min((heard for _, heard in foreign), key=len)
    assert min((heard for _, heard in unknown), key=len) == (command,)
    assert command.startswith("aggregate ")
