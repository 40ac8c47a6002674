"""Visits: what is fetched, and above all what is not; over real TLS, with names and an authority of its own."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from gql_server import fetching
from gql_server.fetching import Fetcher, NotFetched, is_on
from gql_server.providers import aws as aws_provider
from tests.local_aws import (
    CERTIFICATE_URL,
    REGION,
    Answer,
    LocalAws,
    local_aws,
    signing_certificate,
)

HOSTS = aws_provider.own_hosts
OTHER = f"https://{REGION}/other.pem"


@pytest.fixture
async def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalAws]:
    async with local_aws(tmp_path) as serving:
        monkeypatch.setattr(fetching, "new_client", serving.client)
        yield serving


@pytest.fixture
async def fetcher() -> AsyncIterator[Fetcher]:
    made = Fetcher()
    yield made
    await made.aclose()


async def test_a_certificate_is_fetched_once_and_kept(aws: LocalAws, fetcher: Fetcher) -> None:
    assert await fetcher.certificate(CERTIFICATE_URL, HOSTS) == signing_certificate()
    assert await fetcher.certificate(CERTIFICATE_URL, HOSTS) == signing_certificate()

    assert aws.asked == [f"GET {CERTIFICATE_URL}"]


async def test_many_who_want_a_certificate_at_once_wait_for_one_visit(
    aws: LocalAws, fetcher: Fetcher
) -> None:
    aws.answers[CERTIFICATE_URL].delay = 0.1
    waiting = [asyncio.create_task(fetcher.certificate(CERTIFICATE_URL, HOSTS)) for _ in range(50)]
    await asyncio.sleep(0)

    # one of them gives up, which is nothing to the others
    waiting.pop().cancel()

    assert set(await asyncio.gather(*waiting)) == {signing_certificate()}
    assert len(aws.asked) == 1


async def test_a_certificate_is_fetched_again_when_it_was_kept_for_long(
    aws: LocalAws, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "KEPT", -1.0)

    await fetcher.certificate(CERTIFICATE_URL, HOSTS)
    await fetcher.certificate(CERTIFICATE_URL, HOSTS)

    assert len(aws.asked) == 2


async def test_only_so_many_certificates_are_kept_those_that_were_asked_for_last(
    aws: LocalAws, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "MOST_KEPT", 2)
    urls = [f"https://{REGION}/{n}.pem" for n in range(3)]
    aws.answers |= dict.fromkeys(urls, Answer(signing_certificate()))

    for url in (urls[0], urls[1], urls[0], urls[2]):
        await fetcher.certificate(url, HOSTS)
    before = len(aws.asked)
    await fetcher.certificate(urls[0], HOSTS)
    assert len(aws.asked) == before
    await fetcher.certificate(urls[1], HOSTS)
    assert len(aws.asked) == before + 1


async def test_only_so_many_certificates_are_fetched_at_once(
    aws: LocalAws, fetcher: Fetcher
) -> None:
    urls = [f"https://{REGION}/{n}.pem" for n in range(fetching.MOST_AT_ONCE + 1)]
    aws.answers |= dict.fromkeys(urls, Answer(signing_certificate(), delay=0.5))

    outcomes = await asyncio.gather(
        *(fetcher.certificate(url, HOSTS) for url in urls), return_exceptions=True
    )

    assert sum(isinstance(outcome, NotFetched) for outcome in outcomes) == 1
    assert len(aws.asked) == fetching.MOST_AT_ONCE


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"gone", 404),
        Answer(b"", 500),
        Answer(b"", 302, {"Location": CERTIFICATE_URL}),
        Answer(signing_certificate(), 301, {"Location": CERTIFICATE_URL}),
        Answer(b"<html>SNS is being repaired</html>"),
        Answer(b""),
        Answer(signing_certificate() + b"x" * fetching.LARGEST),
        Answer(signing_certificate(), headers={"Content-Length": "5000"}),
    ],
    ids=["404", "500", "redirect", "redirect-with-body", "page", "empty", "large", "cut"],
)
async def test_what_is_no_certificate_is_not_fetched_and_not_kept(
    aws: LocalAws, fetcher: Fetcher, answer: Answer
) -> None:
    aws.answers[OTHER] = answer

    with pytest.raises(NotFetched):
        await fetcher.certificate(OTHER, HOSTS)
    # no redirect was followed
    assert aws.asked == [f"GET {OTHER}"]

    # and when it is there, it is taken
    aws.answers[OTHER] = Answer(signing_certificate())
    assert await fetcher.certificate(OTHER, HOSTS) == signing_certificate()


@pytest.mark.parametrize("slow", [Answer(b"x", delay=3), Answer(b"x" * 100, drip=0.1)])
async def test_a_visit_ends_in_time_even_where_a_byte_comes_now_and_then(
    aws: LocalAws, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch, slow: Answer
) -> None:
    monkeypatch.setattr(fetching, "TIMEOUT", 0.5)
    aws.answers[OTHER] = slow
    began = time.monotonic()

    with pytest.raises(NotFetched):
        await fetcher.visit(OTHER, HOSTS)

    assert time.monotonic() - began < 2


async def test_an_endless_answer_is_left(aws: LocalAws, fetcher: Fetcher) -> None:
    # given a server that says 100 MB and would send them
    aws.answers[OTHER] = Answer(b"x" * 4_000_000, headers={"Content-Length": "100000000"})

    with pytest.raises(NotFetched, match="too large"):
        await fetcher.visit(OTHER, HOSTS)


async def test_a_server_that_has_no_certificate_for_the_name_is_not_believed(
    tmp_path: Path, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with local_aws(tmp_path, hosts=("evil.example",)) as evil:
        monkeypatch.setattr(fetching, "new_client", evil.client)

        with pytest.raises(NotFetched):
            await fetcher.certificate(CERTIFICATE_URL, HOSTS)

        assert evil.asked == []


async def test_a_server_that_nobody_vouches_for_is_not_believed(
    aws: LocalAws, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a client that trusts the authorities of the world, and is led here
    monkeypatch.setattr(fetching, "new_client", lambda: led_here(aws))

    with pytest.raises(NotFetched):
        await fetcher.certificate(CERTIFICATE_URL, HOSTS)

    assert aws.asked == []


def led_here(aws: LocalAws) -> httpx.AsyncClient:
    client = aws.client()
    strict = httpx.AsyncHTTPTransport()
    assert isinstance(client._transport, httpx.AsyncHTTPTransport)
    strict._pool._network_backend = client._transport._pool._network_backend
    client._transport = strict
    return client


async def test_nobody_there_is_not_fetched(
    tmp_path: Path, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with local_aws(tmp_path) as gone:
        monkeypatch.setattr(fetching, "new_client", gone.client)

    with pytest.raises(NotFetched):
        await fetcher.certificate(CERTIFICATE_URL, HOSTS)


NASTY = [
    "http://sns.us-west-2.amazonaws.com/a.pem",
    "HTTPS://sns.us-west-2.amazonaws.com/a.pem",
    "//sns.us-west-2.amazonaws.com/a.pem",
    "ftp://sns.us-west-2.amazonaws.com/a.pem",
    "file:///etc/passwd",
    "https://evil.example/a.pem",
    "https://evil.example/sns.us-west-2.amazonaws.com/a.pem",
    "https://evil.example/?https://sns.us-west-2.amazonaws.com/a.pem",
    "https://sns.us-west-2.amazonaws.com.evil.example/a.pem",
    "https://sns.us-west-2.amazonaws.com@evil.example/a.pem",
    "https://user@sns.us-west-2.amazonaws.com/a.pem",
    "https://user:pass@sns.us-west-2.amazonaws.com/a.pem",
    "https://:@sns.us-west-2.amazonaws.com/a.pem",
    "https://sns.us-west-2.amazonaws.com:8443/a.pem",
    "https://sns.us-west-2.amazonaws.com:80/a.pem",
    "https://sns.us-west-2.amazonaws.com:/a.pem",
    "https://sns.us-west-2.amazonaws.com:443@evil.example/a.pem",
    "https://sns.us-west-2.amazonaws.com#@evil.example/a.pem",
    "https://sns.us-west-2.amazonaws.com\\@evil.example/a.pem",
    "https://evil.example\\.sns.us-west-2.amazonaws.com/a.pem",
    "https://evil.example#.sns.us-west-2.amazonaws.com/a.pem",
    "https://evil.example?.sns.us-west-2.amazonaws.com/a.pem",
    "https://sns.us-west-2.amazonaws.com\t/a.pem",
    "https://sns.us-west-2.amazonaws.com\n/a.pem",
    "https://sns.us-west-2.amazonaws.com/a.pem\n",
    " https://sns.us-west-2.amazonaws.com/a.pem",
    "https://sns.us-west-2.amazonaws.com/a.pem\0",
    "https://sns.us-west-2.amazonaws.com./a.pem",
    "https://sns.us-west-2.amazonaws.com",
    "https://snsxus-west-2.amazonaws.com/a.pem",
    "https://sns.us-west-2xamazonaws.com/a.pem",
    "https://sns.us-west-2.amazonaws.comx/a.pem",
    "https://sns.us-west-2.amazonaws.com.cnx/a.pem",
    "https://sns.us-west-2.amazonaws.org/a.pem",
    "https://evil.sns.us-west-2.amazonaws.com/a.pem",
    "https://sns.evil.us-west-2.amazonaws.com/a.pem",
    "https://sns.amazonaws.com/a.pem",
    "https://sns..amazonaws.com/a.pem",
    # buckets and balancers of anybody
    "https://sns.s3.amazonaws.com/a.pem",
    "https://sns.s3-us-west-2.amazonaws.com/a.pem",
    "https://sns.s3.us-west-2.amazonaws.com/a.pem",
    "https://s3.us-west-2.amazonaws.com/evil/a.pem",
    "https://sns.us-west-2.elb.amazonaws.com/a.pem",
    "https://evil.execute-api.us-west-2.amazonaws.com/a.pem",
    # letters that only look like them
    "https://sns.us-west-2.amazonaws。com/a.pem",
    "https://sns.us-west-２.amazonaws.com/a.pem",
    "https://ſns.us-west-2.amazonaws.com/a.pem",
    "https://[::1]/a.pem",
    "https://127.0.0.1/a.pem",
    "https://169.254.169.254/latest/meta-data/a.pem",
    "https://localhost/a.pem",
    "",
]


@pytest.mark.parametrize("url", NASTY)
async def test_nothing_is_ever_fetched_but_from_the_providers_own_hosts(
    aws: LocalAws, fetcher: Fetcher, url: str
) -> None:
    assert not is_on(url, HOSTS)
    with pytest.raises(NotFetched, match="not the provider's own"):
        await fetcher.certificate(url, HOSTS)
    with pytest.raises(NotFetched, match="not the provider's own"):
        await fetcher.visit(url, HOSTS)

    assert aws.asked == []


@pytest.mark.parametrize(
    "host",
    [
        *("sns.us-east-1.amazonaws.com", "sns.ap-southeast-2.amazonaws.com"),
        *("sns.us-gov-west-1.amazonaws.com", "sns.cn-north-1.amazonaws.com.cn"),
        *("sns.me-central-1.amazonaws.com", "sns.mx-central-1.amazonaws.com"),
    ],
)
def test_every_region_is_awss_own_with_and_without_the_usual_port(host: str) -> None:
    assert is_on(f"https://{host}/a.pem", HOSTS)
    assert is_on(f"https://{host}:443/a.pem", HOSTS)


def test_a_host_must_match_as_a_whole() -> None:
    assert is_on("https://a.example/x", re.compile(r"a\.example"))
    assert not is_on("https://a.example/x", re.compile(r"a\.exam"))
    assert not is_on("https://aa.example/x", re.compile(r"a\.example"))


async def test_an_error_holds_no_address_for_that_may_hold_a_token(
    aws: LocalAws, fetcher: Fetcher
) -> None:
    url = f"https://{REGION}/?Action=ConfirmSubscription&Token=secret"
    aws.answers[url] = Answer(b"", 403)

    with pytest.raises(NotFetched) as refused:
        await fetcher.visit(url, HOSTS)

    assert "secret" not in str(refused.value)
    assert aws.asked == [f"GET {url}"]


async def test_what_is_underway_is_given_up_at_the_end(aws: LocalAws) -> None:
    fetcher = Fetcher()
    aws.answers[CERTIFICATE_URL].delay = 5
    waiting = asyncio.create_task(fetcher.certificate(CERTIFICATE_URL, HOSTS))
    await asyncio.sleep(0.1)

    await fetcher.aclose()

    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_the_client_follows_nothing_and_asks_for_plain_bytes() -> None:
    client = fetching.new_client()

    assert client.follow_redirects is False
    assert client.headers["accept-encoding"] == "identity"
