"""What handle resolution needs from outside."""

from collections.abc import Collection, Mapping
from typing import Protocol

from domain.directory import HandleEntry
from runtime.unit import Unit


class Directory(Protocol):
    """The directory of handles, as it stands in this unit."""

    async def read(self, unit: Unit, handles: Collection[str]) -> Mapping[str, HandleEntry]:
        """The entries of these handles; one never claimed is absent."""
        ...
