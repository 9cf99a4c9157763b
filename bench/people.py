"""Accounts, handles and payments in any number; the same numbers give the same people."""

import random
from typing import Final
from uuid import UUID, uuid5

from domain.payment import PaymentType, payment_id_of
from producers.handles.decide import DISPLAY_NAME_PURPOSE
from producers.payments.decide import DESCRIPTION_PURPOSE
from runtime.clock import Clock
from runtime.vault import Vault
from schemas.account import AccountKind, AccountOpeningRequested, Tier
from schemas.handle import HandleClaimRequested
from schemas.payment import PaymentRequested

CLIENT: Final = "demo"
CURRENCY: Final = "USD"
MINT: Final = "bench.mint"
"""The handle of the system account that every wallet is funded from."""

FUNDS_MINOR: Final = 10**11
"""What each wallet begins with: far more than it will send."""

_ROOT: Final = UUID("00000000-0000-0000-0000-00000000be4c")
_FINGERPRINT: Final = "0" * 64


class People:
    """So many people with a wallet and a handle each, who pay each other at random."""

    def __init__(self, count: int, *, clock: Clock, vault: Vault) -> None:
        self.handles = [f"person{number:05d}" for number in range(count)]
        self._clock = clock
        self._vault = vault
        self._random = random.Random(count)

    def pair(self) -> tuple[str, str]:
        """Two different people."""
        payer, payee = self._random.sample(self.handles, 2)
        return payer, payee

    def openings(self) -> list[AccountOpeningRequested]:
        """An account for each, and the mint's."""
        return [self._opening(MINT, AccountKind.SYSTEM, Tier.SYSTEM)] + [
            self._opening(handle, AccountKind.WALLET, Tier.BUSINESS) for handle in self.handles
        ]

    def claims(self) -> list[HandleClaimRequested]:
        """A handle for each, and the mint's."""
        return [
            HandleClaimRequested(
                request_id=uuid5(_ROOT, f"claim {handle}"),
                requested_at=self._clock.now(),
                handle=handle,
                fingerprint=_FINGERPRINT,
                client_id=CLIENT,
                account_id=account_id_of(handle),
                display_name_sealed=self._vault.seal(handle.title(), DISPLAY_NAME_PURPOSE),
            )
            for handle in (MINT, *self.handles)
        ]

    def fundings(self) -> list[PaymentRequested]:
        """A payment to each from the mint: the same door as for any other money."""
        return [
            self._payment(f"fund {handle}", MINT, handle, FUNDS_MINOR) for handle in self.handles
        ]

    def payments(self, count: int, *, name: str) -> list[PaymentRequested]:
        """Payments between random pairs; each name gives other payments."""
        return [self._payment(f"{name} {n}", *self.pair(), 100 + n % 900) for n in range(count)]

    def _payment(self, key: str, payer: str, payee: str, amount_minor: int) -> PaymentRequested:
        return PaymentRequested(
            payment_id=payment_id_of(CLIENT, key),
            accepted_at=self._clock.now(),
            client_id=CLIENT,
            from_handle=payer,
            to_handle=payee,
            amount_minor=amount_minor,
            currency=CURRENCY,
            payment_type=PaymentType.WALLET,
            description_sealed=self._vault.seal("A payment of the benchmark", DESCRIPTION_PURPOSE),
            fingerprint=f"{uuid5(_ROOT, key).int:064x}",
        )

    def _opening(self, handle: str, kind: AccountKind, tier: Tier) -> AccountOpeningRequested:
        return AccountOpeningRequested(
            request_id=uuid5(_ROOT, f"open {handle}"),
            requested_at=self._clock.now(),
            account_id=account_id_of(handle),
            client_id=CLIENT,
            kind=kind,
            tier=tier,
            currency=CURRENCY,
        )


def account_id_of(handle: str) -> UUID:
    """The account of one of these people."""
    return uuid5(_ROOT, handle)
