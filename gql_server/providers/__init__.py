"""The SMS providers: one file each, their words on the left of its table and ours on the right.

What every file has is `Provider` in `shape.py`; adding one is a file and a line in `PROVIDERS`.
A provider turns what was sent into `DeliveryReceipt`s (what was REPORTED) and nothing else: no HTTP
library, no database, no clock, and no look at another provider.
"""

from collections.abc import Mapping

from gql_server.providers import generic, smsmode, twilio
from gql_server.providers.shape import Answer, Meaning, Provider, WebhookRequest

__all__ = ["PROVIDERS", "Answer", "Meaning", "Provider", "WebhookRequest"]

_ALL: tuple[Provider, ...] = (generic, smsmode, twilio)

PROVIDERS: Mapping[str, Provider] = {provider.name: provider for provider in _ALL}
"""By the name in `/webhooks/{provider}/{token}`; each value is the provider's module itself."""
