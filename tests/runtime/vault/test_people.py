"""Texts of people: under a key each, bound to their place, gone with the key."""

import asyncio
from uuid import UUID, uuid4

import pytest

from domain.errors import Defect, Invalid
from runtime.vault import Binding, Forgotten, Vault
from runtime.vault import limits as vault_limits
from runtime.vault.envelope import read_header, to_bytes
from tests.runtime.vault.place import HeldProvider, Place

pytestmark = pytest.mark.parametrize(
    "place_dsn", ["memory", pytest.param("postgres", marks=pytest.mark.real)], indirect=True
)

ALICE = UUID("a11ce000-0000-4000-8000-000000000001")
BOB = UUID("b0b00000-0000-4000-8000-000000000002")


def email_of(owner: UUID) -> Binding:
    return Binding("users", "email", owner, owner)


async def sealed_for(vault: Vault, owner: UUID, text: str = "a@example.test") -> str:
    [sealed] = await vault.seal_for(owner, [(email_of(owner), text)])
    return sealed


async def test_what_was_sealed_for_a_person_opens_in_every_process(place: Place) -> None:
    texts = [(email_of(ALICE), "alice@example.test"), (email_of(ALICE), "")]
    sealed = await place.vault.seal_for(ALICE, texts)
    raw = await place.vault.seal_for(ALICE, [(email_of(ALICE), b"\x00raw")])

    bindings = [binding for binding, _ in texts]
    for vault in (place.vault, place.twin()):
        opened = await vault.open_for(ALICE, list(zip(bindings, sealed, strict=True)))
        assert opened == ["alice@example.test", ""]
        assert await vault.open_for(ALICE, [(email_of(ALICE), raw[0])]) == [b"\x00raw"]


async def test_each_person_has_a_key_of_their_own(place: Place) -> None:
    keys = {
        owner: read_header(to_bytes(await sealed_for(place.vault, owner))).key_id
        for owner in (ALICE, BOB)
    }

    assert keys[ALICE] != keys[BOB]
    assert read_header(to_bytes(await sealed_for(place.twin(), ALICE))).key_id == keys[ALICE]


async def test_twenty_processes_that_need_a_new_persons_key_at_once_use_one(place: Place) -> None:
    owner = uuid4()
    sealed = await asyncio.gather(*(sealed_for(place.twin(), owner) for _ in range(20)))

    assert len({read_header(to_bytes(each)).key_id for each in sealed}) == 1
    opened = await place.vault.open_for(owner, [(email_of(owner), each) for each in sealed])
    assert set(opened) == {"a@example.test"}


@pytest.mark.parametrize(
    "moved",
    [
        Binding("people", "email", ALICE, ALICE),
        Binding("users", "phone", ALICE, ALICE),
        Binding("users", "email", BOB, ALICE),
    ],
)
async def test_a_text_moved_to_another_place_does_not_open(place: Place, moved: Binding) -> None:
    sealed = await sealed_for(place.vault, ALICE)

    with pytest.raises(Invalid, match=r"^sealed_text: the sealed text does not open$"):
        await place.vault.open_for(ALICE, [(moved, sealed)])


async def test_a_text_moved_to_another_person_does_not_open(place: Place) -> None:
    sealed = await sealed_for(place.vault, ALICE)
    await sealed_for(place.vault, BOB)

    for vault in (place.vault, place.twin()):
        with pytest.raises(Invalid, match=r"^sealed_text: the sealed text does not open$"):
            await vault.open_for(BOB, [(email_of(BOB), sealed)])


async def test_a_text_cannot_be_sealed_for_one_and_bound_to_another(place: Place) -> None:
    with pytest.raises(Defect):
        await place.vault.seal_for(ALICE, [(email_of(BOB), "text")])


async def test_of_many_texts_those_that_do_not_open_are_left_out_alone(place: Place) -> None:
    for_alice, for_bob = await sealed_for(place.vault, ALICE), await sealed_for(place.vault, BOB)
    await place.forget(BOB)

    opened = await place.vault.open_each(
        [
            (email_of(ALICE), for_alice),
            (email_of(BOB), for_bob),
            (email_of(BOB), for_alice),
            (email_of(ALICE), "damaged"),
        ]
    )

    assert opened == ["a@example.test", None, None, None]


async def test_nothing_of_a_forgotten_person_opens_or_is_sealed(place: Place) -> None:
    sealed = await sealed_for(place.vault, ALICE)
    others = await sealed_for(place.vault, BOB)

    assert await place.forget(ALICE)

    for vault in (place.vault, place.twin()):
        with pytest.raises(Forgotten):
            await vault.open_for(ALICE, [(email_of(ALICE), sealed)])
        with pytest.raises(Forgotten):
            await sealed_for(vault, ALICE)
        assert await vault.open_for(BOB, [(email_of(BOB), others)]) == ["a@example.test"]
    assert not await place.forget(ALICE)


async def test_another_process_loses_a_forgotten_persons_key_within_the_epoch(place: Place) -> None:
    other = place.twin()
    sealed = await sealed_for(other, ALICE)
    await place.forget(ALICE)

    place.clock.passed_s += vault_limits.EPOCH_S

    with pytest.raises(Forgotten):
        await other.open_for(ALICE, [(email_of(ALICE), sealed)])
    with pytest.raises(Forgotten):
        await sealed_for(other, ALICE)


@pytest.mark.parametrize("act", ["open", "seal"])
async def test_a_key_that_was_read_before_a_forgetting_is_not_kept_after_it(
    place: Place, act: str
) -> None:
    for_alice, for_bob = await sealed_for(place.vault, ALICE), await sealed_for(place.vault, BOB)
    held = HeldProvider(place.provider)
    other = place.twin(held)

    async def asks() -> None:
        if act == "open":
            await other.open_for(ALICE, [(email_of(ALICE), for_alice)])
        else:
            await sealed_for(other, ALICE)

    early = asyncio.create_task(asks())
    await held.asked.wait()
    await place.forget(ALICE)
    place.clock.passed_s += vault_limits.EPOCH_S
    assert await other.open_for(BOB, [(email_of(BOB), for_bob)]) == ["a@example.test"]
    held.released.set()
    await asyncio.wait([early])

    with pytest.raises(Forgotten):
        await other.open_for(ALICE, [(email_of(ALICE), for_alice)])
    with pytest.raises(Forgotten):
        await sealed_for(other, ALICE)
