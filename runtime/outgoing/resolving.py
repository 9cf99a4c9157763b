"""Names to addresses, each call anew: an answer that was checked once may be another the next time.

All addresses of a name are checked, and one that may not be called refuses the name: who answers
with a public and a private address hopes that the private one is taken.
"""

import asyncio
import math
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Protocol

from domain.outside import Address, Target, is_loopback, is_outside, is_this_machine
from runtime.clock import Clock
from runtime.outgoing import limits
from runtime.outgoing.failure import Cause, NoTurn, OutgoingFailure


class Resolver(Protocol):
    """Asks the name service."""

    async def resolve(self, host: str) -> Sequence[str]:
        """Every address of a host, as text; OSError if it has none, or none in time."""
        ...


class SystemResolver:
    """The machine's own resolver, in threads of its own.

    A thread that asks a silent name server is held up for ten seconds and more, and cannot be
    called back; whoever owns names can make many of them silent. So there are more threads than
    one client has hosts, a name holds one at most, and one that was silent rests. Those who ask
    for one name at one time share one question.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._threads = ThreadPoolExecutor(limits.LOOKUPS_MAX, "lookup")
        self._turns = asyncio.Semaphore(limits.LOOKUPS_MAX)
        self._asking: dict[str, asyncio.Task[list[str]]] = {}
        self._silent_until_s: dict[str, float] = {}

    async def resolve(self, host: str) -> Sequence[str]:
        """Every address of a host; NoTurn if no thread was free to ask for it."""
        if self._clock.monotonic_s() < self._silent_until_s.get(host, -math.inf):
            raise TimeoutError("its name servers said nothing a moment ago")
        asking = self._asking.get(host)
        if asking is None:
            asking = asyncio.create_task(self._ask(host))
            self._asking[host] = asking
            asking.add_done_callback(lambda _: self._asking.pop(host, None))
        # Shielded: whoever gives up must not take the answer from the others.
        return await asyncio.shield(asking)

    def close(self) -> None:
        """Look nothing up any more; threads that are held up end by themselves."""
        self._threads.shutdown(wait=False)

    async def _ask(self, host: str) -> list[str]:
        try:
            async with asyncio.timeout(limits.TURN_S_MAX):
                await self._turns.acquire()
        except TimeoutError:
            raise NoTurn("all lookups of names are held up") from None
        lookup = asyncio.get_running_loop().run_in_executor(self._threads, _addresses_of, host)
        lookup.add_done_callback(lambda ended: self._on_end(host, ended))
        await asyncio.wait([lookup], timeout=limits.RESOLVE_S_MAX)
        if not lookup.done():
            self._silent_until_s[host] = math.inf
            raise TimeoutError("its name servers say nothing")
        return lookup.result()

    def _on_end(self, host: str, lookup: asyncio.Future[list[str]]) -> None:
        """A turn is the thread's: it ends with it, and not with the wait for it."""
        self._turns.release()
        has_answer = not lookup.cancelled() and lookup.exception() is None
        if self._silent_until_s.pop(host, None) is None or has_answer:
            return
        now_s = self._clock.monotonic_s()
        silent = {
            name: until_s for name, until_s in self._silent_until_s.items() if until_s > now_s
        }
        self._silent_until_s = {**silent, host: now_s + limits.SILENT_REST_S}


def _addresses_of(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


async def checked_addresses(
    target: Target, resolver: Resolver, *, loopback: bool
) -> Sequence[Address]:
    """The addresses that may be called for a target, IPv4 first.

    Raises OutgoingFailure: `address_refused` if any of them may not, `unreachable` if there is
    none. NoTurn if nobody could look. `loopback` lets a target that names this machine by its
    spelling lead there; a name of the outside never does.
    """
    is_own = loopback and is_this_machine(target.host)
    literal = target.literal
    if literal is not None:
        texts: Sequence[str] = [str(literal)]
    else:
        try:
            texts = await resolver.resolve(target.host)
        except (OSError, UnicodeError):
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
