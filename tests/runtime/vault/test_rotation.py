"""Keys that wrap keys come and go, and nobody who reads or writes notices."""

import asyncio
from uuid import UUID, uuid4

import pytest

from domain.errors import Invalid, Unavailable
from runtime.circuit import Circuit
from runtime.vault import Binding, Vault
from runtime.vault import limits as vault_limits
from runtime.vault.envelope import read_header, to_bytes
from runtime.vault.rewrap import rewrap_all
from runtime.vault.store import NewKey
from tests.runtime.vault.place import Place

pytestmark = pytest.mark.parametrize(
    "place_dsn", ["memory", pytest.param("postgres", marks=pytest.mark.real)], indirect=True
)

ALICE = UUID("a11ce000-0000-4000-8000-000000000001")
BOB = UUID("b0b00000-0000-4000-8000-000000000002")


def name_of(owner: UUID) -> Binding:
    return Binding("users", "name", owner, owner)


async def sealed_for(vault: Vault, owner: UUID) -> str:
    [sealed] = await vault.seal_for(owner, [(name_of(owner), "name")])
    return sealed


async def opened_for(vault: Vault, owner: UUID, sealed: str) -> str:
    [text] = await vault.open_for(owner, [(name_of(owner), sealed)])
    return text


def kek_of(sealed: str) -> int:
    return read_header(to_bytes(sealed)).kek_id


async def rewrap(place: Place, done: list[int] | None = None) -> tuple[int, int, int]:
    people = place.vault.people
    shown: list[int] = [] if done is None else done
    tally = await rewrap_all(
        people.store, people.keyring, on_total=shown.append, on_progress=shown.append
    )
    return tally.rewrapped, tally.done_by_others, tally.lost


async def test_a_new_key_wraps_at_once_what_is_sealed_from_then_on(place: Place) -> None:
    old = await sealed_for(place.vault, ALICE)
    assert kek_of(old) == 1

    rotated = await place.vault.people.keyring.rotate()
    place.clock.passed_s += vault_limits.EPOCH_S

    assert rotated.kek_id == 2
    assert kek_of(await sealed_for(place.vault, BOB)) == 2
    # Alice has a key already; it is wrapped anew as soon as it is used to seal.
    assert kek_of(await sealed_for(place.vault, ALICE)) == 2
    assert [use.data_keys for use in await place.store.uses()] == [0, 2]
    assert await opened_for(place.twin(), ALICE, old) == "name"


async def test_another_process_uses_the_new_key_within_the_epoch(place: Place) -> None:
    other = place.twin()
    await sealed_for(other, ALICE)
    await place.vault.people.keyring.rotate()

    place.clock.passed_s += vault_limits.EPOCH_S

    assert kek_of(await sealed_for(other, ALICE)) == 2


async def test_rewrapping_moves_every_key_and_every_text_still_opens(place: Place) -> None:
    people = [uuid4() for _ in range(30)]
    sealed = {owner: await sealed_for(place.vault, owner) for owner in people}
    await place.vault.people.keyring.rotate()

    shown: list[int] = []
    assert await rewrap(place, shown) == (30, 0, 0)
    assert (shown[0], sum(shown[1:])) == (30, 30)
    assert await rewrap(place) == (0, 0, 0)

    assert [use.data_keys for use in await place.store.uses()] == [0, 30]
    for vault in (place.vault, place.twin()):
        for owner, text in sealed.items():
            assert await opened_for(vault, owner, text) == "name"


async def test_a_wrap_that_does_not_open_is_told_and_stops_nobody(place: Place) -> None:
    sealed = await sealed_for(place.vault, ALICE)
    lost = NewKey(uuid4(), BOB, 1, 1, b"no wrap at all, but long enough")
    await place.store.add([lost], place.clock.now())
    await place.vault.people.keyring.rotate()

    assert await rewrap(place) == (1, 0, 1)
    assert await opened_for(place.twin(), ALICE, sealed) == "name"
    with pytest.raises(Unavailable, match="does not open"):
        await sealed_for(place.twin(), BOB)
    both = [(name_of(owner), "name") for owner in (ALICE, BOB)]
    circuit = Circuit(wait_s_max=5, rest_s=1, clock=place.clock)
    for_alice, for_bob = await place.twin().seal_each(both, circuit=circuit)
    assert isinstance(for_alice, str)
    assert isinstance(for_bob, Unavailable)


