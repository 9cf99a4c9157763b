"""Calls URLs that strangers named: the name is resolved, every address checked, and one connected.

What is connected to is the address that was checked, under the URL's own name (Host, SNI and
certificate); who is there is looked at again before anything is sent. No redirect is followed and
no proxy of the environment asked. Each call resolves anew, also if a connection is still open.
"""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import cast

from domain.errors import Invalid
from domain.outside import Address, Target, target_of
from runtime.clock import Clock
from runtime.outgoing import limits
from runtime.outgoing.exchange import Exchange, Headers, request_bytes
from runtime.outgoing.failure import Cause, OutgoingFailure
from runtime.outgoing.resolving import Resolver, SystemResolver, checked_addresses


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer from the outside. The body is cut at REPLY_BYTES_MAX; headers are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes
    address: Address
    """Who answered."""


class Outgoing:
    """The one door to hosts that strangers named."""

    def __init__(
        self,
        *,
        clock: Clock,
        loopback: bool = False,
        resolver: Resolver | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`loopback` lets a URL that names this machine lead there: for the demo only."""
        self._clock = clock
        self._loopback = loopback
        self._own_resolver = SystemResolver(clock=clock) if resolver is None else None
        self._resolver: Resolver = resolver or cast("SystemResolver", self._own_resolver)
        self._tls = tls or ssl.create_default_context()
        self._idle: dict[tuple[str, str, int, Address], list[tuple[float, Exchange]]] = {}
        self._idle_count = 0

    async def post(self, url: str, headers: Headers, body: bytes) -> Reply:
        """Send a body and read the answer; OutgoingFailure says why there is none.

        Raises NoTurn if it was not sent for a reason that is not the host's.
        """
        try:
            async with asyncio.timeout(limits.TOTAL_S_MAX):
                return await self._post(url, headers, body)
        except TimeoutError:
            raise OutgoingFailure(Cause.TIMED_OUT) from None

    def close(self) -> None:
        """Close what is kept open, and look nothing up any more."""
        if self._own_resolver is not None:
            self._own_resolver.close()
        for kept in self._idle.values():
            for _, exchange in kept:
                exchange.close()
        self._idle.clear()
        self._idle_count = 0

    async def _post(self, url: str, headers: Headers, body: bytes) -> Reply:
        try:
            # Again at each call: what was allowed when the URL was given need not be now.
            target = target_of(url, loopback=self._loopback)
        except Invalid:
            raise OutgoingFailure(Cause.ADDRESS_REFUSED) from None
        addresses = await checked_addresses(target, self._resolver, loopback=self._loopback)
        request = request_bytes("POST", target.path, target.authority, headers, body)
        # One that was kept may have been closed at the other end: then nothing was taken from it.
        for address in addresses:
            kept = self._take(target, address)
            if kept is not None:
                try:
                    return await self._ask(kept, target, address, request)
                except OutgoingFailure as failure:
                    if failure.cause is not Cause.UNREACHABLE:
                        raise
        exchange, address = await self._connect(target, addresses)
        return await self._ask(exchange, target, address, request)

    async def _ask(
        self, exchange: Exchange, target: Target, address: Address, request: bytes
    ) -> Reply:
        answer = await exchange.ask(request)
        if exchange.is_usable:
            self._keep(target, address, exchange)
        return Reply(answer.status, answer.headers, answer.body, address)

    async def _connect(
        self, target: Target, addresses: Sequence[Address]
    ) -> tuple[Exchange, Address]:
        """A connection to the first of the addresses that takes one."""
        failure = Cause.UNREACHABLE
        for address in addresses:
            try:
                return await self._connect_to(target, address), address
            except OutgoingFailure as error:
                failure = error.cause
        raise OutgoingFailure(failure)

    async def _connect_to(self, target: Target, address: Address) -> Exchange:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(limits.CONNECT_S_MAX):
                transport, exchange = await loop.create_connection(
                    Exchange, str(address), target.port
                )
        except TimeoutError:
            raise OutgoingFailure(Cause.TIMED_OUT) from None
        except OSError:
            raise OutgoingFailure(Cause.UNREACHABLE) from None
        peer = transport.get_extra_info("peername")
        if peer is None or ip_address(peer[0]) != address:
            exchange.close()
            raise OutgoingFailure(Cause.ADDRESS_REFUSED)
        if target.scheme == "https":
            await self._secure(exchange, target.host)
        return exchange

    async def _secure(self, exchange: Exchange, host: str) -> None:
        assert exchange.transport is not None
        try:
            secured = await asyncio.get_running_loop().start_tls(
                exchange.transport, exchange, self._tls, server_hostname=host
            )
        except ssl.SSLError:
            exchange.close()
            raise OutgoingFailure(Cause.TLS_FAILED) from None
        except OSError:
            exchange.close()
            raise OutgoingFailure(Cause.UNREACHABLE) from None
        exchange.transport = cast("asyncio.Transport", secured)

    def _take(self, target: Target, address: Address) -> Exchange | None:
        """A connection that was kept for this place and this very address."""
        now_s = self._clock.monotonic_s()
        kept = self._idle.get((target.scheme, target.host, target.port, address))
        while kept:
            since_s, exchange = kept.pop()
            self._idle_count -= 1
            if exchange.is_usable and now_s - since_s < limits.IDLE_S_MAX:
                return exchange
            exchange.close()
        return None

    def _keep(self, target: Target, address: Address, exchange: Exchange) -> None:
        if self._idle_count >= limits.IDLE_CONNECTIONS_MAX:
            self._prune()
        if self._idle_count >= limits.IDLE_CONNECTIONS_MAX:
            exchange.close()
            return
        place = (target.scheme, target.host, target.port, address)
        self._idle.setdefault(place, []).append((self._clock.monotonic_s(), exchange))
        self._idle_count += 1

    def _prune(self) -> None:
        """Close what nobody has used for a while."""
        now_s = self._clock.monotonic_s()
        for place, kept in list(self._idle.items()):
            stale = [each for each in kept if now_s - each[0] >= limits.IDLE_S_MAX]
            for each in stale:
                each[1].close()
                kept.remove(each)
            self._idle_count -= len(stale)
            if not kept:
                del self._idle[place]
