"""The descriptions of payments: sealed before they leave the edge, and opened in answers.

A person's are sealed under the person's own key, so that forgetting the person ends them; those of
programs, and the demo's, under the house's.
"""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from domain.client import person_of
from domain.errors import Invalid, Unavailable
from producers.payments.decide import DESCRIPTION_PURPOSE, Candidate, Verdict
from projections.payments import Payment
from runtime import limits
from runtime.circuit import Circuit
from runtime.clock import Clock
from runtime.vault import Binding, Forgotten, Vault

_PAYMENT: Final = "payment"
_DESCRIPTION: Final = "description"


class Sealed(NamedTuple):
    """Descriptions by payment, and the verdicts on payments whose description nobody could seal."""

    descriptions: dict[UUID, str]
    refused: dict[UUID, Verdict]


class Descriptions:
    """Seals the descriptions of a batch: with one question, if any, for all the people in it."""

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._circuit = Circuit(
            wait_s_max=limits.ACCEPT_LOOKUP_S_MAX,
            rest_s=limits.ACCEPT_LOOKUP_REST_S,
            clock=clock,
        )

    async def seal(self, candidates: Sequence[Candidate]) -> Sealed:
        """The descriptions, of those payments that have one.

        A payment whose person's key cannot be had just now is UNAVAILABLE: its words must not go
        out under another key. One who was forgotten has nothing to pay from.
        """
        sealed = Sealed({}, {})
        theirs: dict[UUID, tuple[Binding, str]] = {}
        for candidate in candidates:
            if candidate.description is None:
                continue
            payment_id, text = candidate.payment_id, candidate.description
            person_id = person_of(candidate.client_id)
            if person_id is None:
                sealed.descriptions[payment_id] = self._vault.seal(text, DESCRIPTION_PURPOSE)
            else:
                theirs[payment_id] = (_binding(payment_id, person_id), text)
        if theirs:
            await self._seal_for(theirs, sealed)
        return sealed

    async def _seal_for(self, theirs: Mapping[UUID, tuple[Binding, str]], sealed: Sealed) -> None:
        found = await self._vault.seal_each(list(theirs.values()), circuit=self._circuit)
        for payment_id, text in zip(theirs, found, strict=True):
            match text:
                case str():
                    sealed.descriptions[payment_id] = text
                case Forgotten():
                    sealed.refused[payment_id] = Verdict.STRANGER
                case Unavailable():
                    sealed.refused[payment_id] = Verdict.UNAVAILABLE


async def opened_descriptions(vault: Vault, payments: Sequence[Payment]) -> dict[UUID, str]:
    """The descriptions that open; asks nobody while the keys are in memory, else once for all.

    A payment whose words were sealed under a key that is gone stands without them.
    """
    opened: dict[UUID, str] = {}
    theirs: dict[UUID, tuple[Binding, str]] = {}
    for payment in payments:
        payment_id, sealed = payment.payment_id, payment.description_sealed
        if sealed is None:
            continue
        person_id = person_of(payment.client_id)
        if person_id is not None:
            theirs[payment_id] = (_binding(payment_id, person_id), sealed)
            continue
        with contextlib.suppress(Invalid):
            opened[payment_id] = vault.open(sealed, DESCRIPTION_PURPOSE)
    if theirs:
        found = await vault.open_each(list(theirs.values()))
        texts = zip(theirs, found, strict=True)
        opened.update((payment_id, text) for payment_id, text in texts if text is not None)
    return opened


def _binding(payment_id: UUID, person_id: UUID) -> Binding:
    return Binding(_PAYMENT, _DESCRIPTION, payment_id, person_id)