async def test_an_older_key_is_destroyed_only_once_it_wraps_nothing(place: Place) -> None:
    sealed = await sealed_for(place.vault, ALICE)
    keyring = place.vault.people.keyring
    with pytest.raises(Invalid, match="kek_in_use"):
        await keyring.destroy(1)
    await keyring.rotate()
    with pytest.raises(Invalid, match="kek_in_use"):
        await keyring.destroy(1)
    with pytest.raises(Invalid, match="missing_kek"):
        await keyring.destroy(3)

    await rewrap(place)
    await keyring.destroy(1)

    assert await opened_for(place.twin(), ALICE, sealed) == "name"
    [first, second] = await place.store.keks()
    assert first.retired_at is not None
    assert second.retired_at is None


async def test_nobody_wraps_under_a_key_that_was_destroyed_meanwhile(place: Place) -> None:
    """A process that has not heard of it yet: its person's key would be lost."""
    late = place.twin()
    await sealed_for(late, ALICE)
    await place.vault.people.keyring.rotate()
    await rewrap(place)
    await place.vault.people.keyring.destroy(1)

    sealed = await sealed_for(late, BOB)

    assert kek_of(sealed) == 2
    assert await opened_for(place.twin(), BOB, sealed) == "name"
    lost = NewKey(uuid4(), uuid4(), 1, 1, b"wrapped under the destroyed key")
    await place.store.add([lost], place.clock.now())
    assert await place.store.read([lost.key_id]) == {}


async def test_of_ten_rotations_at_once_each_key_that_came_to_be_wraps(place: Place) -> None:
    vaults = [place.twin() for _ in range(10)]
    keks = await asyncio.gather(*(vault.people.keyring.rotate() for vault in vaults))

    known = await place.store.keks()
    assert [kek.kek_id for kek in known] == list(range(1, len(known) + 1))
    assert {kek.kek_id for kek in keks} <= {kek.kek_id for kek in known}
    assert kek_of(await sealed_for(place.vault, ALICE)) == len(known)


async def test_a_key_in_memory_is_used_without_asking_and_read_anew_when_old(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    for name in ("reserve", "read", "epoch"):
        ask = getattr(place.store, name)

        def counted(*arguments: object, _name: str = name, _ask: object = ask) -> object:
            asked.append(_name)
            return _ask(*arguments)  # type: ignore[operator]

        monkeypatch.setattr(place.store, name, counted)

    await sealed_for(place.vault, ALICE)
    place.clock.passed_s += vault_limits.EPOCH_S
    sealed = await sealed_for(place.vault, ALICE)
    asked.clear()
    for _ in range(100):
        await sealed_for(place.vault, ALICE)
        await opened_for(place.vault, ALICE, sealed)
    assert asked == []

    place.clock.passed_s += vault_limits.EPOCH_S
    await opened_for(place.vault, ALICE, sealed)
    assert asked == ["epoch"]

    place.clock.passed_s += vault_limits.KEY_S_MAX
    asked.clear()
    await opened_for(place.vault, ALICE, sealed)
    assert asked == ["epoch", "read"]


async def test_messages_are_counted_and_a_worn_key_gets_a_successor(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault_limits, "MESSAGES_RESERVED", 4)
    monkeypatch.setattr(vault_limits, "MESSAGES_ALARM", 10)

    sealed = [await sealed_for(place.vault, ALICE) for _ in range(13)]

    keys = [read_header(to_bytes(each)).key_id for each in sealed]
    assert len(set(keys)) == 2
    assert keys == sorted(keys, key=keys.index)
    assert keys.count(keys[0]) == 8
    [use] = await place.store.uses()
    assert use.messages >= 13
    for each in sealed:
        assert await opened_for(place.twin(), ALICE, each) == "name"
    await place.forget(ALICE)
    for each in sealed:
        with pytest.raises(Invalid, match="person_forgotten"):
            await opened_for(place.twin(), ALICE, each)


async def test_what_the_house_seals_is_counted_too(place: Place) -> None:
    vault = place.twin()
    vault.start()
    for _ in range(5):
        vault.seal("text", "purpose")
    assert vault._counter is not None
    await vault._counter.stop()
    vault.seal("text", "purpose")
    await vault._counter.stop()

    assert (await place.store.house_messages())[vault.house.key_id] >= 6


async def test_no_more_keys_than_the_limit_stay_in_memory(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault_limits, "KEYS_MAX", 5)
    people = [uuid4() for _ in range(8)]
    sealed = {owner: await sealed_for(place.vault, owner) for owner in people}

    assert len(place.vault.people._kept) == 5
    assert len(place.vault.people._sealing) == 5
    for owner, text in sealed.items():
        assert await opened_for(place.vault, owner, text) == "name"
