"""Key-encryption keys as files: for the demo. Whoever reads the directory reads the keys."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

from domain.errors import Invalid
from runtime.clock import Clock
from runtime.vault.house import key_in
from runtime.vault.provider import Wrapping, missing_kek, unwrap_locally, wrap_locally

_SUFFIX: Final = ".kek"
_REFERENCE: Final = re.compile(r"[a-z0-9-]{1,64}")


class FileKeyProvider:
    """One file a key, readable by its owner only."""

    name = "file"

    def __init__(self, directory: Path, *, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._keys: dict[str, bytes] = {}

    async def create(self, reference: str | None) -> str:
        """Make the file."""
        reference = reference or _name_of(self._clock.random_id())
        self._keys[reference] = key_in(self._path(reference))
        return reference

    async def wrap(self, reference: str, keys: Sequence[Wrapping]) -> list[bytes]:
        """See `KeyProvider.wrap`."""
        return wrap_locally(self._key(reference), keys)

    async def unwrap(self, reference: str, wraps: Sequence[Wrapping]) -> list[bytes]:
        """See `KeyProvider.unwrap`."""
        return unwrap_locally(self._key(reference), wraps)

    async def destroy(self, reference: str) -> None:
        """Delete the file. What a disk keeps of deleted files is the disk's affair."""
        self._keys.pop(reference, None)
        self._path(reference).unlink(missing_ok=True)

    async def close(self) -> None:
        """Hold nothing open."""

    def _key(self, reference: str) -> bytes:
        key = self._keys.get(reference)
        if key is None:
            path = self._path(reference)
            if not path.exists():
                raise missing_kek(reference)
            key = self._keys[reference] = key_in(path)
        return key

    def _path(self, reference: str) -> Path:
        if not _REFERENCE.fullmatch(reference):
            raise Invalid("invalid_reference", "a key file's name is of a-z, 0-9 and hyphens")
        return self._directory / f"{reference}{_SUFFIX}"


def _name_of(random_id: UUID) -> str:
    return random_id.hex
