"""Tokens of an identity provider: what is let in, as whom, for how long, and all that is not."""

import asyncio
import base64
import contextlib
import hmac
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from websockets.exceptions import ConnectionClosed

from gql_server import auth, connections, fetching, jwks, tokens
from gql_server.app import create_app
from gql_server.auth import Authenticator
from gql_server.errors import Overloaded, StartError, Unauthenticated
from gql_server.settings import Settings
from resolvers.view import View
from tests.conftest import Api
from tests.identity_provider import (
    AUDIENCE,
    ISSUER,
    Provider,
    ec_key,
    ed_key,
    identity_provider,
    jwk,
    pem,
    rsa_key,
    token,
)
from tests.local_aws import signing_certificate
from tests.wires import MULTIPART, SSE, Socket, raw, streaming

MakeApi = Callable[..., contextlib.AbstractAsyncContextManager[Api]]
COUNT = "{ campaigns { totalCount } }"
HISTORY = "subscription { campaignsUpdated(minIntervalMs: 100) { id name } }"
HOW = ["http", "websocket", SSE, MULTIPART]


MADE: list[Authenticator] = []


@pytest.fixture(autouse=True)
def noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What servers of this process recognise people by."""

    class Noted(Authenticator):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            MADE[:] = [self]

    monkeypatch.setattr("gql_server.services.Authenticator", Noted)


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with identity_provider() as serving:
        yield serving


@pytest.fixture
async def api(make_api: MakeApi, provider: Provider) -> AsyncIterator[Api]:
    """A server that trusts the provider, has its keys, and stops nobody who tries often."""
    async with make_api(**provider.settings, sign_in_attempts=0) as serving:
        async with asyncio.timeout(5):
            while not provider.asked:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        yield serving


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "KEYS_EVERY", 0.1)
    monkeypatch.setattr(auth, "REMEMBERED", 0.0)


async def let_in(api: Api, shown: str, how: str = "http") -> bool:
    """Whether what is shown opens this door; a refusal is the right one."""
    if how == "http":
        answer = await api.post(COUNT, key=shown)
        if answer.status_code == 200:
            assert answer.json()["data"] == {"campaigns": {"totalCount": 0}}
            return True
        codes = [error["extensions"]["code"] for error in answer.json()["errors"]]
        assert (answer.status_code, codes) == (401, ["UNAUTHENTICATED"])
        return False
    if how == "websocket":
        async with raw(api) as socket:
            payload = {"authorization": f"Bearer {shown}"}
            await socket.send({"type": "connection_init", "payload": payload})
            try:
                return bool(await socket.receive() == {"type": "connection_ack"})
            except ConnectionClosed as end:
                return (end.rcvd.code if end.rcvd else 1006) != 4403
    async with streaming(api, HISTORY, key=shown, accept=how) as stream:
        if stream.answer.status_code == 200:
            return True
        await stream.answer.aread()
        assert stream.answer.status_code == 401
        return False


async def refusal(api: Api, shown: str) -> str:
    """The words that a token is refused with, over HTTP; and a websocket is closed with 4403."""
    answer = await api.post(COUNT, key=shown)
    assert answer.status_code == 401, answer.text
    async with raw(api) as socket:
        payload = {"authorization": f"Bearer {shown}"}
        await socket.send({"type": "connection_init", "payload": payload})
        assert await socket.closed() == 4403
    [error] = answer.json()["errors"]
    assert error["extensions"] == {"code": "UNAUTHENTICATED"}
    words: str = error["message"]
    return words


# Who is let in


@pytest.mark.parametrize("how", HOW)
async def test_a_good_token_opens_every_door_beside_an_api_key(api: Api, how: str) -> None:
    assert await let_in(api, token(), how)
    assert await let_in(api, api.key, how)


@pytest.mark.parametrize("how", HOW)
async def test_a_bad_token_opens_none(api: Api, how: str) -> None:
    assert not await let_in(api, token(rsa_key("stranger")), how)


async def test_each_kind_of_key_signs_with_its_own_algorithm(api: Api) -> None:
    assert await let_in(api, token(rsa_key(), kid="one", algorithm="RS256"))
    assert await let_in(api, token(ec_key(), kid="two", algorithm="ES256"))
    assert await let_in(api, token(ed_key(), kid="three", algorithm="EdDSA"))
    # PS256 is a good algorithm, but none of those that were chosen
    await refusal(api, token(rsa_key(), kid="one", algorithm="PS256"))
    # and a key's name is not enough
    await refusal(api, token(ec_key(), kid="one", algorithm="ES256"))


async def test_a_viewer_is_of_the_claims_workspace_and_has_its_scopes_and_no_personal_data(
    api: Api,
) -> None:
    found = _authenticator()
    await api.new_key("globex")

    viewer = await found.viewer(f"Bearer {token(scope='openid reports:read admin nonsense')}")

    assert (viewer.workspace, viewer.scopes) == ("acme", frozenset({"reports:read", "admin"}))
    assert re.fullmatch(r"jwt:[0-9a-f]{32}", viewer.key_id)
    assert viewer.expires_at is not None
    assert 58 < viewer.expires_at.timestamp() - time.time() <= 60

    # as a list, and for another workspace
    other = await found.viewer(f"Bearer {token(scope=['reports:read', 7], workspace='globex')}")
    assert (other.workspace, other.scopes) == ("globex", frozenset({"reports:read"}))
    assert other.key_id == viewer.key_id, "the same person"
    third = await found.viewer(f"Bearer {token(sub='ben')}")
    assert third.key_id != viewer.key_id

    for scope in (None, 7, {"reports:read": True}, ""):
        viewer = await found.viewer(f"Bearer {token(scope=scope)}")
        assert viewer.scopes == frozenset()


async def test_a_client_is_told_what_its_token_may_do(api: Api) -> None:
    shown = token(scope="admin openid contacts:read nonsense reports:read", workspace="globex")
    await api.new_key("globex")  # the workspace has to be there

    assert await api.ask("{ viewer { workspace scopes } }", key=shown) == {
        "viewer": {"workspace": "globex", "scopes": ["REPORTS_READ", "CONTACTS_READ", "ADMIN"]}
    }


async def test_a_scope_that_a_token_lacks_is_asked_for_as_of_a_key(api: Api) -> None:
    assert await api.codes(COUNT, key=token(scope="campaigns:write")) == ["FORBIDDEN"]


async def test_the_claims_may_have_other_names(make_api: MakeApi, provider: Provider) -> None:
    names = {"jwt_workspace_claim": "https://example.com/ws", "jwt_scopes_claim": "permissions"}
    async with make_api(**provider.settings, **names) as api:
        claims: dict[str, Any] = {"https://example.com/ws": "acme", "permissions": ["reports:read"]}
        assert await let_in(api, token(without=("workspace", "scope"), **claims))
        assert "no workspace" in await refusal(api, token())


async def test_a_token_sees_its_own_workspace_and_no_other(api: Api) -> None:
    await api.new_key("globex")
    campaign = await api.new_campaign()
    asked = "query($c: ID!) { campaign(id: $c) { name } }"

    assert await api.ask(asked, {"c": campaign}, key=token()) == {"campaign": {"name": "Spring"}}
    other = token(workspace="globex")
    assert await api.ask(asked, {"c": campaign}, key=other) == {"campaign": None}
    assert await api.ask(COUNT, key=other) == {"campaigns": {"totalCount": 0}}


# Who is not


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: token(aud="https://elsewhere.example.com/"), "another audience"),
        (lambda: token(aud=[]), "lacks the claim aud"),
        (lambda: token(aud=AUDIENCE.rstrip("/")), "another audience"),
        (lambda: token(iss="https://id.example.com"), "another issuer"),
        (lambda: token(exp=int(time.time()) - 1), "has expired"),
        (lambda: token(exp=int(time.time()) - 3600), "has expired"),
        (lambda: token(nbf=int(time.time()) + 60), "from later on"),
        (lambda: token(iat=int(time.time()) + 60), "from later on"),
        (lambda: token(without=("exp",)), "lacks the claim exp"),
        (lambda: token(without=("iss",)), "lacks the claim iss"),
        (lambda: token(without=("aud",)), "lacks the claim aud"),
        (lambda: token(without=("sub",)), "lacks the claim sub"),
        (lambda: token(exp=10**18), "no time that there is"),
        (lambda: token(without=("workspace",)), "no workspace that there is"),
        (lambda: token(workspace="nobody"), "no workspace that there is"),
        (lambda: token(workspace="ACME"), "no workspace that there is"),
        (lambda: token(workspace="acme\n"), "no workspace that there is"),
        (lambda: token(workspace=""), "no workspace that there is"),
        (lambda: token(workspace=["acme"]), "no workspace that there is"),
        (lambda: token(workspace={"$ne": ""}), "no workspace that there is"),
    ],
)  # fmt: skip
async def test_a_token_of_the_provider_for_others_or_other_times_is_told_why(
    api: Api, made: Callable[[], str], words: str
) -> None:
    assert words in await refusal(api, made())


def _part(said: Any) -> str:
    text = said if isinstance(said, bytes) else json.dumps(said).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def _unsigned(algorithm: str) -> str:
    body = token().split(".")[1]
    return f"{_part({'alg': algorithm, 'typ': 'JWT', 'kid': 'one'})}.{body}."


def _signed_with_the_public_key(algorithm: str = "HS256") -> str:
    # PyJWT would not: by hand.
    head = _part({"alg": algorithm, "typ": "JWT", "kid": "one"})
    signed = f"{head}.{token().split('.')[1]}"
    made = hmac.digest(pem(rsa_key()), signed.encode(), "sha256")
    return f"{signed}.{_part(made)}"


def _with_an_extension() -> str:
    head = _part({"alg": "RS256", "kid": "one", "b64": True, "crit": ["b64"]})
    signed = f"{head}.{token().split('.')[1]}"
    return f"{signed}.{_part(rsa_key().sign(signed.encode(), PKCS1v15(), SHA256()))}"


def _changed() -> str:
    head, _, signature = token().split(".")
    other = token(workspace="globex").split(".")[1]
    return f"{head}.{other}.{signature}"


FORGED: dict[str, Callable[[], str]] = {
    "no algorithm": lambda: _unsigned("none"),
    "no algorithm, in capitals": lambda: _unsigned("NONE"),
    "RS256 without a signature": lambda: _unsigned("RS256"),
    "the public key as a shared secret": _signed_with_the_public_key,
    "the public key as a shared secret, called RS256": lambda: _signed_with_the_public_key("RS256"),
    "another's key": lambda: token(rsa_key("stranger")),
    "another's key, which the token brings along": lambda: token(
        rsa_key("stranger"), headers={"jwk": jwk(rsa_key("stranger"), "one")}
    ),
    "another's key, which the token says where to fetch": lambda: token(
        rsa_key("stranger"), headers={"jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/"}
    ),
    "a name of no key": lambda: token(rsa_key("stranger"), kid="four"),
    "a name that is a path": lambda: token(rsa_key("stranger"), kid="../../dev/null"),
    "a good signature of other claims": _changed,
    "no name, where there are several": lambda: token(rsa_key("stranger"), kid=None),
    "an extension that must be understood": lambda: token(
        headers={"crit": ["http://example.com/x"], "http://example.com/x": True}
    ),
    "an extension that must be understood, and that PyJWT understands": _with_an_extension,
    "an algorithm that is a list": lambda: f"{_part({'alg': ['RS256'], 'kid': 'one'})}.e30.AA",
    "an algorithm that is an object": lambda: f"{_part({'alg': {}, 'kid': 'one'})}.e30.AA",
    "a name that is a number": lambda: f"{_part({'alg': 'RS256', 'kid': 1})}.e30.AA",
    "a head that is a list": lambda: f"{_part([])}.e30.AA",
    "a head that is nested deeply": lambda: f"{_part(b'[' * 5000)}.e30.AA",
    "a head that is no JSON": lambda: f"{_part(b'{')}.e30.AA",
    "a head that is no UTF-8": lambda: f"{_part(bytes([123, 34, 255, 34, 125]))}.e30.AA",
    "a head with a number without end": lambda: f"{_part(b'[' + b'9' * 5000 + b']')}.e30.AA",
    "dots alone": lambda: "..",
    "two parts": lambda: "e30.e30",
    "five parts": lambda: "e30.e30.e30.e30.e30",
    "other signs": lambda: "e30.é.e30",
}  # fmt: skip


@pytest.mark.parametrize("attack", FORGED)
async def test_what_the_provider_did_not_sign_is_refused_and_told_nothing(
    api: Api, attack: str, caplog: pytest.LogCaptureFixture
) -> None:
    forged = FORGED[attack]()
    if forged.isascii():
        words = await refusal(api, forged)
    else:
        async with raw(api) as socket:
            payload = {"authorization": f"Bearer {forged}"}
            await socket.send({"type": "connection_init", "payload": payload})
            assert await socket.closed() == 4403
        words = ""
    assert words in ("", jwks.NOT_GOOD) or words.startswith("An API key or a token is needed")
    assert forged not in caplog.text
    assert "Traceback" not in caplog.text


async def test_what_is_longer_than_8_kib_is_refused_before_anything_else(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked_at(*_: Any, **__: Any) -> Any:
        raise AssertionError

    fitting = token(padding="x" * 5000)
    assert len(fitting) < auth.LONGEST < len(token(padding="x" * 6000))
    assert await let_in(api, fitting)

    monkeypatch.setattr(jwt, "get_unverified_header", looked_at)
    monkeypatch.setattr(tokens.Tokens, "claims", looked_at)
    assert "too long" in await refusal(api, token(padding="x" * 6000))
    # and of 200 KB, which only a websocket takes
    async with raw(api) as socket:
        payload = {"authorization": f"Bearer {token(padding='x' * 150_000)}"}
        await socket.send({"type": "connection_init", "payload": payload})
        assert await socket.closed() == 4403


async def test_a_token_that_is_broken_anywhere_is_refused_as_that(api: Api) -> None:
    """Each byte, changed: nothing but 401 ever comes of it."""
    found, good = _authenticator(), token(ec_key(), kid="two", algorithm="ES256")
    refused = 0
    for place in range(len(good)):
        for sign in ("A", ".", "=", "-"):
            broken = f"{good[:place]}{sign}{good[place + 1 :]}"
            if broken == good:
                continue
            with pytest.raises(Unauthenticated):
                await found.viewer(f"Bearer {broken}")
            refused += 1
    assert refused > 3 * len(good)


# The provider's keys


async def test_the_keys_are_fetched_once_and_not_for_each_token(
    api: Api, provider: Provider
) -> None:
    for number in range(20):
        assert await let_in(api, token(sub=f"{number}"))
    assert provider.asked == 1


async def test_names_of_no_key_ask_the_provider_at_most_once_in_30_seconds(
    api: Api, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert jwks.ASK_EVERY == 30
    _let_pass(31)
    strangers = [token(rsa_key("stranger"), kid=f"{number}") for number in range(20)]

    answers = await asyncio.gather(*(api.post(COUNT, key=one) for one in strangers))

    assert {answer.status_code for answer in answers} == {401}
    assert provider.asked == 2
    _let_pass(31)
    await refusal(api, strangers[0])
    assert provider.asked == 3


async def test_a_new_key_of_the_provider_is_known_at_its_first_token(
    api: Api, provider: Provider
) -> None:
    provider.keys.append(jwk(rsa_key("second"), "four"))
    fresh = token(rsa_key("second"), kid="four")
    await refusal(api, fresh)  # it was asked a moment ago

    _let_pass(31)

    assert await let_in(api, fresh)
    assert provider.asked == 2


async def test_a_key_that_the_provider_took_back_counts_no_more(
    api: Api, provider: Provider
) -> None:
    good = token()
    assert await let_in(api, good)
    provider.keys = [jwk(ec_key(), "two")]

    _let_pass(jwks.FRESH + 1)
    _authenticator()._remembered.clear()
    assert await let_in(api, good), "nobody waits for the fetch"
    async with asyncio.timeout(5):
        while provider.asked < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    _authenticator()._remembered.clear()

    await refusal(api, good)


@pytest.mark.parametrize(
    "away", ["refused", "500", "a page", "too large", "no keys", "without an end", "a redirect"]
)
async def test_while_the_provider_is_away_known_keys_go_on_and_unknown_ones_are_asked_to_come_again(
    api: Api, provider: Provider, away: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "TIMEOUT", 0.5)
    known = token(sub="known")
    assert await let_in(api, known)
    match away:
        case "refused":
            _key_set()._fetch = lambda: fetching.Fetcher().document("http://127.0.0.1:1/")
        case "500":
            provider.status = 500
        case "a redirect":
            provider.status = 302
        case "a page":
            provider.body = b"<html>"
        case "too large":
            provider.body = json.dumps({"keys": provider.keys, "x": "x" * 70_000}).encode()
        case "no keys":
            provider.body = b'{"keys":[{"kty":"oct","kid":"four","k":"c2VjcmV0"},{"kty":"?"},7]}'
        case "without an end":
            provider.delay = 60
    _let_pass(jwks.FRESH + 1)

    # given one of the key that is known, another of it that is new, and one of an unknown key
    assert await let_in(api, known)
    assert await let_in(api, token(sub="new"))
    began = time.monotonic()
    answer = await api.post(COUNT, key=token(rsa_key("second"), kid="four"))
    took = time.monotonic() - began

    codes = [error["extensions"]["code"] for error in answer.json()["errors"]]
    assert (answer.status_code, codes) == (503, ["UNAVAILABLE"])
    assert int(answer.headers["retry-after"]) > 0
    assert took < 3
    async with raw(api) as socket:
        payload = {"authorization": f"Bearer {token(rsa_key('second'), kid='four')}"}
        await socket.send({"type": "connection_init", "payload": payload})
        assert await socket.closed() == 1013

    # and when it is back
    provider.status, provider.body, provider.delay = 200, None, 0
    provider.keys.append(jwk(rsa_key("second"), "four"))
    _key_set()._fetch = lambda: fetching.Fetcher().document(provider.url)
    await asyncio.sleep(0.6)
    _let_pass(31)
    assert await let_in(api, token(rsa_key("second"), kid="four"))


async def test_a_server_starts_and_takes_api_keys_while_the_provider_is_away(
    make_api: MakeApi, provider: Provider
) -> None:
    provider.status = 503
    async with make_api(**provider.settings) as api:
        assert await let_in(api, api.key)
        assert (await api.post(COUNT, key=token())).status_code == 503
        provider.status = 200
        _let_pass(31)
        assert await let_in(api, token())


async def test_keys_that_are_for_something_else_count_for_no_token(
    api: Api, provider: Provider
) -> None:
    provider.keys = [
        jwk(rsa_key(), "one", use="enc"),
        jwk(ec_key(), "two", alg="ES512"),
        jwk(rsa_key("small", bits=1024), "small"),
        jwk(ed_key(), "three"),
    ]
    _let_pass(jwks.FRESH + 1)
    await asyncio.sleep(0)
    assert await let_in(api, token(ed_key(), kid="three", algorithm="EdDSA"))
    async with asyncio.timeout(5):
        while len(_key_set()._keys) != 3 or _key_set()._keys[0].kid != "two":  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    await refusal(api, token())
    await refusal(api, token(ec_key(), kid="two", algorithm="ES256"))
    small = rsa_key("small", bits=1024)
    with pytest.warns(Warning, match="below the minimum"):
        weak = token(small, kid="small")
    await refusal(api, weak)
    # without a name: the only one that there is for the algorithm
    assert await let_in(api, token(ed_key(), kid=None, algorithm="EdDSA"))


# How long


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("transport", ["websocket", SSE, MULTIPART])
async def test_what_is_open_ends_when_its_token_does_and_nothing_else(
    api: Api, transport: str
) -> None:
    short, long = token(exp=int(time.time()) + 2, sub="short"), token(sub="long")
    async with _watching(api, transport, short) as ended, _watching(api, transport, long) as other:
        if isinstance(ended, Socket):
            assert await ended.closed() == 4403
        else:
            await ended.ended()
        campaign = await api.new_campaign()
        seen = (await other.part())["data"] if transport == MULTIPART else await other.next()
        assert seen == {"campaignsUpdated": [{"id": campaign, "name": "Spring"}]}
    assert "has expired" in await refusal(api, short)


@pytest.mark.usefixtures("quick")
async def test_a_token_ends_also_while_the_database_is_away(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> None:
        raise Overloaded("away")

    short, long = token(exp=int(time.time()) + 2, sub="short"), token(sub="long")
    async with _watching(api, SSE, long) as other, _watching(api, "websocket", short) as ended:
        monkeypatch.setattr(Authenticator, "refresh", away)
        monkeypatch.setattr(Authenticator, "viewer", away)
        assert await ended.closed() == 4403
        monkeypatch.undo()
        campaign = await api.new_campaign()
        assert await other.next() == {"campaignsUpdated": [{"id": campaign, "name": "Spring"}]}


@contextlib.asynccontextmanager
async def _watching(api: Api, transport: str, key: str) -> AsyncIterator[Any]:
    if transport == "websocket":
        async with raw(api) as socket:
            payload = {"authorization": f"Bearer {key}"}
            await socket.send({"type": "connection_init", "payload": payload})
            assert await socket.receive() == {"type": "connection_ack"}
            await socket.subscribe("1", HISTORY)
            assert await socket.next() == {"campaignsUpdated": []}
            yield socket
        return
    async with streaming(api, HISTORY, key=key, accept=transport) as stream:
        if transport == SSE:
            assert await stream.next() == {"campaignsUpdated": []}
        else:
            assert await stream.part() == {"data": {"campaignsUpdated": []}}
        yield stream


async def test_a_token_is_remembered_no_longer_than_it_is_good(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "REMEMBERED", 60.0)
    short = token(exp=int(time.time()) + 2)
    assert await let_in(api, short)
    async with asyncio.timeout(20):
        while await let_in(api, short):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_known_token_is_not_verified_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = token()
    assert await let_in(api, good)

    def verified(*_: Any, **__: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(jwt, "decode", verified)
    assert await let_in(api, good)
    # also once it is to be looked at again
    monkeypatch.setattr(auth, "REMEMBERED", 0.0)
    _authenticator()._remembered.clear()
    assert await let_in(api, good)


# With the provider's key in a file


@pytest.mark.parametrize(
    ("key", "algorithm"), [(rsa_key(), "RS256"), (ec_key(), "ES256"), (ed_key(), "EdDSA")]
)
async def test_a_public_key_may_stand_in_a_file(
    make_api: MakeApi, tmp_path: Path, key: Any, algorithm: str
) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(pem(key))
    async with make_api(jwt_key_file=str(file), jwt_issuer=ISSUER, jwt_audience=AUDIENCE) as api:
        assert await let_in(api, token(key, algorithm=algorithm))
        assert await let_in(api, token(key, algorithm=algorithm, kid=None))
        await refusal(api, _unsigned(algorithm))
        await refusal(api, _signed_with_the_public_key())
        await refusal(api, token(rsa_key("stranger")))


async def test_a_shared_secret_may_stand_in_a_file(make_api: MakeApi, tmp_path: Path) -> None:
    file, secret = tmp_path / "secret", "s3cret" * 6
    file.write_text(secret + "\n")
    async with make_api(
        jwt_key_file=str(file),
        jwt_issuer=ISSUER,
        jwt_audience=AUDIENCE,
        jwt_algorithms=("HS256",),
    ) as api:
        assert await let_in(api, token(secret, algorithm="HS256"))
        await refusal(api, token(secret.replace("3", "e"), algorithm="HS256"))
        await refusal(api, token())
        await refusal(api, _unsigned("HS256"))


# What is refused at the start


GOOD: dict[str, Any] = {"jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
URL = {"jwt_jwks_url": "https://id.example.com/jwks"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (URL, "need GQL_JWT_ISSUER and GQL_JWT_AUDIENCE"),
        ({**URL, "jwt_issuer": ISSUER}, "need GQL_JWT_ISSUER and GQL_JWT_AUDIENCE"),
        (GOOD, "GQL_JWT_ISSUER needs GQL_JWT_JWKS_URL or GQL_JWT_KEY_FILE"),
        ({**GOOD, **URL, "jwt_key_file": "x"}, "not both"),
        ({**GOOD, **URL, "jwt_algorithms": ("none",)}, "'none' is none of them"),
        ({**GOOD, **URL, "jwt_algorithms": ("RS256", "HS256")}, "must not name HS256 with"),
        ({**GOOD, **URL, "jwt_algorithms": ()}, "at least one"),
        ({**GOOD, "jwt_jwks_url": "http://id.example.com/jwks"}, "begin with https://"),
        ({**GOOD, "jwt_jwks_url": "file:///etc/passwd"}, "begin with https://"),
        ({**GOOD, "jwt_jwks_url": "https://[::1"}, "begin with https://"),
        ({**GOOD, "jwt_key_file": "missing"}, "cannot be read"),
        ({**GOOD, "jwt_key_file": pem(rsa_key()), "jwt_algorithms": ("HS256",)}, "everybody"),
        ({**GOOD, "jwt_key_file": pem(rsa_key()), "jwt_algorithms": ("RS256", "HS256")}, "every"),
        ({**GOOD, "jwt_key_file": pem(rsa_key()), "jwt_algorithms": ("ES256",)}, "for none of"),
        ({**GOOD, "jwt_key_file": pem(rsa_key(bits=1024))}, "2048 bits"),
        ({**GOOD, "jwt_key_file": b"-----BEGIN PUBLIC KEY-----\n"}, "no public key in PEM"),
        ({**GOOD, "jwt_key_file": b"-----BEGIN PRIVATE KEY-----\n"}, "private key"),
        ({**GOOD, "jwt_key_file": b"s3cret" * 6}, "RS256 needs a public key"),
        ({**GOOD, "jwt_key_file": b"s3cret", "jwt_algorithms": ("HS256",)}, "at least 32 bytes"),
        ({**GOOD, "jwt_key_file": b"x" * 40, "jwt_algorithms": ("HS512",)}, "at least 64 bytes"),
    ],
)  # fmt: skip
def test_settings_that_would_let_others_in_stop_the_server(
    settings: Settings, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    if isinstance(content := changes.get("jwt_key_file"), bytes):
        (tmp_path / "key").write_bytes(content)
        changes = {**changes, "jwt_key_file": str(tmp_path / "key")}
    changed = replace(settings, **changes)
    with pytest.raises(StartError, match=re.escape(words)):
        create_app(changed, graphql=View(changed))


@pytest.mark.parametrize("content", [pem(rsa_key()), signing_certificate(), pem(ed_key())])
def test_a_public_key_and_a_certificate_are_both_good(
    settings: Settings, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "key").write_bytes(content)
    changed = replace(settings, **GOOD, jwt_key_file=str(tmp_path / "key"))
    create_app(changed, graphql=View(changed))


# What stands behind a server of this process


def _authenticator() -> Authenticator:
    """That of the server that was started last."""
    return MADE[-1]


def _key_set() -> jwks.KeySet:
    assert _authenticator()._tokens is not None
    found = _authenticator()._tokens._keys  # type: ignore[union-attr]
    assert isinstance(found, jwks.KeySet)
    return found


def _let_pass(seconds: float) -> None:
    """As if so many seconds had passed since the keys were fetched."""
    found = _key_set()
    found._asked_at -= seconds
    found._fetched_at -= seconds
