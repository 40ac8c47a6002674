"""Who asks: what a client has to know of its own key to show only what it may do."""

from enum import Enum

import strawberry

from gql_server.auth import Viewer as Asking


@strawberry.enum(description="What a key or a token may do (docs/access.md).")
class Scope(Enum):
    """The scopes, as GraphQL writes names; their values are those of keys."""

    REPORTS_READ = "reports:read"
    CONTACTS_READ = "contacts:read"
    CAMPAIGNS_WRITE = "campaigns:write"
    RECEIPTS_WRITE = "receipts:write"
    ADMIN = "admin"


@strawberry.type(description="Who asks.")
class Viewer:
    """Nothing of the key itself: answers are kept for all who have the same rights."""

    workspace: str = strawberry.field(
        description="Whose data the key or token opens; nothing leads into another one."
    )
    scopes: list[Scope] = strawberry.field(description="What it may do, in the order of Scope.")

    @classmethod
    def of(cls, asking: Asking) -> "Viewer":
        """As the API shows it."""
        return cls(
            workspace=asking.workspace,
            scopes=[scope for scope in Scope if asking.may(scope.value)],
        )
