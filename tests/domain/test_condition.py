"""A filter lets a message through that meets all of it now, or met it in one state that it left."""

from datetime import UTC, datetime

import pytest

from gql_server.domain.condition import ANYTHING, Left, MessageCondition
from gql_server.domain.message import Message
from gql_server.domain.search import NamePrefix, NumberSuffix
from gql_server.domain.status import DeliveryStatus as S

NOW = datetime(2026, 11, 23, tzinfo=UTC)
MESSAGE = Message(
    id="0" * 12 + "-000000",
    workspace="acme",
    campaign="0" * 12,
    recipient="+33612345678",
    name="Zoé",
    bound_to=None,
    country="FR",
    history=(),
    status=S.RECEIVED,
    status_at=NOW,
    error_code=None,
    error_reason=None,
    provider=None,
    operator=None,
)
FAILED: Left = (S.OTHER_ERROR, "9")
SENT: Left = (S.SENT, None)
NEW: Left = (None, None)


@pytest.mark.parametrize(
    ("condition", "left", "through"),
    [
        (ANYTHING, (), True),
        (MessageCondition(frozenset({S.RECEIVED})), (), True),
        (MessageCondition(frozenset({S.SENT})), (), False),
        (MessageCondition(frozenset({S.SENT})), (SENT,), True),
        (MessageCondition(frozenset({S.SENT})), (NEW,), False),
        (MessageCondition(frozenset()), (SENT, FAILED, NEW), False),
        (MessageCondition(error_code="9"), (), False),
        (MessageCondition(error_code="9"), (SENT, FAILED), True),
        (MessageCondition(error_code="8"), (FAILED,), False),
        # in one and the same state
        (MessageCondition(frozenset({S.OTHER_ERROR}), error_code="9"), (FAILED,), True),
        (MessageCondition(frozenset({S.RECEIVED}), error_code="9"), (FAILED,), False),
        (MessageCondition(frozenset({S.SENT}), error_code="9"), (SENT, FAILED), False),
        # what never changes
        (MessageCondition(country="FR"), (), True),
        (MessageCondition(country="DE"), (SENT,), False),
        (MessageCondition(search=NumberSuffix("678")), (), True),
        (MessageCondition(search=NumberSuffix("679")), (SENT,), False),
        (MessageCondition(search=NamePrefix("zo"), country="FR"), (), True),
        (MessageCondition(search=NamePrefix("zo"), country="DE"), (), False),
        (MessageCondition(frozenset({S.SENT}), search=NamePrefix("zo")), (SENT,), True),
    ],
)
def test_a_message_is_let_through(
    condition: MessageCondition, left: tuple[Left, ...], through: bool
) -> None:
    assert condition.lets_through(MESSAGE, left) is through
