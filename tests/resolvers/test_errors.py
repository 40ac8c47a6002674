"""What an error says over HTTP: a stable code, where the mistake is, and never what was written there."""

import logging
from typing import Any

import pytest

from gql_server.store import campaign_lists
from tests.conftest import Api

NUMBER = "+33612345678"
COUNT = "{ campaigns { totalCount } }"
ADD = "mutation($i: AddRecipientsInput!) { addRecipients(input: $i) { added } }"
CREATE = "mutation($i: CreateCampaignInput!) { createCampaign(input: $i) { campaign { id } } }"
RECORD = "mutation($i: RecordReceiptsInput!) { recordReceipts(input: $i) { applied } }"
SPRING = {"name": "Spring", "text": "Hello", "sender": "ACME"}
DATE_TIME = "A DateTime is written in RFC 3339 with its zone, such as 2026-11-23T08:15:30.120Z."


async def told(api: Api, query: str, variables: Any = None, **more: Any) -> tuple[str, str]:
    """(message, code) of the one error of an answer without data."""
    answer = await api.http.post(
        f"{api.base}/graphql",
        json={"query": query, "variables": variables or {}, **more},
        headers={"authorization": f"Bearer {api.key}"},
    )
    (error,) = answer.json()["errors"]
    assert answer.json().get("data") is None
    assert set(error["extensions"]) == {"code"}
    return error["message"], error["extensions"]["code"]


@pytest.mark.parametrize(
    ("query", "message", "code"),
    [
        ("{", "Syntax Error: Expected Name, found <EOF>.", "GRAPHQL_PARSE_FAILED"),
        ("# nothing", "Syntax Error: Unexpected <EOF>.", "GRAPHQL_PARSE_FAILED"),
        ("{ campaigns { totalCount }", "Syntax Error: Expected Name, found <EOF>.",
         "GRAPHQL_PARSE_FAILED"),
        ("{ a" + " a" * 1000 + " }",
         "Syntax Error: Document contains more than 1000 tokens. Parsing aborted.",
         "GRAPHQL_PARSE_FAILED"),
        ("{ xyz }", "Cannot query field 'xyz' on type 'Query'.",
         "GRAPHQL_VALIDATION_FAILED"),
        ("{ campaign { id } }",
         "Argument 'Query.campaign(id:)' of type 'ID!' is required, but it was not provided.",
         "GRAPHQL_VALIDATION_FAILED"),
        ("query($x: Int) { campaigns { totalCount } }", "Variable '$x' is never used.",
         "GRAPHQL_VALIDATION_FAILED"),
    ],
)  # fmt: skip
async def test_a_document_that_cannot_be_is_told_so(
    api: Api, query: str, message: str, code: str
) -> None:
    # twice: what cannot be parsed or is not valid is remembered by nobody
    assert await told(api, query) == (message, code)
    assert await told(api, query) == (message, code)


@pytest.mark.parametrize(
    ("query", "variables", "message"),
    [
        (ADD, {"i": {"campaignId": "x", "recipients": [{"number": "1"}, {"name": NUMBER}]}},
         "Variable '$i.recipients.1' has an invalid value. The field 'number' is required."),
        (ADD, {"i": {"campaignId": "x", "recipients": [{"number": {"clear": NUMBER}}]}},
         "Variable '$i.recipients.0.number' has an invalid value. It is no String."),
        (ADD, {"i": {"campaignId": "x", "recipients": [{"number": "1", "naem": NUMBER}]}},
         "Variable '$i.recipients.0' has an invalid value. 'RecipientInput' has no such field."),
        (ADD, {"i": {"campaignId": "x", "recipients": [NUMBER]}},
         "Variable '$i.recipients.0' has an invalid value. A 'RecipientInput' is an object."),
        (ADD, {"i": {"campaignId": [NUMBER], "recipients": []}},
         "Variable '$i.campaignId' has an invalid value. It is no ID."),
        (ADD, {"i": {"campaignId": None, "recipients": []}},
         "Variable '$i.campaignId' has an invalid value. A 'ID!' must be given, and not be null."),
        (ADD, {"i": NUMBER},
         "Variable '$i' has an invalid value. A 'AddRecipientsInput' is an object."),
        (CREATE, {"i": SPRING | {"sentAt": NUMBER}},
         f"Variable '$i.sentAt' has an invalid value. {DATE_TIME}"),
        (CREATE, {"i": SPRING | {"sentAt": "2026-02-30T00:00:00Z"}},
         "Variable '$i.sentAt' has an invalid value. This DateTime does not exist."),
        (CREATE, {"i": SPRING | {"type": NUMBER}},
         "Variable '$i.type' has an invalid value. It is none of the values of 'SmsType'."),
        (CREATE, {"i": SPRING | {"type": 33612345678}},
         "Variable '$i.type' has an invalid value."),
        (RECORD, {"i": {"receipts": [{"status": "DELIVERED", "at": "2026-01-01T00:00:00Z"}]}},
         "Variable '$i.receipts.0.status' has an invalid value. It is none of the values of 'DeliveryStatus'."),
        ("query($n: Int) { campaigns(first: $n) { totalCount } }", {"n": NUMBER},
         "Variable '$n' has an invalid value. It is no Int."),
        ("query($n: Int) { campaigns(first: $n) { totalCount } }", {"n": 33612345678},
         "Variable '$n' has an invalid value. It is no Int."),
    ],
)  # fmt: skip
async def test_a_variable_that_cannot_be_read_is_named_and_not_repeated(
    api: Api, query: str, variables: dict[str, Any], message: str
) -> None:
    assert await told(api, query, variables) == (message, "BAD_USER_INPUT")
    assert "33612345678" not in (await api.post(query, variables)).text


