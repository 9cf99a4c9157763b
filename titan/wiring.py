"""What stands between the processes of one Titan and its servers: normally nothing."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from titan.servers import Endpoints as ServerAddresses
from titan.servers import Servers


class Wiring(Protocol):
    """Says to each process where it finds the servers."""

    @property
    def kafka_doors(self) -> Mapping[str, int]:
        """Doors that Kafka shall open beside its own: name and advertised port."""
        ...

    def addresses(self, program: str, servers: Servers) -> ServerAddresses:
        """Where the named edge or worker finds the servers."""
        ...


class Direct:
    """Everybody talks to the servers themselves."""

    kafka_doors: Mapping[str, int] = MappingProxyType({})

    def addresses(self, _program: str, servers: Servers) -> ServerAddresses:
        """The servers' own."""
        return servers.endpoints
