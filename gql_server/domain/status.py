"""The ten delivery statuses, the five indicators that add them up, and what may replace what.

Labels and texts are those of https://www.smsmode.com/en/statistiques-de-reception-sms/, which our
users know by heart (its spelling "Perman error. absence" included).
"""

from enum import StrEnum


class DeliveryStatus(StrEnum):
    """Where one message stands."""

    RECEIVED = "RECEIVED"
    SENT = "SENT"
    DELIVERED_OPERATOR = "DELIVERED_OPERATOR"
    WAITING = "WAITING"
    OPERATOR_TEMPORARY_ERROR = "OPERATOR_TEMPORARY_ERROR"
    OTHER_ERROR = "OTHER_ERROR"
    ABSENCE_TEMPORARY_ERROR = "ABSENCE_TEMPORARY_ERROR"
    ABSENCE_PERMANENT_ERROR = "ABSENCE_PERMANENT_ERROR"
    ROUTING_ERROR = "ROUTING_ERROR"
    BLACKLISTED = "BLACKLISTED"

    # The same number as the enum's own, which is computed in Python: statuses are keys of all that is counted.
    __hash__ = str.__hash__


class DeliveryIndicator(StrEnum):
    """The five rates of a campaign, in the order in which they are shown."""

    RECEIPT = "RECEIPT"
    PENDING = "PENDING"
    TEMPORARY_ERROR = "TEMPORARY_ERROR"
    PERMANENT_ERROR = "PERMANENT_ERROR"
    UNSUBSCRIBE = "UNSUBSCRIBE"


class AddressBookAction(StrEnum):
    """What an indicator means for the number in the address book."""

    NONE = "NONE"
    KEEP = "KEEP"
    REMOVED = "REMOVED"
    REMOVED_AND_BLACKLISTED = "REMOVED_AND_BLACKLISTED"


_S = DeliveryStatus
_I = DeliveryIndicator

STATUSES_OF: dict[DeliveryIndicator, tuple[DeliveryStatus, ...]] = {
    _I.RECEIPT: (_S.RECEIVED, _S.SENT, _S.DELIVERED_OPERATOR),
    _I.PENDING: (_S.WAITING,),
    _I.TEMPORARY_ERROR: (_S.OPERATOR_TEMPORARY_ERROR, _S.OTHER_ERROR, _S.ABSENCE_TEMPORARY_ERROR),
    _I.PERMANENT_ERROR: (_S.ABSENCE_PERMANENT_ERROR, _S.ROUTING_ERROR),
    _I.UNSUBSCRIBE: (_S.BLACKLISTED,),
}
"""Every status stands in exactly one indicator, so the five rates add up to 1."""

INDICATOR_OF: dict[DeliveryStatus, DeliveryIndicator] = {
    status: indicator for indicator, statuses in STATUSES_OF.items() for status in statuses
}

RANK: dict[DeliveryStatus, int] = {
    _S.WAITING: 10,
    _S.SENT: 20,
    _S.DELIVERED_OPERATOR: 30,
    _S.OTHER_ERROR: 40,
    _S.OPERATOR_TEMPORARY_ERROR: 41,
    _S.ABSENCE_TEMPORARY_ERROR: 42,
    _S.ROUTING_ERROR: 50,
    _S.ABSENCE_PERMANENT_ERROR: 51,
    _S.BLACKLISTED: 60,
    _S.RECEIVED: 70,
}
"""A message's status is the highest rank that any accepted receipt gave it; nothing else decides."""

ASSUMED_RANK = 15
"""Of the status that we set ourselves where no receipt came: above WAITING, below every real word."""

STATUS_LABEL: dict[DeliveryStatus, str] = {
    _S.RECEIVED: "Received",
    _S.SENT: "Sent",
    _S.DELIVERED_OPERATOR: "Delivered operator",
    _S.WAITING: "Waiting",
    _S.OPERATOR_TEMPORARY_ERROR: "Operator Temporary Error",
    _S.OTHER_ERROR: "Other Error",
    _S.ABSENCE_TEMPORARY_ERROR: "Absence Temporary Error",
    _S.ABSENCE_PERMANENT_ERROR: "Perman error. absence",
    _S.ROUTING_ERROR: "Routing error",
    _S.BLACKLISTED: "Recipient(s) blacklisted",
}

INDICATOR_LABEL: dict[DeliveryIndicator, str] = {
    _I.RECEIPT: "Receipt rate",
    _I.PENDING: "Rate of pending messages",
    _I.TEMPORARY_ERROR: "Temporary error rate",
    _I.PERMANENT_ERROR: "Permanent error rate",
    _I.UNSUBSCRIBE: "Unsubscribe rate",
}

ACTION_OF: dict[DeliveryIndicator, AddressBookAction] = {
    _I.RECEIPT: AddressBookAction.NONE,
    _I.PENDING: AddressBookAction.KEEP,
    _I.TEMPORARY_ERROR: AddressBookAction.KEEP,
    _I.PERMANENT_ERROR: AddressBookAction.REMOVED,
    _I.UNSUBSCRIBE: AddressBookAction.REMOVED_AND_BLACKLISTED,
}

ADVICE: dict[DeliveryIndicator, str] = {
    _I.RECEIPT: (
        "The operator has confirmed the message, in the best case on the handset itself. "
        "There is nothing to do."
    ),
    _I.PENDING: (
        "Temporary: the message waits for the operator's confirmation, or to come back in error. "
        "Do not remove the number."
    ),
    _I.TEMPORARY_ERROR: (
        "Not delivered: the operator could not reach the number during the 24 hours after the "
        "sending. The number counts as valid: keep it."
    ),
    _I.PERMANENT_ERROR: (
        "Not delivered: the operators do not recognise the number. It is removed from the address "
        "book by itself."
    ),
    _I.UNSUBSCRIBE: (
        "The recipient asked for no more SMS. The number is removed from the address book by "
        "itself and listed in the blacklist."
    ),
}


def statuses_matching(
    statuses: frozenset[DeliveryStatus] | None, indicators: frozenset[DeliveryIndicator] | None
) -> frozenset[DeliveryStatus] | None:
    """The statuses that both conditions allow; None where neither is given, so all are."""
    if statuses is None and indicators is None:
        return None
    allowed = frozenset(DeliveryStatus) if statuses is None else statuses
    if indicators is not None:
        allowed &= {status for indicator in indicators for status in STATUSES_OF[indicator]}
    return allowed
