"""Ports on loopback: find a free one, or say who holds the wanted one."""

import itertools
import os
import socket

import psutil

from titan.servers.errors import ServerStartError

LOOPBACK = "127.0.0.1"

# Free ports are sought below the range from which the kernel takes the source ports of outgoing
# connections (32768 and up): a client that keeps retrying a stopped server could otherwise be
# given the server's own port as its source, connect to itself and keep the server from binding.
_FIRST_FREE_PORT = 20_000
_FREE_PORT_COUNT = 12_000


# The search begins at a place that depends on the process id, so that two programs which look at
# the same moment seldom find the same port, and it never hands out a port twice.
_offsets = itertools.count(os.getpid() * 37)


def free_port() -> int:
    """A port on loopback that nothing listens on now."""
    for offset in itertools.islice(_offsets, _FREE_PORT_COUNT):
        port = _FIRST_FREE_PORT + offset % _FREE_PORT_COUNT
        if is_port_free(port):
            return port
    raise ServerStartError(
        f"No free port between {_FIRST_FREE_PORT} and {_FIRST_FREE_PORT + _FREE_PORT_COUNT} on "
        f"{LOOPBACK}: stop some local servers and try again."
    )


def is_port_free(port: int) -> bool:
    """Whether a server could bind this port on loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def holder_of(port: int) -> str:
    """Which program listens on this port, as words for a message; vague where it cannot be seen."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return "another program"
    for connection in connections:
        if connection.laddr and connection.laddr.port == port and connection.pid is not None:
            try:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
            except psutil.NoSuchProcess:
                break
    return "another program"
