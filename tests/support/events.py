"""Ready-made events of one wallet payment, each field overridable."""

from typing import Any
from uuid import UUID, uuid5

from domain.payment import PaymentType, payment_id_of
from schemas.payment import PaymentRequested, PaymentResolved, PaymentScreened
from tests.support.memory_stage import NOW, ROOT

ALICE = uuid5(ROOT, "alice")
BOB = uuid5(ROOT, "bob")


def payment_id(key: str = "a payment") -> UUID:
    return payment_id_of("demo", key)


def requested(**changes: Any) -> PaymentRequested:
    fields: dict[str, Any] = {
        "payment_id": payment_id(),
        "accepted_at": NOW,
        "client_id": "demo",
        "from_handle": "alice",
        "to_handle": "bob",
        "amount_minor": 1000,
        "currency": "USD",
        "payment_type": PaymentType.WALLET,
        "fingerprint": "0" * 64,
    }
    return PaymentRequested(**(fields | changes))


def resolved(**changes: Any) -> PaymentResolved:
    fields: dict[str, Any] = {
        "payment_id": payment_id(),
        "accepted_at": NOW,
        "payer_account_id": ALICE,
        "payee_account_id": BOB,
        "from_handle_version": 1,
        "to_handle_version": 1,
        "amount_minor": 1000,
        "currency": "USD",
        "payment_type": PaymentType.WALLET,
    }
    return PaymentResolved(**(fields | changes))


def screened(**changes: Any) -> PaymentScreened:
    fields: dict[str, Any] = {
        "payment_id": payment_id(),
        "accepted_at": NOW,
        "payer_account_id": ALICE,
        "payee_account_id": BOB,
        "amount_minor": 1000,
        "currency": "USD",
        "payment_type": PaymentType.WALLET,
    }
    return PaymentScreened(**(fields | changes))
