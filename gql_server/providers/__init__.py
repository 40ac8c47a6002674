"""The SMS providers: one file each, their words on the left of its table and ours on the right.

What every file has is `Provider` in `shape.py`; adding one is adding its file.
A provider turns what was sent into `DeliveryReceipt`s (what was REPORTED) and nothing else: no HTTP
library, no database, no clock, and no look at another provider.
"""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from gql_server.providers.shape import Answer, Fetching, Meaning, Provider, WebhookRequest

__all__ = ["PROVIDERS", "Answer", "Fetching", "Meaning", "Provider", "WebhookRequest"]

_HELPERS = ("reading", "shape")


def _found() -> Mapping[str, Provider]:
    modules = (
        import_module(f"{__name__}.{m.name}")
        for m in iter_modules(__path__)
        if m.name not in _HELPERS
    )
    return {module.name: module for module in modules}


PROVIDERS: Mapping[str, Provider] = _found()
"""By the name in `/webhooks/{provider}/{token}`; each value is the provider's module itself."""
