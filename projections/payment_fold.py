"""The fold of the read model `payments`: what the payment.* topics say of a payment, as one row.

The fold is a join: each event becomes a row that knows only what that event says, and two rows of
one payment are merged column by column to the least of what either knows. Merging is commutative,
associative and idempotent, so the topics may be read in any order, twice, or by two processes at
once, and the table comes out the same. A row can be read once its payment.requested has come.

One thing is not a least: two bodies under one idempotency key, when the edge could not see the
first in time. All are kept until payment.conflicted says whose fingerprint was ignored.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Final, NamedTuple
from uuid import UUID

from schemas.payment import (
    PaymentConflicted,
    PaymentPosted,
    PaymentRefused,
    PaymentRequested,
    PaymentResolved,
    PaymentScreened,
)

PaymentFact = (
    PaymentRequested
    | PaymentResolved
    | PaymentScreened
    | PaymentPosted
    | PaymentRefused
    | PaymentConflicted
)


class PaymentRow(NamedTuple):
    """What is known of one payment, as the type `payment_row` has it; None is not said yet."""

    payment_id: UUID
    # The body. Equal fingerprints are equal requests; but a retry has another time of acceptance
    # and seals the same description to other text.
    client_id: str | None = None
    from_handle: str | None = None
    to_handle: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    payment_type: str | None = None
    description_sealed: str | None = None
    fingerprint: str | None = None
    accepted_at: datetime | None = None
    requested_at: datetime | None = None
    # What became of it.
    resolved_at: datetime | None = None
    screened_at: datetime | None = None
    posted_at: datetime | None = None
    refused_at: datetime | None = None
    conflicted_at: datetime | None = None
    refusal_code: str | None = None
    posting_id: UUID | None = None
    payer_account_id: UUID | None = None
    payee_account_id: UUID | None = None
    # JSON of the other bodies and of the ignored fingerprints: None but for a conflict.
    rivals: str | None = None


PROGRESS_FIELDS: Final = (
    "payment_id",
    "resolved_at",
    "screened_at",
    "posted_at",
    "refused_at",
    "refusal_code",
    "posting_id",
    "payer_account_id",
    "payee_account_id",
)
"""What most events are about: only their columns are written, at half the cost of a whole row."""

progress_of: Final = itemgetter(*map(PaymentRow._fields.index, PROGRESS_FIELDS))

_body_of: Final = itemgetter(slice(1, 11))
_outcome_of: Final = itemgetter(slice(11, 20))
_BODY_FIELDS: Final = PaymentRow._fields[1:11]


def fold(state: PaymentRow | None, event: PaymentFact, occurred_at: datetime) -> PaymentRow:
    """What is known of a payment after one more event about it."""
    row = row_of(event, occurred_at)
    return row if state is None else join(state, row)


def row_of(event: PaymentFact, occurred_at: datetime) -> PaymentRow:
    """What one event says, and nothing else."""
    match event:
        case PaymentRequested():
            return PaymentRow(
                event.payment_id,
                client_id=event.client_id,
                from_handle=event.from_handle,
                to_handle=event.to_handle,
                amount_minor=event.amount_minor,
                currency=event.currency,
                payment_type=event.payment_type.value,
                description_sealed=event.description_sealed,
                fingerprint=event.fingerprint,
                accepted_at=event.accepted_at,
                requested_at=occurred_at,
            )
        case PaymentResolved():
            return PaymentRow(
                event.payment_id,
                resolved_at=occurred_at,
                payer_account_id=event.payer_account_id,
                payee_account_id=event.payee_account_id,
            )
        case PaymentScreened():
            return PaymentRow(event.payment_id, screened_at=occurred_at)
        case PaymentPosted():
            return PaymentRow(event.payment_id, posted_at=occurred_at, posting_id=event.posting_id)
        case PaymentRefused():
            code = event.code.value
            return PaymentRow(event.payment_id, refused_at=occurred_at, refusal_code=code)
        case PaymentConflicted():
            rivals = _rivals([], {event.fingerprint})
            return PaymentRow(event.payment_id, conflicted_at=occurred_at, rivals=rivals)


def is_progress(row: PaymentRow) -> bool:
    """Whether it says nothing but how the payment went on: no body, and no rival of one."""
    return row.fingerprint is None and row.conflicted_at is None and row.rivals is None


def join(one: PaymentRow, other: PaymentRow) -> PaymentRow:
    """What two rows about the same payment know together."""
    row = PaymentRow._make(map(_least, one, other))
    if one.rivals is None and other.rivals is None:
        if one.fingerprint is None or other.fingerprint is None:
            return row
        if one.fingerprint == other.fingerprint:
            return row
    return _with_standing_body(row, one, other)


def _least(one: Any, other: Any) -> Any:  # noqa: ANN401 - each column has its own type
    if one is None:
        return other
    if other is None or one <= other:
        return one
    return other


def _with_standing_body(row: PaymentRow, *known: PaymentRow) -> PaymentRow:
    """The row with the body that was accepted first and is not ignored, its rivals beside it."""
    bodies: dict[str, PaymentRow] = {}
    ignored: set[str] = set()
    for each in known:
        rivals = json.loads(each.rivals or '{"bodies": [], "ignored": []}')
        ignored |= set(rivals["ignored"])
        for body in (each, *(_body(row.payment_id, values) for values in rivals["bodies"])):
            if body.fingerprint is not None:
                seen = bodies.get(body.fingerprint, body)
                bodies[body.fingerprint] = PaymentRow._make(map(_least, seen, body))
    standing = [body for fingerprint, body in bodies.items() if fingerprint not in ignored]
    standing.sort(key=lambda body: (body.accepted_at, body.fingerprint))
    first = standing[0] if standing else PaymentRow(row.payment_id)
    columns = [row.payment_id, *_body_of(first), *_outcome_of(row), _rivals(standing[1:], ignored)]
    return PaymentRow._make(columns)


def _rivals(bodies: Iterable[PaymentRow], ignored: Iterable[str]) -> str | None:
    rivals = {"bodies": [_body_of(body) for body in bodies], "ignored": sorted(ignored)}
    if not any(rivals.values()):
        return None
    return json.dumps(rivals, default=lambda time: time.astimezone(UTC).isoformat())


def _body(payment_id: UUID, values: Sequence[Any]) -> PaymentRow:
    *plain, accepted_at, requested_at = values
    times = map(datetime.fromisoformat, (accepted_at, requested_at))
    return PaymentRow(payment_id)._replace(**dict(zip(_BODY_FIELDS, (*plain, *times), strict=True)))
