"""Names to addresses, each call anew: an answer that was checked once may be another the next time.

All addresses of a name are checked, and one that may not be called refuses the name: who answers
with a public and a private address hopes that the private one is taken.
"""

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Protocol

from domain.outside import Address, Target, is_loopback, is_outside, is_this_machine
from runtime.outgoing import limits
from runtime.outgoing.failure import Cause, OutgoingFailure


class Resolver(Protocol):
    """Asks the name service."""

    async def resolve(self, host: str) -> Sequence[str]:
        """Every address of a host, as text; OSError if it has none."""
        ...


class SystemResolver:
    """The machine's own resolver. Those who ask for one name at one time share one question."""

    def __init__(self) -> None:
        self._asking: dict[str, asyncio.Task[list[str]]] = {}

    async def resolve(self, host: str) -> Sequence[str]:
        """Every address of a host."""
        asking = self._asking.get(host)
        if asking is None:
            asking = asyncio.create_task(self._ask(host))
            self._asking[host] = asking
            asking.add_done_callback(lambda _: self._asking.pop(host, None))
        # Shielded: whoever gives up must not take the answer from the others.
        return await asyncio.shield(asking)

    async def _ask(self, host: str) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return [str(entry[4][0]) for entry in found]


async def checked_addresses(
    target: Target, resolver: Resolver, *, loopback: bool
) -> Sequence[Address]:
    """The addresses that may be called for a target, IPv4 first.

    Raises OutgoingFailure: `address_refused` if any of them may not, `unreachable` if there is
    none. `loopback` lets a target that names this machine by its spelling lead there; a name
    of the outside never does.
    """
    is_own = loopback and is_this_machine(target.host)
    literal = target.literal
    if literal is not None:
        texts: Sequence[str] = [str(literal)]
    else:
        try:
            async with asyncio.timeout(limits.RESOLVE_S_MAX):
                texts = await resolver.resolve(target.host)
        except (OSError, TimeoutError, UnicodeError):
            raise OutgoingFailure(Cause.UNREACHABLE) from None
    if not texts:
        raise OutgoingFailure(Cause.UNREACHABLE)
    try:
        addresses = {ip_address(text) for text in texts}
    except ValueError:
        raise OutgoingFailure(Cause.ADDRESS_REFUSED) from None
    is_allowed = is_loopback if is_own else is_outside
    if not all(is_allowed(address) for address in addresses):
        raise OutgoingFailure(Cause.ADDRESS_REFUSED)
    return sorted(addresses, key=lambda address: (address.version, int(address)))
