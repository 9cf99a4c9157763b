"""The vault: text about people is sealed before it leaves the process, opened only in answers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from uuid import UUID

from domain.errors import Defect, Invalid, Unavailable
from runtime.circuit import Circuit
from runtime.database import Connection
from runtime.vault.binding import Binding
from runtime.vault.blind_index import BlindIndexes, root_from
from runtime.vault.cipher import Cipher, Text
from runtime.vault.counter import HouseCounter
from runtime.vault.envelope import does_not_open, read_header, to_bytes
from runtime.vault.house import HouseKeys
from runtime.vault.people import Forgotten, PeopleKeys, Wanted


class Vault:
    """Seals and opens: texts of people under their own keys, all others under the house's."""

    def __init__(
        self,
        *house_keys: bytes,
        people: PeopleKeys | None = None,
        index_root: bytes | None = None,
    ) -> None:
        self.house = HouseKeys(house_keys)
        self._people = people
        self._counter: HouseCounter | None = None
        if people is not None:
            self._counter = HouseCounter(self.house, people.store, clock=people.clock)
        self._indexes = BlindIndexes(index_root or root_from(house_keys[-1]))

    def seal(self, text: str, purpose: str) -> str:
        """A text that belongs to no person; it opens for the same purpose only."""
        return self.house.seal(text, purpose)

    def open(self, sealed: str, purpose: str) -> str:
        """The text; Invalid `sealed_text`, in the same words whatever is wrong."""
        return self.house.open(sealed, purpose)

    def blind_index(self, column: str, normalised: str) -> str:
        """The index of a value in a column (`users.email`), 64 hex digits; see blind_index.py."""
        return self._indexes.of(column, normalised)

    async def seal_for(self, owner: UUID, texts: Sequence[tuple[Binding, Text]]) -> list[Text]:
        """A person's texts, in their order, each bound to its place. Raises Forgotten, Unavailable.

        Asks nobody while the person's key is in memory. It may commit a new key on a connection of
        the vault's own, so the key is there before the caller's transaction ends, or is not.
        """
        _demand_owner(owner, texts)
        if not texts:
            return []
        people, messages = self.people, {owner: len(texts)}
        ciphers = await people.held(messages) or await people.fetch(messages)
        cipher = _demand(ciphers, owner)
        return [cipher.encrypt(text, binding) for binding, text in texts]

    async def open_for(self, owner: UUID, sealed: Sequence[tuple[Binding, Text]]) -> list[Text]:
        """What was sealed for a person, in its order.

        Raises Forgotten if the person was; Invalid `sealed_text`, in the same words, whatever else
        is wrong with one of them; Unavailable.
        """
        _demand_owner(owner, sealed)
        wanted = [Wanted(owner, read_header(_raw(each)).key_id) for _, each in sealed]
        ciphers = await self.people.for_opening(set(wanted))
        if any(each not in ciphers for each in wanted):
            if await self.people.has_forgotten([owner]):
                raise Forgotten
            raise does_not_open()
        return [
            ciphers[want].decrypt(each, binding)
            for want, (binding, each) in zip(wanted, sealed, strict=True)
        ]

    async def open_each(self, sealed: Sequence[tuple[Binding, str]]) -> list[str | None]:
        """Texts of any people, each by its binding's owner; None where one does not open.

        Keys that are not in memory are fetched together. Raises Unavailable.
        """
        wanted: list[Wanted | None] = []
        for binding, each in sealed:
            try:
                wanted.append(Wanted(_person(binding), read_header(to_bytes(each)).key_id))
            except Invalid:
                wanted.append(None)
        ciphers = await self.people.for_opening({each for each in wanted if each is not None})
        opened: list[str | None] = []
        for (binding, each), want in zip(sealed, wanted, strict=True):
            cipher = None if want is None else ciphers.get(want)
            try:
                opened.append(None if cipher is None else cipher.decrypt(each, binding))
            except Invalid:
                opened.append(None)
        return opened

    async def seal_each(
        self, texts: Sequence[tuple[Binding, str]], *, circuit: Circuit
    ) -> list[str | Forgotten | Unavailable]:
        """Texts of any people, each by its binding's owner, or why that one could not be sealed.

        One question for all keys that are not in memory, within the circuit. So those whose keys
        are there are served while nobody answers.
        """
        messages = Counter(_person(binding) for binding, _ in texts)
        ciphers: dict[UUID, Cipher | None] = {**await self.people.held(messages)}
        missing = {owner: messages[owner] for owner in messages.keys() - ciphers.keys()}
        down: Unavailable | None = None
        if missing:
            try:
                ciphers |= await circuit.ask(lambda: self.people.fetch(missing))
            except Unavailable as error:
                down = error
        sealed: list[str | Forgotten | Unavailable] = []
        for binding, text in texts:
            try:
                sealed.append(_demand(ciphers, _person(binding)).encrypt(text, binding))
            except (Forgotten, Unavailable) as error:
                sealed.append(down or error)
        return sealed

    async def forget(self, connection: Connection | None, owner: UUID) -> bool:
        """Destroy a person's keys and traces in the caller's transaction; False if it was done.

        Other processes follow within limits.EPOCH_S of the commit. Tells nobody else:
        `forget_person` puts the event beside it.
        """
        people = self.people
        is_fresh = await people.store.forget(connection, owner, people.clock.now())
        people.clear()
        return is_fresh

    @property
    def people(self) -> PeopleKeys:
        """The keys of people; Defect in a process that was wired without."""
        if self._people is None:
            raise Defect("this process was wired without the keys of people")
        return self._people

    def start(self) -> None:
        """Write down now and then how much is sealed under the house's key, until `close`."""
        if self._counter is not None:
            self._counter.start()

    async def close(self) -> None:
        """Give the vault's own connections up."""
        if self._counter is not None:
            await self._counter.stop()
        if self._people is not None:
            await self._people.close()


def _demand_owner(owner: UUID, texts: Sequence[tuple[Binding, object]]) -> None:
    if any(_person(binding) != owner for binding, _ in texts):
        raise Defect("a text is bound to another owner than it is sealed for")


def _demand(ciphers: Mapping[UUID, Cipher | None], owner: UUID) -> Cipher:
    """The owner's cipher, of what `PeopleKeys.fetch` gave."""
    if owner not in ciphers:
        raise Forgotten
    cipher = ciphers[owner]
    if cipher is None:
        raise Unavailable("a person's key does not open: see `titan keys status`")
    return cipher


def _person(binding: Binding) -> UUID:
    owner = binding.owner
    return owner if isinstance(owner, UUID) else UUID(owner)


def _raw(sealed: str | bytes) -> bytes:
    return to_bytes(sealed) if isinstance(sealed, str) else sealed
