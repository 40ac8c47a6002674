"""The hot campaign, to which all receipts go, and whether it holds afterwards what it was sent."""

from collections.abc import Callable, Sequence

from benchmarks import http_load, walk
from benchmarks.environment import Data, Server
from benchmarks.http_load import Outcome
from benchmarks.walk import Walk
from gql_server.commit import Committer
from gql_server.domain.status import DeliveryStatus
from gql_server.recount import recount
from gql_server.services import utc_now
from gql_server.store import counters, messages


class Hot:
    """One walk over the large campaign, which all rows share: each goes on where the last one ended."""

    def __init__(self, data: Data) -> None:
        self.walk = Walk(data.large.messages)
        self._data = data

    def requests(self, server: Server, receipts: int, body: int) -> list[bytes]:
        """The next receipts as requests, made before a clock runs."""
        return list(walk.posts(self._data.webhook(server), self.walk.take(receipts), body=body))

    async def post(
        self, servers: Sequence[Server], receipts: int, body: int, connections: int
    ) -> Outcome:
        """Send the next receipts to these servers, all at once, each until it is taken, as providers do."""
        requests = self.requests(servers[0], receipts, body)
        return await http_load.load(
            [server.base for server in servers], iter(requests), connections=connections, again=True
        )

    async def checks(self) -> dict[str, bool]:
        """What must hold of the data, whatever was measured."""
        campaign = self._data.large.id
        async with self._data.db.snapshot() as at:
            counted = await messages.count_by_status(at, campaign)
            figures = (await counters.figures(at, [campaign]))[campaign].statistics
        expected = self.walk.expected()
        return {
            "counters = sum over messages": all(
                figures.counts[status] == counted.get(status, 0) for status in DeliveryStatus
            ),
            "every receipt was applied": all(
                figures.counts[status] == expected[status] for status in DeliveryStatus
            ),
        }

    async def recounted(self, counted: Callable[[int], None]) -> dict[str, bool]:
        """Whether all that is counted of the messages, timeline and breakdown included, is what they say; slow."""
        committer = Committer(self._data.db, nudge=lambda *_: None, clock=utc_now)
        found = await recount(self._data.db, committer, self._data.large.id, counted=counted)
        return {"a recount finds no difference": found is not None and found.difference == 0}
