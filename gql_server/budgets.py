"""How much each key may ask for in a time: a token bucket of cost points, by throttled-py.

With a bus on Redis the buckets are there, one for all processes; else, and while Redis does not answer, each process
has its own. A bucket holds one minute's points, and is filled evenly.
"""

import time
from collections.abc import Sized
from datetime import timedelta
from typing import Any

from throttled import MemoryStore, Quota, RateLimiterType, Throttled, per_duration
from throttled import asyncio as asynchronous

from gql_server.logs import kind, log
from gql_server.metrics import THROTTLED

MOST_REMEMBERED = 10_000
"""Keys whose buckets one process remembers; who is forgotten has a full one."""
REDIS_PATIENCE = 0.5
"""Seconds after which this process counts alone."""
RETRY_REDIS = 5.0
"""Seconds until Redis is asked again when it did not answer: nobody waits for it with each request."""

_BUCKET = RateLimiterType.TOKEN_BUCKET.value
_PREFIX = "gql_server:budget:"


class Budgets:
    """The buckets, one a key."""

    def __init__(
        self,
        *,
        points_a_minute: int,
        documents_a_minute: int = 0,
        broadcast_url: str = "memory://",
    ) -> None:
        """Of both 0 sets no limit. Documents are counted by this process alone, which reads them."""
        # Of an app's documents all are new after a start, and later none.
        burst = max(1, documents_a_minute // 4)
        self._documents = (
            Throttled(using=_BUCKET, quota=_quota(documents_a_minute, burst), store=_store())
            if documents_a_minute
            else None
        )
        self._capacity = points_a_minute
        self._own: Throttled | None = None
        self._shared: asynchronous.Throttled | None = None
        self._redis: Any = None
        self._keys: Sized = ()
        self._ask_redis_at = 0.0
        if not points_a_minute:
            return
        quota = _quota(points_a_minute, points_a_minute)
        store = _store()
        self._keys = store._backend.get_client()
        self._own = Throttled(using=_BUCKET, quota=quota, store=store)
        if broadcast_url.startswith(("redis://", "rediss://", "redis-stream://")):
            url = broadcast_url.replace("redis-stream://", "redis://", 1)
            patience = {
                "SOCKET_TIMEOUT": REDIS_PATIENCE,
                "SOCKET_CONNECT_TIMEOUT": REDIS_PATIENCE,
            }
            self._redis = asynchronous.RedisStore(server=url, options=patience)
            self._shared = asynchronous.Throttled(using=_BUCKET, quota=quota, store=self._redis)

    @property
    def remembered(self) -> int:
        """Of how many keys this process remembers the bucket."""
        return len(self._keys)

    async def take(self, key: str, points: int) -> float | None:
        """Take so many points out of a key's bucket.

        :return: None where they were there; else nothing is taken, and these are the seconds until they will be.
        """
        if self._own is None:
            return None
        # What costs more than a bucket holds would never go through.
        result = await self._asked(key, min(points, self._capacity))
        return _told(result)

    def take_document(self, key: str) -> float | None:
        """This process is to read a document that it does not know; as `take`."""
        return None if self._documents is None else _told(self._documents.limit(key))

    async def _asked(self, key: str, points: int) -> Any:
        assert self._own is not None
        if self._shared is not None and time.monotonic() >= self._ask_redis_at:
            try:
                return await self._shared.limit(_PREFIX + key, cost=points)
            except Exception as error:  # noqa: BLE001 - whatever ails Redis, who asks gets an answer
                self._ask_redis_at = time.monotonic() + RETRY_REDIS
                log.warning("budgets: Redis: %s; each process counts alone", kind(error))
        return self._own.limit(key, cost=points)

    async def close(self) -> None:
        """Close what is open to Redis."""
        if self._redis is not None:
            await self._redis._backend.get_client().connection_pool.disconnect()


def _quota(a_minute: int, burst: int) -> Quota:
    return per_duration(timedelta(minutes=1), limit=a_minute, burst=burst)


def _store() -> MemoryStore:
    return MemoryStore(options={"MAX_SIZE": MOST_REMEMBERED})


def _told(result: Any) -> float | None:
    if not result.limited:
        return None
    THROTTLED.inc()
    # Never at once: a bucket is filled by whole seconds.
    seconds: float = max(1.0, result.state.retry_after)
    return seconds
