"""SNS over HTTP: what is signed is fetched for, what is subscribed is confirmed, and both only on AWS's hosts."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gql_server import fetching
from tests.conftest import Api
from tests.local_aws import CERTIFICATE_URL, REGION, TOPIC, Answer, LocalAws, local_aws, signed
from tests.test_webhooks import COMES_AGAIN, one_message, seen

SUBSCRIBE = f"https://{REGION}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37f"
STRANGER = "arn:aws:sns:us-west-2:666666666666:mine"


@pytest.fixture
async def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalAws]:
    async with local_aws(tmp_path) as serving:
        serving.answers[SUBSCRIBE] = Answer(b"<ConfirmSubscriptionResponse/>")
        monkeypatch.setattr(fetching, "new_client", serving.client)
        yield serving


def notification(word: str, reference: str, **changes: Any) -> dict[str, Any]:
    event = {"eventType": word, "messageId": "m1", "context": {"reference": reference}}
    return {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": json.dumps(event),
        "Timestamp": "2026-11-20T10:00:00.000Z",
        **changes,
    }


def confirmation(**changes: Any) -> dict[str, Any]:
    return {
        "Type": "SubscriptionConfirmation",
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "Token": "2336412f37f",
        "TopicArn": TOPIC,
        "Message": "You have chosen to subscribe.\nTo confirm, visit the SubscribeURL.",
        "SubscribeURL": SUBSCRIBE,
        "Timestamp": "2026-11-20T10:00:00.000Z",
        **changes,
    }


async def post(api: Api, webhook: str, envelope: dict[str, Any]) -> httpx.Response:
    headers = {
        "content-type": "text/plain; charset=UTF-8",
        "x-amz-sns-message-type": envelope["Type"],
    }
    return await api.http.post(webhook, content=json.dumps(envelope), headers=headers)


async def test_a_signed_notification_is_taken_and_its_certificate_fetched_once(
    api: Api, aws: LocalAws
) -> None:
    campaign, message = await one_message(api)
    webhook = await api.new_source("aws", secrets_=("arn:aws:sns:eu-west-1:1:old", TOPIC))

    for version, word in (("1", "TEXT_SENT"), ("2", "TEXT_DELIVERED")):
        envelope = signed(notification(word, message["reference"]), version=version)
        assert (await post(api, webhook, envelope)).status_code == 200

    assert (await seen(api, campaign))["status"] == "RECEIVED"
    assert aws.asked == [f"GET {CERTIFICATE_URL}"]


async def test_an_old_notification_that_is_sent_again_changes_nothing(
    api: Api, aws: LocalAws
) -> None:
    campaign, message = await one_message(api)
    webhook = await api.new_source("aws", secrets_=(TOPIC,))
    old = signed(notification("TEXT_UNREACHABLE", message["reference"]))
    assert (await post(api, webhook, old)).status_code == 200
    assert (await seen(api, campaign))["status"] == "ABSENCE_TEMPORARY_ERROR"
    new = signed(notification("TEXT_DELIVERED", message["reference"]))
    assert (await post(api, webhook, new)).status_code == 200
    before = await seen(api, campaign)

    assert (await post(api, webhook, old)).status_code == 200

    assert await seen(api, campaign) == before
    assert before["status"] == "RECEIVED"


async def test_what_is_not_signed_for_our_topic_is_refused_and_nothing_of_it_kept(
    api: Api, aws: LocalAws
) -> None:
    campaign, message = await one_message(api)
    webhook = await api.new_source("aws", secrets_=(TOPIC,))
    before = await seen(api, campaign)
    said = notification("TEXT_DELIVERED", message["reference"])
    elsewhere = {**said, "SigningCertURL": "https://sns.us-west-2.amazonaws.com.evil.example/a.pem"}

    for envelope in (
        said,
        {**signed(said), "Signature": ""},
        signed(said, key="mallory"),
        signed(elsewhere, key="mallory"),
        signed({**said, "TopicArn": STRANGER}),
        {**signed(said), "Message": said["Message"].replace("DELIVERED", "SENT")},
    ):
        answer = await post(api, webhook, envelope)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "BAD_SIGNATURE")
    # raw message delivery signs nothing
    answer = await api.http.post(webhook, content=said["Message"])
    assert answer.status_code == 403

    assert await seen(api, campaign) == before
    assert {asked.split("/")[2] for asked in aws.asked} == {REGION}


async def test_without_a_secret_a_bare_event_is_taken_and_nothing_is_fetched(
    api: Api, aws: LocalAws
) -> None:
    campaign, message = await one_message(api)
    webhook = await api.new_source("aws")
    said = notification("TEXT_DELIVERED", message["reference"])

    assert (await api.http.post(webhook, content=said["Message"])).status_code == 200
    assert (await post(api, webhook, signed(said, key="mallory"))).status_code == 200

    assert (await seen(api, campaign))["status"] == "RECEIVED"
    assert aws.asked == []


async def test_where_the_certificate_cannot_be_fetched_sns_comes_again(
    api: Api, aws: LocalAws
) -> None:
    campaign, message = await one_message(api)
    webhook = await api.new_source("aws", secrets_=(TOPIC,))
    envelope = signed(notification("TEXT_DELIVERED", message["reference"]))
    there = aws.answers.pop(CERTIFICATE_URL)

    answer = await post(api, webhook, envelope)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) in COMES_AGAIN
    assert (await seen(api, campaign))["status"] == "WAITING"

    aws.answers[CERTIFICATE_URL] = there
    assert (await post(api, webhook, envelope)).status_code == 200
    assert (await seen(api, campaign))["status"] == "RECEIVED"


async def test_a_certificate_that_does_not_come_is_answered_for_in_time(
    api: Api, aws: LocalAws
) -> None:
    webhook = await api.new_source("aws", secrets_=(TOPIC,))
    aws.answers[CERTIFICATE_URL].delay = 30
    began = asyncio.get_running_loop().time()

    answer = await post(api, webhook, signed(notification("TEXT_DELIVERED", "x")))

    assert answer.status_code == 503
    assert asyncio.get_running_loop().time() - began < 4


@pytest.mark.parametrize("secrets", [(), (TOPIC,)], ids=["open", "with the topic"])
async def test_a_subscription_is_confirmed(
    api: Api, aws: LocalAws, secrets: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    webhook = await api.new_source("aws", secrets_=secrets)

    with caplog.at_level(logging.DEBUG, "gql_server"):
        answer = await post(api, webhook, signed(confirmation()))

    assert answer.status_code == 200
    assert [asked for asked in aws.asked if asked != f"GET {CERTIFICATE_URL}"] == [
        f"GET {SUBSCRIBE}"
    ]
    ours = [r.getMessage() for r in caplog.records if r.name == "gql_server"]
    assert "webhook aws: a subscription is confirmed" in ours
    assert "2336412f37f" not in "\n".join(ours)


async def test_a_subscription_that_is_not_signed_for_our_topic_is_not_confirmed(
    api: Api, aws: LocalAws
) -> None:
    webhook = await api.new_source("aws", secrets_=(TOPIC,))
    stranger = f"https://{REGION}/?Action=ConfirmSubscription&TopicArn={STRANGER}&Token=1"
    aws.answers[stranger] = Answer(b"")

    for envelope in (
        confirmation(),
        signed(confirmation(), key="mallory"),
        signed(confirmation(TopicArn=STRANGER, SubscribeURL=stranger)),
        {**signed(confirmation()), "SubscribeURL": stranger},
    ):
        assert (await post(api, webhook, envelope)).status_code == 403

    assert set(aws.asked) == {f"GET {CERTIFICATE_URL}"}


async def test_without_a_secret_nothing_is_visited_but_awss_own_address(
    api: Api, aws: LocalAws
) -> None:
    webhook = await api.new_source("aws")

    for url in (
        "https://evil.example/?Action=ConfirmSubscription",
        "http://169.254.169.254/?Action=ConfirmSubscription",
        f"https://{REGION}@evil.example/?Action=ConfirmSubscription",
        f"https://{REGION}:444/?Action=ConfirmSubscription",
        f"https://{REGION}/?Action=DeleteTopic&TopicArn={TOPIC}",
    ):
        envelope = confirmation(SubscribeURL=url)
        assert (await post(api, webhook, envelope)).status_code == 200
    unsubscribed = confirmation(Type="UnsubscribeConfirmation")
    assert (await post(api, webhook, unsubscribed)).status_code == 200

    assert aws.asked == []


async def test_where_a_subscription_cannot_be_confirmed_sns_comes_again(
    api: Api, aws: LocalAws
) -> None:
    webhook = await api.new_source("aws", secrets_=(TOPIC,))
    for trouble in (Answer(b"", 500), Answer(b"", 302, {"Location": "https://evil.example/"})):
        aws.answers[SUBSCRIBE] = trouble
        assert (await post(api, webhook, signed(confirmation()))).status_code == 503

    aws.answers[SUBSCRIBE] = Answer(b"")
    assert (await post(api, webhook, signed(confirmation()))).status_code == 200
    assert {asked.split("/")[2] for asked in aws.asked} == {REGION}
