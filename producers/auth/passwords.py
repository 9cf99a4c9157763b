"""Passwords: what may be one, and hashing that can neither stop the loop nor take the machine.

bcrypt reads 72 bytes and no more, so a longer password is refused where it is chosen. Where one is
only compared, a password that nobody can have costs as much as any other, and is wrong.
"""

import asyncio
import os
import sys
import threading
import unicodedata
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, TypeVar

import bcrypt

from domain.errors import Invalid
from producers.auth import limits
from producers.auth.allowance import HashAllowance
from runtime.clock import Clock
from runtime.http.problem import ProblemError

THREAD_NAME: Final = "password-hash"

_BUSY_RETRY_AFTER_S: Final = 1

Result = TypeVar("Result")


def normalise_password(text: str) -> bytes:
    """The bytes that are hashed; Invalid if they cannot be a password that is chosen now.

    Characters are composed (NFC), so that two keyboards spell the same. Spaces count, as typed.
    """
    password = _bytes_of(text)
    if password is None:
        raise Invalid(
            "password_too_long",
            f"a password has at most {limits.PASSWORD_BYTES_MAX} bytes in UTF-8",
        )
    if len(unicodedata.normalize("NFC", text)) < limits.PASSWORD_CHARACTERS_MIN:
        raise Invalid(
            "password_too_short",
            f"a password has at least {limits.PASSWORD_CHARACTERS_MIN} characters",
        )
    if b"\0" in password:
        raise Invalid("password_with_nul", "a password holds no NUL")
    return password


def _bytes_of(text: str) -> bytes | None:
    """None if it is longer than bcrypt reads: nobody can have such a password."""
    password = unicodedata.normalize("NFC", text).encode()
    return password if len(password) <= limits.PASSWORD_BYTES_MAX else None


class PasswordHasher:
    """Hashes in a few threads for each of two kinds of callers, who do not wait for each other.

    Strangers share threads that yield to everything else on the machine, and may take `share` of a
    processor each. Who calls from where they signed in before has threads without such bounds: no
    flood gets there, as only a right password opens that way, and its meters bound how often.
    """

    def __init__(self, *, cost: int, threads: int, share: float, clock: Clock) -> None:
        # For those who have no password: as dear to compare as a real one.
        dummy = bcrypt.hashpw(os.urandom(16), bcrypt.gensalt(cost))
        self._strangers = _Lane(
            cost,
            threads,
            dummy,
            clock=clock,
            niceness=limits.STRANGER_NICENESS,
            allowance=HashAllowance(share * threads, clock=clock),
        )
        self._known = _Lane(cost, threads, dummy, clock=clock)

    def turn(self, address: str, *, is_known: bool = False) -> AbstractAsyncContextManager["Turn"]:
        """A hashing thread of one's own. ProblemError 429, or 503 `busy`, when too many ask."""
        return (self._known if is_known else self._strangers).turn(address)

    def close(self) -> None:
        """Take no more."""
        self._strangers.close()
        self._known.close()


class _Lane:
    """A few threads, by turns of the addresses that ask.

    Who would wait too long, or has too many in the queue, is told so at once: a flood of passwords
    costs its own senders their turns.
    """

    def __init__(
        self,
        cost: int,
        threads: int,
        dummy: bytes,
        *,
        clock: Clock,
        niceness: int = 0,
        allowance: HashAllowance | None = None,
    ) -> None:
        self._cost = cost
        self._clock = clock
        self._allowance = allowance
        self._threads = threads
        self._dummy = dummy
        self._pool = ThreadPoolExecutor(
            threads, THREAD_NAME, initializer=_yield_to_others, initargs=(niceness,)
        )
        self._running = 0
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._asking: Counter[str] = Counter()

    @asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator["Turn"]:
        """See `PasswordHasher.turn`."""
        if self._asking[address] > limits.HASHES_PER_ADDRESS_MAX:
            raise _come_again(429, "too_many_attempts")
        self._asking[address] += 1
        try:
            await self._turn(address)
        except BaseException:
            self._leave(address)
            raise
        turn = Turn(self._pool, self._dummy, self._cost)
        began_s = self._clock.monotonic_s()
        try:
            yield turn
        finally:
            # A caller that gave up does not free a thread that is at work.
            turn.when_idle(lambda: self._done(address, began_s))

    def close(self) -> None:
        """Take no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _turn(self, address: str) -> None:
        if self._running < self._threads:
            self._running += 1
            return
        waiting = sum(map(len, self._waiting.values()))
        if waiting >= limits.HASHES_WAITING_MAX * self._threads:
            raise _come_again(503, "busy")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(address, deque()).append(turn)
        try:
            async with asyncio.timeout(limits.HASH_WAIT_S_MAX):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                # Given and given up in one moment: the next one has it.
                self._next()
            else:
                self._forget(address, turn)
            if isinstance(error, TimeoutError):
                raise _come_again(503, "busy") from None
            raise

    def _done(self, address: str, began_s: float) -> None:
        self._leave(address)
        took_s = self._clock.monotonic_s() - began_s
        rest_s = 0.0 if self._allowance is None else self._allowance.spend(took_s)
        if rest_s > 0:
            asyncio.get_running_loop().call_later(rest_s, self._next)
        else:
            self._next()

    def _leave(self, address: str) -> None:
        self._asking[address] -= 1
        if not self._asking[address]:
            del self._asking[address]

    def _next(self) -> None:
        """Give the turn on: to the address that has waited longest since its last one."""
        while self._waiting:
            address, turns = self._waiting.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._waiting[address] = turns
            if not turn.done():
                turn.set_result(None)
                return
        self._running -= 1

    def _forget(self, address: str, turn: asyncio.Future[None]) -> None:
        turns = self._waiting.get(address)
        if turns is not None and turn in turns:
            turns.remove(turn)
            if not turns:
                del self._waiting[address]


class Turn:
    """The use of one hashing thread, for one password at a time."""

    def __init__(self, pool: ThreadPoolExecutor, dummy: bytes, cost: int) -> None:
        self._pool = pool
        self._dummy = dummy
        self._cost = cost
        self._work: asyncio.Future[Any] | None = None

    async def hash(self, password: bytes) -> str:
        """The hash of a normalised password."""
        salt = bcrypt.gensalt(self._cost)
        return (await self._run(lambda: bcrypt.hashpw(password, salt))).decode("ascii")

    async def check(self, text: str, hashed: str | None) -> bool:
        """Whether this is the password; it takes as long if there is none to compare with."""
        password = _bytes_of(text)
        known = self._dummy if hashed is None else hashed.encode("ascii")
        candidate = b"" if password is None else password
        same = await self._run(lambda: bcrypt.checkpw(candidate, known))
        return same and hashed is not None and password is not None

    def when_idle(self, done: Callable[[], None]) -> None:
        """Call back once the thread has nothing to do any more, perhaps now."""
        if self._work is None or self._work.done():
            done()
        else:
            self._work.add_done_callback(lambda _: done())

    async def _run(self, work: Callable[[], Result]) -> Result:
        running = asyncio.get_running_loop().run_in_executor(self._pool, work)
        self._work = running
        return await asyncio.shield(running)


def _come_again(status: int, code: str) -> ProblemError:
    return ProblemError(
        status,
        code,
        "too many passwords are being looked at; nothing was counted, try again",
        headers={"Retry-After": str(_BUSY_RETRY_AFTER_S)},
    )


def _yield_to_others(niceness: int) -> None:
    """Payments come first; on Linux a thread has a niceness of its own."""
    if sys.platform == "linux" and niceness:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
