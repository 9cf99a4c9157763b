"""What the Payment Router says of payments. Pure."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from domain.payment import State
from producers.payments.decide import Known, Verdict
from producers.payments.models import (
    PaymentAnswer,
    PaymentEvent,
    PaymentLinks,
    StateReached,
)
from projections.payments import Payment
from runtime.http.idempotency import key_reused
from runtime.http.problem import ProblemError, unavailable_problem, unknown_problem

_ACCEPTED: Final = (
    '{{"id":"{id}","state":"requested",'
    '"links":{{"self":"/payments/{id}","events":"/payments/{id}/events"}}}}'
)


def location_of(payment_id: UUID) -> str:
    """The payment's path."""
    return f"/payments/{payment_id}"


def links_of(payment_id: UUID) -> PaymentLinks:
    """Where to go on from a payment."""
    self = location_of(payment_id)
    return PaymentLinks(self=self, events=f"{self}/events")


def accepted_json(payment_id: UUID) -> bytes:
    """The JSON of `PaymentAccepted`: a function of the id alone, so that repeats are equal."""
    return _ACCEPTED.format(id=str(payment_id)).encode("ascii")


def problem_of_verdict(verdict: Verdict) -> ProblemError | None:
    """What to answer where a payment was not accepted; None where it was."""
    match verdict:
        case Verdict.ACCEPTED | Verdict.REPLAYED:
            return None
        case Verdict.REUSED:
            return key_reused()
        case Verdict.STRANGER:
            return ProblemError(404, "payer_not_found", "you have no such handle to pay from")
        case Verdict.UNKNOWN:
            return unknown_problem()
        case Verdict.UNAVAILABLE:
            return unavailable_problem()


def answer_of(payment: Payment, descriptions: Mapping[UUID, str]) -> PaymentAnswer:
    """A payment as the projection has it, with its words among those that opened."""
    return PaymentAnswer(
        id=payment.payment_id,
        state=payment.state,
        from_handle=payment.from_handle,
        to_handle=payment.to_handle,
        amount=payment.amount_minor,
        currency=payment.currency,
        payment_type=payment.payment_type,
        description=descriptions.get(payment.payment_id),
        accepted_at=payment.accepted_at,
        history=[StateReached(state=state, at=at) for state, at in payment.history],
        refusal_code=payment.refusal_code,
        posting_id=payment.posting_id,
        conflicted_at=payment.conflicted_at,
        links=links_of(payment.payment_id),
    )


def requested_answer(payment_id: UUID, known: Known) -> PaymentAnswer:
    """A payment that was accepted a moment ago, as the quick answer has it."""
    return PaymentAnswer(
        id=payment_id,
        state=State.REQUESTED,
        accepted_at=known.accepted_at,
        history=[StateReached(state=State.REQUESTED, at=known.accepted_at)],
        links=links_of(payment_id),
    )


def events_of(answer: PaymentAnswer) -> list[PaymentEvent]:
    """The stream of a payment so far, in the order of its life."""
    return [
        PaymentEvent(
            id=answer.id,
            state=reached.state,
            at=reached.at,
            refusal_code=answer.refusal_code if reached.state is State.REFUSED else None,
            posting_id=answer.posting_id if reached.state is State.POSTED else None,
        )
        for reached in answer.history
    ]
