"""The SMS providers: one file each, their words on the left of its table and ours on the right.

What every file has is `Provider` in `shape.py`; adding one is adding its file.
A provider turns what was sent into `DeliveryReceipt`s (what was REPORTED) and nothing else: no HTTP
library, no database, no clock, and no look at another provider.
"""

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pkgutil import iter_modules

from gql_server.domain.receipt import DeliveryReceipt
from gql_server.errors import Unreadable
from gql_server.providers.shape import Answer, Fetching, Meaning, Provider, WebhookRequest

__all__ = ["PROVIDERS", "Answer", "Fetching", "Meaning", "Provider", "WebhookRequest", "keyed"]

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