async def test_a_variable_that_is_missing_is_named(api: Api) -> None:
    message, code = await told(api, ADD)

    assert message == (
        "Variable '$i' has an invalid value. "
        "A 'AddRecipientsInput!' must be given, and not be null."
    )
    assert code == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("query A { campaigns { totalCount } } query B { campaigns { totalCount } }", "C"),
        ("query A { campaigns { totalCount } }", "B"),
        ("fragment F on Query { campaigns { totalCount } }", None),
        ("", None),
        ("subscription { campaignsUpdated { id } }", None),
    ],
)
async def test_a_request_that_names_no_operation_of_its_document_is_a_bad_one(
    api: Api, query: str, name: str | None
) -> None:
    answer = await api.http.post(
        f"{api.base}/graphql",
        json={"query": query, "operationName": name},
        headers={"authorization": f"Bearer {api.key}"},
    )

    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["extensions"] == {"code": "BAD_REQUEST"}
    assert error["message"]


async def test_several_operations_of_which_none_is_named_are_refused(api: Api) -> None:
    query = "query A { campaigns { totalCount } } query B { campaigns { totalCount } }"

    for _ in range(2):
        assert await told(api, query) == (
            "Must provide operation name if query contains multiple operations.",
            "BAD_REQUEST",
        )
    named = {"query": query, "operationName": "B"}
    header = {"authorization": f"Bearer {api.key}"}
    answer = await api.http.post(f"{api.base}/graphql", json=named, headers=header)
    assert answer.json()["data"] == {"campaigns": {"totalCount": 0}}


async def test_a_query_in_the_address_is_answered_and_what_it_holds_that_is_no_json_is_named(
    api: Api,
) -> None:
    async def got(**parameters: str) -> tuple[int, Any]:
        answer = await api.http.get(
            f"{api.base}/graphql",
            params={"query": COUNT, **parameters},
            headers={"authorization": f"Bearer {api.key}"},
        )
        return answer.status_code, answer.json()

    status, answer = await got()
    assert (status, answer["data"]) == (200, {"campaigns": {"totalCount": 0}})

    for name in ("variables", "extensions"):
        status, answer = await got(**{name: "{"})
        (error,) = answer["errors"]
        assert (status, error["message"]) == (400, f"The parameter {name} is no JSON object")


@pytest.mark.parametrize(
    "wrong", [ValueError, KeyError, TypeError, RuntimeError, AssertionError, ZeroDivisionError]
)
async def test_a_bug_of_ours_is_told_by_an_id_and_by_nothing_else(
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    wrong: type[Exception],
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise wrong(NUMBER)

    monkeypatch.setattr(campaign_lists, "count", broken)
    monkeypatch.setattr(campaign_lists, "page", broken)
    with caplog.at_level(logging.DEBUG):
        answer = await api.post(COUNT)

    assert answer.json()["data"] is None
    (error,) = answer.json()["errors"]
    assert error["message"] == "Something went wrong on our side."
    assert error["path"] == ["campaigns"]
    assert error["extensions"] == {
        "code": "INTERNAL_ERROR",
        "errorId": error["extensions"]["errorId"],
    }
    # the log has the kind under the same id
    assert f"error {error['extensions']['errorId']}: builtins.{wrong.__name__}" in caplog.messages
    assert "33612345678" not in answer.text
    assert "33612345678" not in caplog.text
    assert "Traceback" not in caplog.text


async def test_pages_within_pages_end_before_they_are_read(api: Api) -> None:
    campaign = await api.new_campaign(100)
    page = "messages(first: 100) { nodes { id campaign { %s } } }"
    query = "id"
    for _ in range(4):
        query = page % query

    answer = (
        await api.post(f"query($c: ID!) {{ campaign(id: $c) {{ {query} }} }}", {"c": campaign})
    ).json()

    # 100 x 100 and the first 100 are more than 10,000; ten thousand million are not even begun, else this would not end
    assert "data" not in answer
    assert {(e["extensions"]["code"], e["message"]) for e in answer["errors"]} == {
        (
            "TOO_MANY_ROWS",
            (
                "One operation may ask for 10,000 rows; ask for smaller pages, for longer intervals, or in several "
                "operations."
            ),
        )
    }
    # a page of every message of a page of 99 is within the limit
    fits = (page % ((page % "id").replace("100", "99"))).replace("100", "99")
    assert await api.codes(f"query($c: ID!) {{ campaign(id: $c) {{ {fits} }} }}", {"c": campaign}) == []  # fmt: skip
