"""The SMS providers: one file each, their words on the left of its table and ours on the right.

What every file has is `Provider` in `shape.py`; adding one is adding its file, or a folder where a file would be too
long. Besides, `Inbound` is what those have that hand on replies. A provider turns what was sent into `DeliveryReceipt`s
(what was REPORTED) and `Reply`s, and nothing else: no HTTP library, no database, no clock, and no look at another
provider.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pkgutil import iter_modules
from zoneinfo import ZoneInfo

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.domain.reply import Reply
from gql_server.errors import Unreadable
from gql_server.logs import log
from gql_server.metrics import LEFT_OUT
from gql_server.providers.shape import (
    Answer,
    Fetching,
    Inbound,
    Meaning,
    Provider,
    WebhookRequest,
)

__all__ = ["INBOUND", "PROVIDERS", "Answer", "Fetching", "Inbound", "Meaning", "Provider"]
__all__ += ["Told", "WebhookRequest", "keyed", "told_in"]

_HELPERS = ("reading", "shape", "smsc")


def _found() -> Mapping[str, Provider]:
    modules = (
        import_module(f"{__name__}.{m.name}")
        for m in iter_modules(__path__)
        if m.name not in _HELPERS
    )
    return {module.name: module for module in modules}


PROVIDERS: Mapping[str, Provider] = _found()
"""By the name in `/webhooks/{provider}/{token}`; each value is the provider's module itself."""

INBOUND: Mapping[str, Inbound] = {
    name: provider for name, provider in PROVIDERS.items() if isinstance(provider, Inbound)
}
"""Those of them that hand on replies."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a request holds."""

    receipts: list[DeliveryReceipt]
    replies: list[Reply]


def told_in(
    request: WebhookRequest, provider: Provider, time_zone: ZoneInfo, *, inbound: bool = False
) -> Told:
    """What a request holds that came to the address for receipts, or to that for replies (`inbound`).

    What belongs to the one is read at the other as well: many accounts have one address for both, and a STOP must not
    be lost for that. A reply that cannot be read is none at the address for receipts: it is left out, and counted.

    :raises Unreadable: it can never be read, as the one or as the other.
    """
    told = Told([], [])

    def of_receipts() -> bool:
        read = provider.parse_receipts(request, time_zone)
        told.receipts.extend([keyed(receipt, provider) for receipt in read])
        return bool(told.receipts)

    def of_replies() -> bool:
        if provider.name in INBOUND:
            told.replies.extend(INBOUND[provider.name].parse_inbound(request, time_zone))
        return bool(told.replies)

    own, other = (of_replies, of_receipts) if inbound else (of_receipts, of_replies)
    unreadable: Unreadable | None = None
    try:
        if own() and not _may_be_mixed(request, provider):
            return told
    except Unreadable as error:
        unreadable = error
    try:
        other()
    except Unreadable as error:
        if unreadable is None and inbound and not told.replies:
            raise  # it was no reply, and is nothing else
        if unreadable is None and not inbound:
            LEFT_OUT.labels(provider=provider.name).inc()
            log.warning("webhook %s: a reply is left out, %s", provider.name, error)
    if unreadable is not None and not (told.receipts or told.replies):
        raise unreadable
    return told


def _may_be_mixed(request: WebhookRequest, provider: Provider) -> bool:
    """May there be receipts and replies in one body? In a list, but for our own, which is taken whole or not at all."""
    return provider.name != "generic" and request.body.lstrip()[:1] == b"["


def keyed(receipt: DeliveryReceipt, provider: Provider) -> DeliveryReceipt:
    """What this provider read; a receipt that names another provider is found by that one's key.

    :raises Unreadable: there is no such provider.
    """
    if receipt.provider is None or receipt.provider == provider.name or receipt.key is None:
        return receipt
    other = PROVIDERS.get(receipt.provider)
    if other is None:
        raise Unreadable(f"provider: not one of {', '.join(sorted(PROVIDERS))}")
    return replace(receipt, key=other.correlation_key(receipt.key, None))


def label_of(provider: str | None) -> str:
    """A provider as a metric may name it: a caller's own word may be a number."""
    return provider if provider in PROVIDERS else "other"  # type: ignore[return-value]
