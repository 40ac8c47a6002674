"""What a contact may say: a name, attributes of anybody's choice, and the groups that it is in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gql_server.errors import UserError

LONGEST_NAME = 200
MOST_ATTRIBUTES = 50
LONGEST_ATTRIBUTE = 50
LONGEST_VALUE = 500
MOST_GROUPS = 20
LONGEST_GROUP = 100


@dataclass(frozen=True, slots=True)
class NewContact:
    """What a caller says of a contact; `number` as he writes it."""

    number: str
    name: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ContactChange:
    """What shall be another; None: as it is. `restored`: written to again, whatever was reported so far."""

    name: str | None = None
    attributes: Mapping[str, str] | None = None
    groups: tuple[str, ...] | None = None
    restored: bool = False


def checked(
    name: str | None, attributes: Mapping[str, str], groups: Sequence[str]
) -> list[UserError]:
    """What is wrong with them, each by its field; none where they can be kept."""
    errors = []
    if name is not None and len(name) > LONGEST_NAME:
        errors.append(_too_long(("name",), "name", LONGEST_NAME))
    if len(attributes) > MOST_ATTRIBUTES:
        errors.append(
            UserError(
                ("attributes",), "TOO_MANY", f"A contact has at most {MOST_ATTRIBUTES} attributes."
            )
        )
    for place, (key, value) in enumerate(attributes.items()):
        path = ("attributes", str(place))
        if not key:
            errors.append(
                UserError(
                    (*path, "name"), "REQUIRED", "The name of an attribute must not be empty."
                )
            )
        if len(key) > LONGEST_ATTRIBUTE:
            errors.append(_too_long((*path, "name"), "name of an attribute", LONGEST_ATTRIBUTE))
        if len(value) > LONGEST_VALUE:
            errors.append(_too_long((*path, "value"), "value of an attribute", LONGEST_VALUE))
    if len(groups) > MOST_GROUPS:
        errors.append(
            UserError(("groups",), "TOO_MANY", f"A contact is in at most {MOST_GROUPS} groups.")
        )
    for place, group in enumerate(groups):
        if not group:
            errors.append(
                UserError(
                    ("groups", str(place)), "REQUIRED", "The name of a group must not be empty."
                )
            )
        if len(group) > LONGEST_GROUP:
            errors.append(_too_long(("groups", str(place)), "name of a group", LONGEST_GROUP))
    return errors


def _too_long(field: tuple[str, ...], what: str, longest: int) -> UserError:
    return UserError(field, "TOO_LONG", f"The {what} has at most {longest} characters.")
