"""Whose key seals a payment's words, what nobody can seal, and what opens in answers."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.client import client_of
from domain.errors import Unavailable
from domain.payment import PaymentType, State
from producers.payments.decide import Candidate, Verdict
from producers.payments.words import Descriptions, opened_descriptions
from projections.payments import Payment
from runtime.clock import SystemClock
from runtime.vault import Vault
from tests.support.vaults import memory_vault

DORA = UUID("d02a0000-0000-4000-8000-000000000001")
ERIC = UUID("e21c0000-0000-4000-8000-000000000002")
NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def vault() -> Vault:
    return memory_vault(bytes(32), clock=SystemClock())


def candidate(client_id: str, description: str | None = "lunch") -> Candidate:
    known: dict[str, Any] = {
        "payment_id": uuid4(),
        "client_id": client_id,
        "fingerprint": "0" * 64,
        "is_fresh": True,
        "from_handle": "dora",
        "to_handle": "eric",
        "amount_minor": 1,
        "currency": "USD",
        "payment_type": PaymentType.WALLET,
        "description": description,
        "traceparent": None,
        "is_payer_checked": False,
    }
    return Candidate(**known)


def payment(candidate: Candidate, sealed: str | None) -> Payment:
    return Payment(
        payment_id=candidate.payment_id,
        client_id=candidate.client_id,
        from_handle="dora",
        to_handle="eric",
        amount_minor=1,
        currency="USD",
        payment_type=PaymentType.WALLET,
        description_sealed=sealed,
        fingerprint="0" * 64,
        accepted_at=NOW,
        state=State.REQUESTED,
        history=(),
        refusal_code=None,
        posting_id=None,
        payer_account_id=None,
        payee_account_id=None,
        conflicted_at=None,
    )


async def test_the_words_of_people_and_of_programs_open_in_answers(vault: Vault) -> None:
    candidates = [
        candidate(client_of(DORA), "dora's"),
        candidate("demo", "the demo's"),
        candidate(client_of(ERIC), None),
    ]

    sealed = await Descriptions(vault, SystemClock()).seal(candidates)

    assert not sealed.refused
    payments = [payment(each, sealed.descriptions.get(each.payment_id)) for each in candidates]
    assert await opened_descriptions(vault, payments) == {
        candidates[0].payment_id: "dora's",
        candidates[1].payment_id: "the demo's",
    }


async def test_words_moved_to_another_payment_or_client_do_not_open(vault: Vault) -> None:
    dora, demo = candidate(client_of(DORA)), candidate("demo")
    sealed = await Descriptions(vault, SystemClock()).seal([dora, demo])
    [hers, ours] = [sealed.descriptions[each.payment_id] for each in (dora, demo)]

    moved = [
        payment(replace(dora, payment_id=uuid4()), hers),
        payment(replace(dora, client_id=client_of(ERIC)), hers),
        payment(replace(dora, client_id="demo"), hers),
        payment(replace(demo, client_id=client_of(DORA)), ours),
    ]
    assert await opened_descriptions(vault, moved) == {}


async def test_a_forgotten_person_pays_no_more_and_their_payments_stand_without_words(
    vault: Vault,
) -> None:
    dora, eric = candidate(client_of(DORA)), candidate(client_of(ERIC))
    descriptions = Descriptions(vault, SystemClock())
    before = await descriptions.seal([dora, eric])
    await vault.forget(None, DORA)

    after = await descriptions.seal([dora, eric])

    assert after.refused == {dora.payment_id: Verdict.STRANGER}
    assert set(after.descriptions) == {eric.payment_id}
    payments = [payment(each, before.descriptions[each.payment_id]) for each in (dora, eric)]
    assert await opened_descriptions(vault, payments) == {eric.payment_id: "lunch"}


async def test_while_the_store_is_down_only_keys_in_memory_seal(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    dora, eric, demo = (candidate(each) for each in (client_of(DORA), client_of(ERIC), "demo"))
    descriptions = Descriptions(vault, SystemClock())
    await descriptions.seal([dora])

    async def down(*_: object) -> None:
        raise Unavailable("down")

    for question in ("reserve", "read", "epoch", "forgotten"):
        monkeypatch.setattr(vault.people.store, question, down)

    sealed = await descriptions.seal([dora, eric, demo])

    assert set(sealed.descriptions) == {dora.payment_id, demo.payment_id}
    assert sealed.refused == {eric.payment_id: Verdict.UNAVAILABLE}
