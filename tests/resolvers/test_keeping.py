"""Answers that are given again: never an old one, never another's, and only what may be kept."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from gql_server.commit import Committer
from gql_server.domain.ids import read_campaign
from gql_server.metrics import ANSWERS
from gql_server.recount import recount
from gql_server.rollup import roll_up
from gql_server.services import utc_now
from gql_server.store import indexes, workspaces
from tests.commands import Commands, listening
from tests.conftest import Api, serving_api
from tests.driver import opened, settings_for

ALL = """id name text state cost recipientCount partsPerMessage updatesCursor
  statistics { revision asOf total statuses { status count } indicators { indicator count rate } }
  minutes: timeline(interval: MINUTE) { at interval statuses { status count } }
  hours: timeline(interval: HOUR) { at interval statuses { status count } }
  countries: breakdown(by: COUNTRY) { key total } codes: breakdown(by: ERROR_CODE) { key total }
  deliveryTime { count p50 }"""
MESSAGES = """totalCount pageInfo { endCursor hasNextPage } nodes { id recipient contactName status statusAt
  errorCode history { status at } campaign { id } }"""
FOUND = 'filter: {search: "+336"}'
LATEST = "filter: {statuses: [RECEIVED]}, orderBy: {field: STATUS_AT, direction: DESC}"
SUMMARY = "query($c: ID!) { campaign(id: $c) { statistics { revision total } } }"

QUESTIONS: tuple[str, ...] = (
    f"query All($c: ID!) {{ campaign(id: $c) {{ {ALL} alerts {{ message }} }} }}",
    f"query Kept($c: ID!) {{ campaign(id: $c) {{ {ALL} }} }}",
    f"query Page($c: ID!) {{ campaign(id: $c) {{ messages(first: 3) {{ {MESSAGES} }} }} }}",
    f"query Find($c: ID!) {{ campaign(id: $c) {{ messages({FOUND}) {{ {MESSAGES} }} }} }}",
    f"query Received($c: ID!) {{ campaign(id: $c) {{ messages({LATEST}) {{ {MESSAGES} }} }} }}",
    f"query Node($c: ID!) {{ node(id: $c) {{ ... on Campaign {{ {ALL} }} }} }}",
    "query Nodes($c: ID!) { nodes(ids: [$c, \"bm90aGluZw==\"]) { id ... on Campaign { name } } }",
    "query Message($m: ID!) { node(id: $m) { ... on Message { status campaign { name state } } } }",
    "query History { campaigns { totalCount nodes { id statistics { revision } } } }",
    "query Sum { statistics { revision total } }",
    "query SumOf($c: ID!) { statistics(campaignIds: [$c]) { revision asOf total } }",
)  # fmt: skip


@dataclass
class Two:
    """Two servers of one database: one gives answers again, and all that it reads is seen; the other keeps none."""

    api: Api
    forgetful: Api
    commands: Commands
    #: of a process that is none of both
    committer: Committer

    def reads(self) -> Counter[str]:
        """What the first one read since it was asked last."""
        found = Counter(self.commands.names())
        self.commands.clear()
        return Counter({name: found[name] for name in found if name in COMMANDS})


COMMANDS = {
    f"{verb} {collection}"
    for verb in ("find", "aggregate")
    for collection in ("campaigns", "messages", "counters", "workspaces", "timeline", "recipients")
}


@pytest.fixture(scope="module")
async def two(mongo_url: str) -> AsyncIterator[Two]:
    database = await opened(mongo_url, f"kept_{secrets.token_hex(6)}")
    await indexes.ensure(database, outbox_hours=24)
    committer = Committer(database, nudge=lambda *_: None, clock=utc_now, slots=(60,))
    async with (
        listening(database, mongo_url) as (heard, commands),
        serving_api(settings_for(mongo_url), heard) as api,
        serving_api(replace(settings_for(mongo_url), answer_cache_mb=0), database) as forgetful,
    ):
        yield Two(api, forgetful, commands, committer)
    await database.drop()
    await database.close()


def outcomes() -> dict[str, float]:
    """How many answers were given again, had changed, or were new."""
    return {name: ANSWERS.labels(name)._value.get() for name in ("again", "changed", "new")}


async def receive(api: Api, message: str, status: str = "RECEIVED", **more: str) -> None:
    """A receipt, acknowledged."""
    receipt = {"messageId": message, "status": status, "at": utc_now().isoformat(), **more}
    done = await api.ask(
        "mutation($i: RecordReceiptsInput!) { recordReceipts(input: $i) { parked userErrors { code } } }",
        {"i": {"receipts": [receipt]}},
    )
    assert done["recordReceipts"] == {"parked": 0, "userErrors": []}


async def test_a_question_that_was_asked_before_reads_the_versions_alone(two: Two) -> None:
    # given a report that was asked once
    made = await two.api.new_campaign(5)
    query = QUESTIONS[1]
    first = await two.api.post(query, {"c": made})
    assert two.reads()["find campaigns"] > 0

    # when it is asked again
    second = await two.api.post(query, {"c": made})

    # then its bytes are the same, and what was read is whether anything has changed: the campaign, what credits cost
    assert second.content == first.content
    assert second.headers["content-type"] == first.headers["content-type"]
    assert two.reads() == {"find counters": 1, "find workspaces": 1}

    # and of one that does not ask for the cost the campaign alone
    await two.api.post(SUMMARY, {"c": made})
    two.reads()
    await two.api.post(SUMMARY, {"c": made})
    assert two.reads() == {"find counters": 1}


async def test_who_asks_at_the_same_time_shares_a_read(two: Two) -> None:
    made = await two.api.new_campaign(5)
    await two.api.ask(SUMMARY, {"c": made})
    two.reads()

    answers = await asyncio.gather(*(two.api.ask(SUMMARY, {"c": made}) for _ in range(40)))

    assert len({str(answer) for answer in answers}) == 1
    assert 1 <= two.reads()["find counters"] <= 20


@pytest.mark.parametrize("seed", range(4))
async def test_it_is_what_a_server_answers_that_keeps_nothing(two: Two, seed: int) -> None:
    """Whatever happens in between, in whichever process: all questions, again and again."""
    random = Random(seed)
    workspace = f"w{secrets.token_hex(4)}"
    api, forgetful = (replace(one, workspace=workspace) for one in (two.api, two.forgetful))
    api.key = forgetful.key = await api.new_key()
    campaigns = [await api.new_campaign(random.randrange(1, 6)) for _ in range(2)]
    messages = [
        (await api.add(made, [f"+3361234{n:04}" for n in range(4)]))[0] for made in campaigns
    ]
    before = outcomes()

    async def receipt() -> None:
        message = random.choice(messages)["reference"]
        status = random.choice(["RECEIVED", "SENT", "ROUTING_ERROR", "OTHER_ERROR"])
        await receive(
            random.choice([api, forgetful]), message, status, errorCode=random.choice("123")
        )

    async def recipients() -> None:
        number = f"+33699{random.randrange(10**6):06}"
        await random.choice([api, forgetful]).add(random.choice(campaigns), [number])

    async def price() -> None:
        await api.db.collection("workspaces").update_one(
            {"_id": workspace}, {"$set": {"creditsPerPart": random.random()}}
        )

    async def rename() -> None:
        done = await random.choice([api, forgetful]).ask(
            "mutation($i: UpdateCampaignInput!) { updateCampaign(input: $i) { userErrors { code } } }",
            {"i": {"id": random.choice(campaigns), "name": f"n{random.randrange(1000)}"}},
        )
        assert done["updateCampaign"] == {"userErrors": []}

    async def create() -> None:
        await random.choice([api, forgetful]).new_campaign(1)

    async def roll() -> None:
        await roll_up(api.db, utc_now() + timedelta(days=random.choice([3, 70])))

    async def prove() -> None:
        campaign = read_campaign(random.choice(campaigns))
        assert campaign is not None
        await recount(api.db, two.committer, campaign)

    async def nothing() -> None:
        return

    things = [receipt, receipt, recipients, rename, create, price, roll, prove, nothing]
    for _ in range(20):
        await random.choice(things)()
        for query in QUESTIONS:
            variables = {"c": random.choice(campaigns), "m": random.choice(messages)["id"]}
            variables = {name: value for name, value in variables.items() if f"${name}" in query}
            kept = await api.post(query, variables)
            anew = await forgetful.post(query, variables)
            assert kept.json() == anew.json(), query
            assert "errors" not in kept.json()

    after = outcomes()
    assert after["again"] - before["again"] > 30
    assert after["changed"] - before["changed"] > 30


async def test_nobody_gets_less_than_was_acknowledged_before(two: Two) -> None:
    # given many who ask all the time, and one who writes, by another process
    made = await two.api.new_campaign()
    acknowledged = 0
    done = False

    async def ask() -> int:
        asked = 0
        while not done:
            known = acknowledged
            seen = (await two.api.ask(SUMMARY, {"c": made}))["campaign"]["statistics"]
            assert seen["total"] >= known
            asked += 1
        return asked

    readers = [asyncio.create_task(ask()) for _ in range(8)]
    for n in range(30):
        await two.forgetful.add(made, [f"+336123456{n:02}"])
        acknowledged = n + 1
        await asyncio.sleep(0.01)
    done = True

    assert sum(await asyncio.gather(*readers)) > 60


async def test_another_workspace_and_other_rights_get_their_own_answers(two: Two) -> None:
    # given an answer with numbers in clear
    made = await two.api.new_campaign(2)
    query = "query($c: ID!) { campaign(id: $c) { messages { nodes { recipient } } } }"
    clear = await two.api.ask(query, {"c": made})
    assert clear["campaign"]["messages"]["nodes"][0]["recipient"] == "+33600000000"

    # when others ask the same
    masked = await two.api.new_key(scopes=frozenset({"reports:read"}))
    blind = await two.api.new_key(scopes=frozenset({"receipts:write"}))
    stranger = await two.api.new_key(workspace="somebody")

    # then they get what is theirs, the first time and again
    for _ in range(2):
        seen = (await two.api.post(query, {"c": made}, key=masked)).json()
        assert "+33600000000" not in str(seen)
        assert await two.api.codes(query, {"c": made}, key=blind) == ["FORBIDDEN"]
        assert await two.api.ask(query, {"c": made}, key=stranger) == {"campaign": None}
        assert (await two.api.post(query, {"c": made}, key="")).status_code == 401


async def test_who_asks_what_it_may_do_is_answered_as_itself_beside_a_campaign(two: Two) -> None:
    # given keys with these rights and those, two of each
    made = await two.api.new_campaign(1)
    query = "query($c: ID!) { viewer { scopes } campaign(id: $c) { recipientCount } }"
    rights = {
        frozenset({"reports:read"}): ["REPORTS_READ"],
        frozenset({"reports:read", "contacts:read"}): ["REPORTS_READ", "CONTACTS_READ"],
    }
    keys = [(await two.api.new_key(scopes=some), rights[some]) for some in [*rights] * 2]
    before = outcomes()

    # when all of them ask the same, again and again
    for key, scopes in keys * 3:
        assert await two.api.ask(query, {"c": made}, key=key) == {
            "viewer": {"scopes": scopes},
            "campaign": {"recipientCount": 1},
        }

    # then it was answered anew once for each of the rights, and given again to the others
    after = outcomes()
    assert {name: after[name] - before[name] for name in after} == {
        "again": 10,
        "changed": 0,
        "new": 2,
    }


@pytest.mark.parametrize(
    "query",
    [
        "query($c: ID!) { campaign(id: $c) { alerts { message } } }",
        "query($c: ID!) { campaign(id: $c) { name } campaigns { totalCount } }",
        'query($c: ID!) { campaign(id: $c) { name } node(id: "Q2FtcGFpZ246MHFoNG1wczVkdDUw") { id } }',
        "query($c: ID!) { campaign(id: $c) { name messages(first: 0) { totalCount } } }",
    ],
)
async def test_what_hangs_on_more_than_campaigns_is_not_kept(two: Two, query: str) -> None:
    """The clock, the list of campaigns, what is not there yet; and an error."""
    made = await two.api.new_campaign(1)
    before = outcomes()

    for _ in range(3):
        await two.api.post(query, {"c": made})

    after = outcomes()
    assert after["new"] - before["new"] == 3
    assert after["again"] == before["again"]


async def test_a_mutation_is_done_each_time(two: Two) -> None:
    made = await two.api.new_campaign()
    query = """mutation($i: AddRecipientsInput!) { addRecipients(input: $i) {
        campaign { recipientCount } userErrors { code } } }"""
    given = {"i": {"campaignId": made, "recipients": [{"number": "+33612345678"}]}}

    answers = [await two.api.ask(query, given) for _ in range(3)]

    assert answers[0]["addRecipients"]["userErrors"] == []
    both = await two.forgetful.ask(SUMMARY, {"c": made})
    assert both == await two.api.ask(SUMMARY, {"c": made})
    assert answers[1:] == [answers[1]] * 2


async def test_the_variables_and_the_operation_are_part_of_the_question(two: Two) -> None:
    made, other = await two.api.new_campaign(1), await two.api.new_campaign(2)
    query = """query One($c: ID!) { campaign(id: $c) { recipientCount } }
        query Two($c: ID!) { campaign(id: $c) { id } }"""

    async def ask(campaign: str, name: str) -> Any:
        answer = await two.api.http.post(
            f"{two.api.base}/graphql",
            json={"query": query, "variables": {"c": campaign}, "operationName": name},
            headers={"authorization": f"Bearer {two.api.key}"},
        )
        return answer.json()["data"]["campaign"]

    for _ in range(2):
        assert await ask(made, "One") == {"recipientCount": 1}
        assert await ask(other, "One") == {"recipientCount": 2}
        assert await ask(made, "Two") == {"id": made}


async def test_a_workspace_that_pays_otherwise_sees_it_at_once(two: Two) -> None:
    api = replace(two.api, workspace=f"w{secrets.token_hex(4)}")
    await workspaces.ensure(api.db, api.workspace, now=utc_now())
    api.key = await api.new_key()
    made = await api.new_campaign(2)
    query = "query($c: ID!) { campaign(id: $c) { cost } }"
    assert [(await api.ask(query, {"c": made}))["campaign"]["cost"] for _ in range(2)] == [2, 2]

    await api.db.collection("workspaces").update_one(
        {"_id": api.workspace}, {"$set": {"creditsPerPart": 0.5}}
    )

    assert (await api.ask(query, {"c": made}))["campaign"]["cost"] == 1
