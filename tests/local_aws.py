"""AWS as far as it is needed here: SNS behind real TLS on this machine, its certificate and its signature.

The names are AWS's and the authority is ours: a client is led here when it connects, whatever the host, and
trusts that authority alone. All the rest, names, TLS and HTTP, is as it is.
"""

import asyncio
import contextlib
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpcore
import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

REGION = "sns.us-west-2.amazonaws.com"
CERTIFICATE_URL = f"https://{REGION}/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem"
TOPIC = "arn:aws:sns:us-west-2:123456789012:sms-events"

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def _certificate(
    name: str,
    key: Key,
    *,
    issuer: str | None = None,
    by: Key | None = None,
    hosts: Iterable[str] = (),
    days: tuple[int, int] = (-1, 30),
) -> x509.Certificate:
    now = datetime.now(UTC)
    authority = issuer is None
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer or name)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key((by or key).public_key()),
            critical=False,
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=authority,
                crl_sign=authority,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if hosts:
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(by or key, SHA256())


@cache
def signing_key(name: str = "sns") -> rsa.RSAPrivateKey:
    """The key that SNS signs with; by another name it is somebody else's."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def signing_certificate(name: str = "sns", days: tuple[int, int] = (-1, 30)) -> bytes:
    """The certificate of that key, in PEM, good from so many days to so many from now."""
    made = _certificate("sns.amazonaws.com", signing_key(name), days=days)
    return made.public_bytes(Encoding.PEM)


@cache
def elliptic_certificate() -> bytes:
    """A certificate of a kind of key that SNS does not use."""
    made = _certificate("sns.amazonaws.com", ec.generate_private_key(ec.SECP256R1()))
    return made.public_bytes(Encoding.PEM)


FIELDS = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        *("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    ),
}
FIELDS["UnsubscribeConfirmation"] = FIELDS["SubscriptionConfirmation"]


def signed(envelope: dict[str, Any], *, version: str = "1", key: str = "sns") -> dict[str, Any]:
    """The envelope as SNS signs it: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html."""
    text = ""
    for name in FIELDS[envelope["Type"]]:
        if name in envelope:
            text += f"{name}\n{envelope[name]}\n"
    hashed = SHA256() if version == "2" else SHA1()
    signature = signing_key(key).sign(text.encode(), PKCS1v15(), hashed)
    return {
        **envelope,
        "SignatureVersion": version,
        "Signature": b64encode(signature).decode(),
        "SigningCertURL": envelope.get("SigningCertURL", CERTIFICATE_URL),
    }


@dataclass
class Answer:
    """What the server answers, and how."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    #: seconds until the first byte, and between two bytes
    delay: float = 0.0
    drip: float = 0.0


@dataclass
class LocalAws:
    """A real server for AWS's names, and a client that finds it."""

    port: int
    authority: ssl.SSLContext
    #: by host and target; what is not here is 404
    answers: dict[str, Answer] = field(default_factory=dict)
    #: each request: the method, the host and the target
    asked: list[str] = field(default_factory=list)

    def client(self) -> httpx.AsyncClient:
        """The client as `gql_server.fetching` makes it, but that it is led here when it connects."""
        transport = httpx.AsyncHTTPTransport(verify=self.authority)
        transport._pool = httpcore.AsyncConnectionPool(
            ssl_context=self.authority, network_backend=_Here(self.port)
        )
        return httpx.AsyncClient(transport=transport, follow_redirects=False, timeout=2.0)


class _Here(httpcore.AsyncNetworkBackend):
    """Connects to this machine, whatever the host is."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._real = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's name
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return await self._real.connect_tcp("127.0.0.1", self._port, timeout)

    async def sleep(self, seconds: float) -> None:
        await self._real.sleep(seconds)


@contextlib.asynccontextmanager
async def local_aws(folder: Path, hosts: Iterable[str] = (REGION,)) -> AsyncIterator[LocalAws]:
    """SNS on this machine; it gives its certificate and confirms subscriptions."""
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _certificate("Our authority", authority_key)
    server = _certificate(
        "server", server_key, issuer="Our authority", by=authority_key, hosts=hosts
    )
    chain, secret = folder / "server.pem", folder / "server.key"
    chain.write_bytes(server.public_bytes(Encoding.PEM))
    secret.write_bytes(server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(chain, secret)
    trusting = ssl.create_default_context(cadata=authority.public_bytes(Encoding.PEM).decode())

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            await _answer(aws, reader, writer)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    aws = LocalAws(listening.sockets[0].getsockname()[1], trusting)
    aws.answers[CERTIFICATE_URL] = Answer(signing_certificate())
    try:
        yield aws
    finally:
        listening.close()


async def _answer(
    aws: LocalAws, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    method, target, _ = head.split(" ", 2)
    host = next(line[6:] for line in head.split("\r\n") if line.lower().startswith("host: "))
    url = f"https://{host}{target}"
    aws.asked.append(f"{method} {url}")
    answer = aws.answers.get(url, Answer(b"no such thing", 404))
    await asyncio.sleep(answer.delay)
    headers = {"Content-Length": str(len(answer.body)), "Connection": "close", **answer.headers}
    written = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {answer.status} Said\r\n{written}\r\n".encode())
    if answer.drip:
        for byte in answer.body:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(answer.drip)
    else:
        writer.write(answer.body)
    await writer.drain()
