"""What became of the numbers of a campaign: who was removed from the address book by it, and who was blacklisted."""

import strawberry

from resolvers.contact import Shows
from resolvers.contact_list import (
    COUNTED,
    BlacklistConnection,
    ContactConnection,
    Pages,
    blacklist_page,
    removed_by_page,
)
from resolvers.context import Reading

HYGIENE = (
    "What became of its numbers: contacts that are removed, and numbers that are blacklisted, because of what was "
    "reported of its messages. Who came back since is not counted."
)


@strawberry.type(description=HYGIENE)
class CampaignHygiene:
    """Read off the lists, as they are now."""

    campaign: strawberry.Private[str]
    reading: strawberry.Private[Reading]
    show: strawberry.Private[Shows]

    @strawberry.field(description=f"How many contacts are removed by it. {COUNTED}")
    async def removed(self) -> int | None:
        """Counted over an index."""
        return await self.reading.book.removed_by(self.campaign)

    @strawberry.field(description=f"How many numbers are blacklisted by it. {COUNTED}")
    async def blacklisted(self) -> int | None:
        """Counted over an index."""
        return await self.reading.book.listed_by(self.campaign)

    @strawberry.field(description="The contacts that are removed by it, the last one first.")
    async def removed_contacts(
        self,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> ContactConnection:
        """A page."""
        pages = Pages(first, after, last, before, show=self.show)
        return await removed_by_page(self.reading, pages, self.campaign)

    @strawberry.field(description="The numbers that are blacklisted by it, the last one first.")
    async def blacklist_entries(
        self,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> BlacklistConnection:
        """A page."""
        pages = Pages(first, after, last, before, show=self.show)
        return await blacklist_page(self.reading, pages, None, campaign=self.campaign)
