"""All links of one Titan: each process has its own to each server, and clients to each edge."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from titan.chaos.proxy import Link
from titan.chaos.spies import (
    OFFSET_COMMIT,
    PRODUCE,
    AnySpy,
    KafkaSpy,
    MakeSpy,
    PaymentSpy,
    PostgresSpy,
)
from titan.servers import Endpoints as ServerAddresses
from titan.servers import Servers
from titan.servers.ports import LOOPBACK

KAFKA: Final = "Kafka"
POSTGRES: Final = "PostgreSQL"
VALKEY: Final = "Valkey"
SERVERS: Final = (KAFKA, POSTGRES, VALKEY)
CLIENTS: Final = "clients"
"""Those who pay, as a target of faults."""

SPIES: Final[Mapping[str, Mapping[str, MakeSpy]]] = MappingProxyType(
    {
        KAFKA: {"produce": lambda: KafkaSpy(PRODUCE), "offsets": lambda: KafkaSpy(OFFSET_COMMIT)},
        POSTGRES: {"commit": PostgresSpy},
        VALKEY: {"reply": AnySpy},
        CLIENTS: {"answer": PaymentSpy},
    }
)


class Switchboard:
    """Puts a link between each program and each server, and before each edge."""

    def __init__(self, programs: Sequence[str], edges: Sequence[str]) -> None:
        self._links = {
            (program, server): Link(f"{program} to {server}", SPIES[server])
            for program in programs
            for server in SERVERS
        }
        self._doors = {edge: Link(f"clients to {edge}", SPIES[CLIENTS]) for edge in edges}

    @property
    def kafka_doors(self) -> Mapping[str, int]:
        """Each program has a door of its own: Kafka tells its clients where to come back."""
        return {
            program: link.port for (program, server), link in self._links.items() if server == KAFKA
        }

    def addresses(self, program: str, servers: Servers) -> ServerAddresses:
        """The program's links, now that it is known where they lead to."""
        assert servers.kafka is not None
        assert servers.postgres is not None
        assert servers.valkey is not None
        kafka, postgres, valkey = (self._links[program, server] for server in SERVERS)
        kafka.target_port = servers.kafka.door_ports[program]
        postgres.target_port = servers.postgres.port
        valkey.target_port = servers.valkey.port
        return ServerAddresses(
            kafka_bootstrap=f"{LOOPBACK}:{kafka.port}",
            postgres_dsn=at_port(servers.postgres.url, postgres.port),
            redis_url=at_port(servers.valkey.url, valkey.port),
        )

    def door(self, edge: str, url: str) -> str:
        """The URL at which clients find an edge that answers at another."""
        link = self._doors[edge]
        port = urlsplit(url).port
        assert port is not None
        link.target_port = port
        return at_port(url, link.port)

    def links(self, target: str, server: str = CLIENTS) -> list[Link]:
        """The links of a program to a server; of all programs if the target is `*`."""
        if server == CLIENTS:
            return list(self._doors.values())
        return [
            link
            for (program, name), link in self._links.items()
            if name == server and target in {program, "*"}
        ]

    def __iter__(self) -> Iterator[Link]:
        yield from self._links.values()
        yield from self._doors.values()


def at_port(url: str, port: int) -> str:
    """The URL with another port."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}{at}{host.partition(':')[0]}:{port}"))
