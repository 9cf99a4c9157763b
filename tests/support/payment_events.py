"""Events of a few payments as Hypothesis draws them, conflicts and impossible pairs included."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID, uuid5

from hypothesis import strategies as st

from domain.payment import PaymentType, RefusalCode
from projections.payment_fold import PaymentFact
from schemas.payment import (
    PaymentConflicted,
    PaymentPosted,
    PaymentRefused,
    PaymentRequested,
    PaymentResolved,
    PaymentScreened,
)
from tests.support.memory_stage import NOW, ROOT

IDS = [uuid5(ROOT, f"payment {number}") for number in range(3)]
ACCOUNTS = [uuid5(ROOT, f"account {number}") for number in range(3)]

# The same instants in two zones: what is equal must not be told apart by how it is written.
times = st.builds(
    lambda seconds, zone: (NOW + timedelta(seconds=seconds)).astimezone(zone),
    st.integers(0, 3),
    st.sampled_from([UTC, timezone(timedelta(hours=2))]),
)


def _requested(payment_id: UUID, body: int, accepted_at: datetime, seal: int) -> PaymentRequested:
    """A body's fingerprint says all of it but when it was accepted and how it was sealed."""
    return PaymentRequested(
        payment_id=payment_id,
        accepted_at=accepted_at,
        client_id="demo",
        from_handle=f"payer{body}",
        to_handle=f"payee{9 - body}",
        amount_minor=1000 - body,
        currency="USD",
        payment_type=PaymentType.WALLET,
        description_sealed=f"sealed-{seal}" if seal else None,
        fingerprint=str(body) * 64,
    )


ids = st.sampled_from(IDS)
accounts = st.sampled_from(ACCOUNTS)
bodies = st.integers(0, 2)

events: st.SearchStrategy[PaymentFact] = st.one_of(
    st.builds(_requested, ids, bodies, times, st.integers(0, 2)),
    st.builds(
        PaymentResolved,
        payment_id=ids,
        accepted_at=times,
        payer_account_id=accounts,
        payee_account_id=accounts,
        from_handle_version=st.just(1),
        to_handle_version=st.just(1),
        amount_minor=st.just(1),
        currency=st.just("USD"),
        payment_type=st.just(PaymentType.WALLET),
    ),
    st.builds(
        PaymentScreened,
        payment_id=ids,
        accepted_at=times,
        payer_account_id=accounts,
        payee_account_id=accounts,
        amount_minor=st.just(1),
        currency=st.just("USD"),
        payment_type=st.just(PaymentType.WALLET),
    ),
    st.builds(
        PaymentPosted,
        payment_id=ids,
        accepted_at=times,
        posting_id=accounts,
        payer_account_id=accounts,
        payee_account_id=accounts,
        amount_minor=st.just(1),
        currency=st.just("USD"),
    ),
    st.builds(
        PaymentRefused,
        payment_id=ids,
        accepted_at=times,
        code=st.sampled_from(RefusalCode),
        from_handle=st.just("payer0"),
    ),
    st.builds(
        PaymentConflicted,
        payment_id=ids,
        accepted_at=times,
        from_handle=st.just("payer0"),
        fingerprint=bodies.map(lambda body: str(body) * 64),
    ),
)

facts = st.tuples(events, times)
"""An event and when it occurred."""
