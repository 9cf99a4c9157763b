"""A proof from beginning to end: what is read in which order, and what is compared.

Why in this order, and what may be demanded of what: proof/scope.py.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from proof import queries
from proof.chains import ChainJoin
from proof.database import reading_connection
from proof.directory import join_facts
from proof.findings import Check, Findings
from proof.letters import LetterBox
from proof.log import LogReader
from proof.lookup import Lookup
from proof.money import MoneyJoin, follow_balances
from proof.notices import Notices
from proof.payments import PaymentJoin
from proof.reach import begin_of, resume_of
from proof.relations import Relations
from proof.route import CHANGES, Route
from proof.scope import US, Scope, Since, Vector
from proof.spill import PARTS, Spill
from proof.story import Story, story_of
from proof.sums import add_up
from proof.tables import TableReader, copy_rows
from proof.take import Taker
from proof.telling import Telling
from proof.vectors import Broker, Offsets
from runtime.clock import Clock
from runtime.database import Connection
from runtime.topics import TopicMap

Progress = Callable[[str, int, int | None], None]
"""Told what is being done, how much is done, and of how much if that is known."""


@dataclass(frozen=True)
class Place:
    """Where the Titan is that is proven."""

    topics: TopicMap
    prefix: str
    kafka_bootstrap: str
    postgres_dsn: str


@dataclass
class Proof:
    """What a proof came to."""

    findings: Findings
    scope: Scope
    read_to: Offsets
    resume: dict[str, list[int]]
    open_payments: list[bytes]
    letters: dict[str, int]
    credited_minor: dict[str, str] = field(default_factory=dict)
    """By currency, all credits of the ledger."""
    events: int = 0
    phases_s: dict[str, float] = field(default_factory=dict)
    spilled_bytes: int = 0
    story: Story | None = None
    """Of the first fault, if there is one."""


async def prove(
    place: Place, *, clock: Clock, age_s: float, since: Since | None, progress: Progress
) -> Proof:
    """Prove the books. Unavailable if a server does not answer, Invalid if `since` is of another.

    Reads only: no group is joined, no offset committed, no row written, no lock taken that anybody
    but the dropping of old inbox partitions would wait for.
    """
    prover = _Prover(place, clock=clock, progress=progress)
    try:
        return await prover.run(age_s=age_s, since=since)
    finally:
        await prover.close()


class _Prover:
    def __init__(self, place: Place, *, clock: Clock, progress: Progress) -> None:
        self._place = place
        self._clock = clock
        self._progress = progress
        self._route = Route.of(place.topics)
        self._spill = Spill()
        self._relations = Relations.on(self._spill)
        self._findings = Findings()
        self._phases_s: dict[str, float] = {}
        broker = {"bootstrap": place.kafka_bootstrap, "prefix": place.prefix}
        self._broker = Broker(self._route, clock=clock, **broker)
        self._log = LogReader(clock=clock, **broker)
        self._box = LetterBox(self._route, self._findings)
        self._credited: dict[str, str] = {}

    async def close(self) -> None:
        self._spill.close()
        await self._log.stop()
        await self._broker.stop()

    async def run(self, *, age_s: float, since: Since | None) -> Proof:
        await self._broker.start()
        await self._log.start()
        async with reading_connection(self._place.postgres_dsn) as connection:
            async with self._phase("offsets"):
                vectors = await self._broker.vectors()
                scope = Scope(vectors, age_us=int(age_s * US), since=since)
                begin = await begin_of(self._broker, vectors, since, self._findings)
            parts = self._route, scope, self._relations, self._findings
            telling, notices = Telling(*parts), Notices(*parts)
            async with self._phase("tables"):
                await self._read_tables(connection, scope, telling, notices)
            async with self._phase("dead letters"):
                await self._read_letters()
            async with self._phase("log"):
                taker = Taker(*parts, self._box.positions, telling)
                read_to = await self._read_log(scope, taker, begin)
            payments = PaymentJoin(
                scope, self._relations, self._findings, telling=telling, notices=notices
            )
            async with self._phase("joins"):
                await self._join(connection, scope, taker, payments)
                await self._each("joining deliveries", telling.join)
                await telling.look_up(connection)
                await self._each("joining notifications", notices.join)
                notices.tell_nameless()
            async with self._phase("story"):
                story = await self._story(connection, payments)
        return Proof(
            self._findings,
            scope,
            read_to,
            resume_of(scope, payments),
            payments.open,
            dict(self._box.by_code),
            self._credited,
            sum(taker.events.values()),
            self._phases_s,
            self._spill.bytes_written,
            story,
        )

    async def _read_tables(
        self, connection: Connection, scope: Scope, telling: Telling, notices: Notices
    ) -> None:
        """All tables as of one moment."""
        await connection.execute(queries.BEGIN)
        now_s: float = await connection.fetchval(queries.NOW)
        scope.snapshot_us = int(now_s * US)
        scope.horizons_us = await self._horizons(scope)
        self._credited = await add_up(connection, self._findings)
        await telling.read(connection)
        await notices.read(connection)
        done = 0

        def count(rows: int) -> None:
            nonlocal done
            done += rows
            self._progress("reading the tables", done, None)

        for copied in TableReader(self._route, scope, self._relations, notices).all():
            await copy_rows(connection, copied, count)
        await connection.execute("COMMIT")

    async def _horizons(self, scope: Scope) -> dict[str, int]:
        lossy = [topic for topic, firsts in scope.vectors.first.items() if any(firsts)]
        retention_ms = await self._broker.retention_ms(lossy)
        return {
            topic: scope.snapshot_us - retention_ms[topic] * 1_000
            for topic in lossy
            if retention_ms[topic] >= 0
        }

    async def _read_letters(self) -> None:
        topics = self._box.topics
        begin, end = await self._broker.begins_of(topics), await self._broker.ends_of(topics)
        await self._log.read(
            begin,
            end,
            on_records=self._box.take,
            on_unreadable=lambda name, partition, offset: self._findings.fault(
                Check.LETTERS, f"{name}/{partition}/{offset} cannot be read"
            ),
        )

    async def _read_log(self, scope: Scope, taker: Taker, begin: Vector) -> Offsets:
        numbers = self._route.topic_numbers
        end = await self._broker.ends()
        scope.read_at_us = int(self._clock.now().timestamp() * US)
        total = sum(map(sum, end.values())) - sum(map(sum, begin.values()))
        done = 0

        def on_records(topic: str, partition: int, records: Any) -> None:  # noqa: ANN401
            nonlocal done
            taker.take(numbers[topic], partition, records)
            done += len(records)
            self._progress("reading the log", done, total)

        await self._log.read(
            begin,
            end,
            on_records=on_records,
            on_unreadable=lambda topic, partition, offset: taker.take_unreadable(
                numbers[topic], partition, offset
            ),
        )
        return end

    async def _join(
        self, connection: Connection, scope: Scope, taker: Taker, payments: PaymentJoin
    ) -> None:
        lookup = Lookup(connection, self._route, scope, self._findings)
        chains = ChainJoin(self._route, scope, self._relations, self._findings)
        await self._each("joining causes", chains.join)
        await lookup.unpublished(chains, taker)
        await lookup.unhandled(chains)
        await lookup.undecided(chains)
        await self._each("joining payments", payments.join)
        await lookup.unprojected(payments)
        money = MoneyJoin(scope, self._relations, self._findings)
        await self._each("joining money", money.join)
        await lookup.unposted(money)
        relations, findings = self._relations, self._findings
        await self._each(
            "following balances", lambda part: follow_balances(relations, part, findings)
        )
        is_whole = not any(topic in scope.horizons_us for topic in CHANGES)
        await self._each(
            "joining accounts and handles",
            lambda part: join_facts(relations, part, findings, is_log_whole=is_whole),
        )
        self._box.tell_lost(relations, payments)

    async def _each(self, step: str, join: Callable[[int], None]) -> None:
        for part in range(PARTS):
            join(part)
            self._progress(step, part + 1, PARTS)
            # The loop has a turn, or what the broker answers meanwhile would count as unanswered.
            await asyncio.sleep(0)

    async def _story(self, connection: Connection, payments: PaymentJoin) -> Story | None:
        fault = self._findings.first
        if fault is None:
            return None
        return await story_of(
            fault,
            route=self._route,
            relations=self._relations,
            payments=payments,
            log=self._log,
            connection=connection,
        )

    @asynccontextmanager
    async def _phase(self, name: str) -> AsyncIterator[None]:
        began_s = self._clock.monotonic_s()
        yield
        self._phases_s[name] = round(self._clock.monotonic_s() - began_s, 3)
