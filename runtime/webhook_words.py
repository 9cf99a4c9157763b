"""What is kept of a webhook endpoint in words: its URL, its secrets, what its receiver answered.

A person's are sealed under the person's own key, so that forgetting the person ends them in every
backup too; a program's under the house's.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

from domain.client import person_of
from runtime.vault import Binding, Vault

_TABLE: Final = "webhooks"


class Word(NamedTuple):
    """A text, in clear or sealed: what it is for (domain/webhook.py), and the row that it is of."""

    purpose: str
    row: UUID
    text: str


class Words:
    """Seals and opens what an endpoint's owner wants kept, each for its purpose and row only."""

    def __init__(self, vault: Vault, client_id: str) -> None:
        self._vault = vault
        self._person_id = person_of(client_id)

    async def seal(self, words: Sequence[Word]) -> list[str]:
        """The words, sealed, in their order. Raises Forgotten, Unavailable."""
        if self._person_id is None:
            return [self._vault.seal(each.text, _house_purpose(each)) for each in words]
        texts = [(_binding(each, self._person_id), each.text) for each in words]
        return await self._vault.seal_for(self._person_id, texts)

    async def open(self, words: Sequence[Word]) -> list[str]:
        """The words in clear, in their order. Raises Forgotten, Unavailable, Invalid `sealed_text`.

        The last where one of them was not sealed for this purpose, row and owner.
        """
        if self._person_id is None:
            return [self._vault.open(each.text, _house_purpose(each)) for each in words]
        texts = [(_binding(each, self._person_id), each.text) for each in words]
        return await self._vault.open_for(self._person_id, texts)


def _house_purpose(word: Word) -> str:
    return f"{word.purpose}:{word.row}"


def _binding(word: Word, person_id: UUID) -> Binding:
    return Binding(_TABLE, word.purpose, word.row, person_id)
