"""The life of a payment: its states, the one-way roads between them, and why it may be refused."""

from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

PAYMENT_NAMESPACE: Final = UUID("6f0c6b1e-6c0a-5f57-9d3e-2a8f6f1c4b11")
"""Root of every payment id: uuid5 of the client, and of that the idempotency key."""


class State(StrEnum):
    """Where a payment stands. Each state is entered at most once and never left for an earlier."""

    REQUESTED = "requested"
    """Accepted at the edge and in the log."""
    RESOLVED = "resolved"
    """Both handles name accounts."""
    SCREENED = "screened"
    """Within the payer's limits."""
    POSTED = "posted"
    """In our books; final for a wallet payment."""
    REFUSED = "refused"
    """Our own no; final, and no money moved."""


TRANSITIONS: Final[dict[State, frozenset[State]]] = {
    State.REQUESTED: frozenset({State.RESOLVED, State.REFUSED}),
    State.RESOLVED: frozenset({State.SCREENED, State.REFUSED}),
    State.SCREENED: frozenset({State.POSTED, State.REFUSED}),
    State.POSTED: frozenset(),
    State.REFUSED: frozenset(),
}
"""The whole state machine. A rail adds its states and roads here, and nowhere else."""

RANK: Final[dict[State, int]] = {
    State.REQUESTED: 0,
    State.RESOLVED: 1,
    State.SCREENED: 2,
    State.POSTED: 3,
    State.REFUSED: 3,
}
"""How far along a state is: of two facts about one payment the higher rank is the later."""

FINAL: Final = frozenset(state for state, following in TRANSITIONS.items() if not following)


class PaymentType(StrEnum):
    """The rail a payment asks for (the API's word is `payment_type`)."""

    WALLET = "WALLET"
    RTP = "RTP"
    ACH = "ACH"


AVAILABLE_RAILS: Final = frozenset({PaymentType.WALLET})


class RefusalCode(StrEnum):
    """Why a payment was refused; stable, shown to clients."""

    UNKNOWN_PAYER = "unknown_payer"
    UNKNOWN_PAYEE = "unknown_payee"
    SAME_ACCOUNT = "same_account"
    CURRENCY_MISMATCH = "currency_mismatch"
    AMOUNT_OVER_LIMIT = "amount_over_limit"
    DAILY_LIMIT = "daily_limit"
    VELOCITY = "velocity"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    ACCOUNT_FROZEN = "account_frozen"
    UNKNOWN_ACCOUNT = "unknown_account"
    BALANCE_OVERFLOW = "balance_overflow"


def payment_id_of(client_id: str, idempotency_key: str) -> UUID:
    """The payment that this client's key names, for ever: the same key is the same payment."""
    return uuid5(uuid5(PAYMENT_NAMESPACE, client_id), idempotency_key)
