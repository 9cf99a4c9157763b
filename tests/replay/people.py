"""Payments, accounts and handles of a test, dated now."""

from typing import Any
from uuid import UUID, uuid4, uuid5

from domain.payment import RefusalCode
from runtime.clock import SystemClock
from schemas.account import AccountOpeningRequested
from schemas.event import Event, PaymentEvent
from schemas.handle import HandleClaimRequested, HandlePortRequested, HandleReleaseRequested
from schemas.payment import PaymentConflicted, PaymentPosted, PaymentRefused
from tests.support.directory_events import (
    claim_requested,
    opening_requested,
    port_requested,
    release_requested,
)
from tests.support.events import ALICE, BOB, requested, resolved, screened

FINGERPRINTS = ["a" * 64, "b" * 64]


def life(number: int, *, steps: int = 4, is_refused: bool = False) -> list[PaymentEvent]:
    """The first events of a payment of one of a few payers, in their order."""
    payment_id, accepted_at = uuid4(), SystemClock().now()
    payer = uuid5(ALICE, str(number % 5))
    mine: dict[str, Any] = {"payment_id": payment_id, "accepted_at": accepted_at}
    theirs = mine | {"payer_account_id": payer, "amount_minor": 100 + number}
    end: PaymentEvent = PaymentPosted(
        **theirs, posting_id=uuid4(), payee_account_id=BOB, currency="USD"
    )
    if is_refused:
        end = PaymentRefused(**mine, code=RefusalCode.DAILY_LIMIT, payer_account_id=payer)
    first = requested(
        **mine,
        from_handle=f"payer{number % 5}",
        amount_minor=100 + number,
        fingerprint=FINGERPRINTS[number % 2],
        description_sealed=f"sealed-{number}",
    )
    return [first, resolved(**theirs), screened(**theirs), end][:steps]


def conflict(number: int) -> list[PaymentEvent]:
    """A payment under whose key a second body was accepted, and ignored."""
    first = life(number, steps=1)[0]
    rival = first.model_copy(update={"fingerprint": "c" * 64, "amount_minor": 999_999})
    ignored = PaymentConflicted(
        payment_id=first.payment_id,
        accepted_at=first.accepted_at,
        from_handle=f"payer{number % 5}",
        fingerprint="c" * 64,
    )
    return [rival, first, ignored]


def opening(account_id: UUID, **changes: Any) -> AccountOpeningRequested:
    now = SystemClock().now()
    return opening_requested(uuid4(), account_id=account_id, requested_at=now, **changes)


def claim(handle: str, account_id: UUID) -> HandleClaimRequested:
    now = SystemClock().now()
    return claim_requested(uuid4(), handle=handle, account_id=account_id, requested_at=now)


def port(handle: str, account_id: UUID) -> HandlePortRequested:
    now = SystemClock().now()
    return port_requested(uuid4(), handle=handle, account_id=account_id, requested_at=now)


def release(handle: str) -> HandleReleaseRequested:
    return release_requested(uuid4(), handle=handle, requested_at=SystemClock().now())


def town(count: int) -> tuple[list[Event], list[Event]]:
    """Openings of accounts, and what people do with handles once they stand."""
    accounts = [uuid4() for _ in range(count)]
    handles: list[Event] = []
    for number, account_id in enumerate(accounts):
        handle = f"person{number}"
        handles += [claim(handle, account_id), claim(handle, accounts[0])]
        if number % 3 == 1:
            handles.append(port(handle, accounts[0]))
        if number % 3 == 2:
            handles += [release(handle), claim(handle, accounts[0])]
    return [opening(account_id) for account_id in accounts], handles
