"""Real servers run by Titan itself: PostgreSQL, Valkey and Apache Kafka, embedded.

They need nothing installed but Titan's own packages, keep their data in one directory, listen on
loopback only and end with the process that started them.
"""

from titan.servers.embedded import EmbeddedServer
from titan.servers.errors import ServerStartError
from titan.servers.fleet import Endpoints, ServerPlan, Servers
from titan.servers.kafka import Kafka
from titan.servers.postgres import Postgres
from titan.servers.valkey import Valkey

__all__ = [
    "EmbeddedServer",
    "Endpoints",
    "Kafka",
    "Postgres",
    "ServerPlan",
    "ServerStartError",
    "Servers",
    "Valkey",
]
