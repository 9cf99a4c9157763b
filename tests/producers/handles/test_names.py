"""Whose key seals a display name, and what is left of it when its holder is forgotten."""

from uuid import UUID, uuid4

import pytest

from domain.client import client_of
from domain.directory import HandleTarget
from domain.errors import Invalid
from producers.handles.decide import Candidate, Origin
from producers.handles.names import opened_name, sealed_name
from producers.handles.sight import Sight, from_text, to_text
from runtime.clock import SystemClock
from runtime.vault import Forgotten, Vault
from tests.support.vaults import memory_vault

DORA = UUID("d02a0000-0000-4000-8000-000000000001")
ERIC = UUID("e21c0000-0000-4000-8000-000000000002")


@pytest.fixture
def vault() -> Vault:
    return memory_vault(bytes(32), clock=SystemClock())


def claim(client_id: str, display_name: str | None = "Dora D.") -> Candidate:
    return Candidate(
        Origin(client_id, "key", "0" * 64, None), uuid4(), "dora", uuid4(), display_name
    )


def seen(client_id: str, sealed: str | None) -> Sight:
    assert sealed is not None
    return Sight(1, HandleTarget(uuid4(), "USD", sealed), client_id)


@pytest.mark.parametrize("client_id", [client_of(DORA), "demo", "client:shop"])
async def test_a_name_opens_beside_its_handle(client_id: str, vault: Vault) -> None:
    sight = seen(client_id, await sealed_name(vault, claim(client_id)))

    assert await opened_name(vault, "dora", sight) == "Dora D."
    # It has been in the cache, and is told there with whose it is.
    assert await opened_name(vault, "dora", from_text(to_text(sight))) == "Dora D."


async def test_what_is_no_claim_has_no_name(vault: Vault) -> None:
    assert await sealed_name(vault, claim(client_of(DORA), None)) is None


async def test_a_persons_name_opens_beside_no_other_handle_and_for_no_other_holder(
    vault: Vault,
) -> None:
    sealed = await sealed_name(vault, claim(client_of(DORA)))

    assert await opened_name(vault, "eric", seen(client_of(DORA), sealed)) is None
    assert await opened_name(vault, "dora", seen(client_of(ERIC), sealed)) is None
    with pytest.raises(Invalid):
        await opened_name(vault, "dora", seen("demo", sealed))


async def test_a_forgotten_holder_has_no_name_and_claims_nothing(vault: Vault) -> None:
    sight = seen(client_of(DORA), await sealed_name(vault, claim(client_of(DORA))))
    await vault.forget(None, DORA)

    assert await opened_name(vault, "dora", sight) is None
    with pytest.raises(Forgotten):
        await sealed_name(vault, claim(client_of(DORA)))
