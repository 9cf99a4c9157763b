"""What handle resolution needs from outside."""

from collections.abc import Collection, Mapping
from typing import Protocol
from uuid import UUID

from consumers.handle_resolution.decide import Acceptance, Grant
from domain.directory import HandleEntry
from runtime.unit import Unit


class Directory(Protocol):
    """The directory of handles, as it stands in this unit."""

    async def read(self, unit: Unit, handles: Collection[str]) -> Mapping[str, HandleEntry]:
        """The entries of these handles; one never claimed is absent."""
        ...


class Acceptances(Protocol):
    """The payments there are, as far as the projection has come."""

    async def read(self, unit: Unit, payment_ids: Collection[UUID]) -> Mapping[UUID, Acceptance]:
        """How these came in the first time; those not seen yet are absent."""
        ...


class Grants(Protocol):
    """What owners of handles have allowed to programs."""

    async def read(self, unit: Unit, wanted: Collection[Grant]) -> frozenset[Grant]:
        """Those of the wanted that stand."""
        ...
