"""Key-encryption keys out of the environment: TITAN_KEKS, as a secrets manager puts it there."""

from collections.abc import Sequence

from domain.errors import Invalid
from runtime.vault.house import secret_of
from runtime.vault.provider import Wrapping, missing_kek, unwrap_locally, wrap_locally

_VARIABLE = "TITAN_KEKS"


class EnvironmentKeyProvider:
    """The keys of `NAME:BASE64,NAME:BASE64`; the last one is the newest."""

    name = "environment"

    def __init__(self, keks: str) -> None:
        self._keys: dict[str, bytes] = {}
        for entry in filter(None, keks.split(",")):
            reference, _, key = entry.strip().partition(":")
            if not reference or reference in self._keys:
                raise Invalid("invalid_keks", f"{_VARIABLE} is NAME:BASE64,... with distinct names")
            self._keys[reference] = secret_of(key, _VARIABLE)

    async def create(self, reference: str | None) -> str:
        """Take the key of that name, or the last one; whoever sets the variable makes keys."""
        if not self._keys:
            raise Invalid("missing_kek", f"{_VARIABLE} holds no key")
        if reference is None:
            return list(self._keys)[-1]
        self._key(reference)
        return reference

    async def wrap(self, reference: str, keys: Sequence[Wrapping]) -> list[bytes]:
        """See `KeyProvider.wrap`."""
        return wrap_locally(self._key(reference), keys)

    async def unwrap(self, reference: str, wraps: Sequence[Wrapping]) -> list[bytes]:
        """See `KeyProvider.unwrap`."""
        return unwrap_locally(self._key(reference), wraps)

    async def destroy(self, reference: str) -> None:
        """Use it no more in this process. Whoever sets the variable has to take it out."""
        self._keys.pop(reference, None)

    async def close(self) -> None:
        """Hold nothing open."""

    def _key(self, reference: str) -> bytes:
        if reference not in self._keys:
            raise missing_kek(reference)
        return self._keys[reference]
