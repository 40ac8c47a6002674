"""What every type with an id of its own has in common."""

import strawberry


@strawberry.interface(description="Something that can be asked for again by its id.")
class Node:
    """The interface of Relay's object identification."""

    id: strawberry.ID = strawberry.field(description="Globally unique, opaque, and stable.")
