"""Every room ordered to die at every point, while payments flow.

All rooms are ordered to die at one point in the same round, the last in the flow first: each still
has work when its order comes, and all of them come back at the same time.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from aiokafka import AIOKafkaProducer

from runtime.clock import SystemClock
from runtime.crash_points import ORDERED, REACHED, Death, Point
from runtime.topics import group_of, topic_map
from tests.chaos.freezing import ask_to_freeze
from tests.support.waiting import eventually
from titan.chaos.client import Client
from titan.chaos.garbage import litter
from titan.chaos.ghosts import haunt
from titan.chaos.history import History
from titan.chaos.load import Load
from titan.chaos.opening import CRASHES
from titan.chaos.people import CROWD, bring_in, open_account
from titan.chaos.schedule import QUIET
from titan.chaos.strike_processes import WITHOUT_INBOX, WITHOUT_OUTCOME
from titan.chaos.target import RECOVERY_S_MAX, SESSION_MS, Target
from titan.edge import EDGE_PROCESSES
from titan.group_state import GroupReader
from titan.supervisor import Child

REACH_S_MAX = 20.0
RATE_PER_S = 40.0
DRIVE_EVERY_S = 0.5
GHOST_STAY_S = 0.2

STAGES = (
    "webhooks",
    "event_feed",
    "notifications",
    "payment_projection",
    "ledger_posting",
    "risk_screening",
    "handle_resolution",
    "account_opening",
    "account_freezing",
    "handle_directory",
)
"""The last in the flow first."""
ROOMS = (*STAGES, *(room for room in EDGE_PROCESSES if room not in QUIET))

EDGE_POINTS = (
    *(Point.PUBLISH_BEFORE, Point.PUBLISH_SENT, Point.PUBLISH_ACKED),
    *(Point.REMEMBER_BEFORE, Point.REMEMBER_AFTER),
)
STAGE_POINTS = tuple(point for point in Point if not point.startswith("remember"))
INBOX_POINTS = (Point.INBOX_BEFORE, Point.INBOX_AFTER)
LETTER_POINTS = (Point.LETTERS_BEFORE, Point.LETTERS_ACKED)
PUBLISH_POINTS = (Point.PUBLISH_BEFORE, Point.PUBLISH_SENT, Point.PUBLISH_ACKED)
REBALANCE_POINTS = (
    *(Point.REVOKE_BEFORE, Point.REVOKE_AFTER, Point.ASSIGN_BEFORE, Point.ASSIGN_AFTER),
)


def rooms_at(point: Point) -> tuple[str, ...]:
    """The rooms that pass a point, in the order in which they are told."""
    return tuple(
        room
        for room in ROOMS
        if point in (EDGE_POINTS if room in EDGE_PROCESSES else STAGE_POINTS)
        and not (room in WITHOUT_INBOX and point in INBOX_POINTS)
    )


def cells() -> list[tuple[str, Point]]:
    """The whole matrix of one way to die."""
    return [(room, point) for point in Point for room in rooms_at(point)]


@dataclass
class Matrix:
    """A Titan whose processes die on order, and those who pay through it meanwhile."""

    target: Target
    client: Client
    twins: Sequence[Child] = ()
    """Second members, one for each worker, or none."""
    reached: set[tuple[str, Point]] = field(default_factory=set)
    _driven: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def directory(self) -> Path:
        return self.target.titan.directory / CRASHES

    async def strike(self, point: Point, death: Death) -> None:
        """Let every room that passes the point die there, and all of it come back."""
        rooms = rooms_at(point)
        deaths = {room: self.child(room).deaths for room in rooms}
        pids = []
        for room in rooms:
            pids.append(await self.order(room, point, death))
            self.reached.add((room, point))
        if death is Death.STOP:
            # Longer than a session: whoever was stopped wakes as a zombie.
            await asyncio.sleep(SESSION_MS / 1000 + 1)
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        if death is Death.KILL and not self.twins:
            await eventually(lambda: all(self.child(room).deaths > deaths[room] for room in rooms))
        await self.recovered()
        if death is Death.EXCEPTION:
            self.forgive()

    def forgive(self) -> None:
        """An error that an edge was ordered to have is told to its client, and rightly so."""
        self.client.history.surprises[:] = [
            each for each in self.client.history.surprises if not each.startswith("500 ")
        ]

    async def order(self, room: str, point: Point, death: Death) -> int:
        """The process that got there; AssertionError if none did."""
        name = f"{room}@{point}"
        mark = self.directory / REACHED / name
        mark.unlink(missing_ok=True)
        fresh = self.directory / f"{name}.new"
        fresh.write_text(death)
        fresh.rename(self.directory / ORDERED / name)
        is_there = asyncio.Event()
        driving = asyncio.create_task(self.drive(room, point, is_there))
        try:
            return await eventually(partial(died, mark), REACH_S_MAX)
        except AssertionError as error:
            raise AssertionError(f"{room} never reached {point}") from error
        finally:
            # Not cancelled: client libraries now and then swallow that.
            is_there.set()
            await driving

    async def drive(self, room: str, point: Point, is_there: asyncio.Event) -> None:
        """Bring the room to the point, again and again, beyond what payments alone do."""
        while not is_there.is_set():
            if point in REBALANCE_POINTS:
                await self.haunt(room)
            if point in LETTER_POINTS or (room in WITHOUT_OUTCOME and point in PUBLISH_POINTS):
                await self.litter(room)
            match room:
                case "account_opening":
                    self.begin(self.open())
                case "account_freezing":
                    await ask_to_freeze(
                        self.target.titan.addresses.kafka_bootstrap, self.client.history.random
                    )
                case "handle_directory" | "handles":
                    self.begin(self.claim())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(is_there.wait(), DRIVE_EVERY_S)

    async def haunt(self, room: str) -> None:
        addresses = self.target.titan.addresses
        await haunt(room, bootstrap=addresses.kafka_bootstrap, times=1, stay_s=GHOST_STAY_S)

    async def litter(self, room: str) -> None:
        """A record that nobody can understand, on a topic that the room reads."""
        bootstrap = self.target.titan.addresses.kafka_bootstrap
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
        await producer.start()
        topic = topic_map().of_group(group_of(room))[0]
        partition = self.client.history.random.randrange(topic.partitions)
        try:
            strewn = await litter(producer, topic, "cut JSON", partition=partition)
            self.target.garbage.append(strewn)
        finally:
            await producer.stop()

    async def open(self) -> None:
        await open_account(self.client, f"somebody{self.client.history.random.getrandbits(64)}")

    async def claim(self) -> None:
        """Claim a handle and do not wait for the outcome: so the edge has to remember it."""
        history = self.client.history
        body = {
            "handle": f"somebody{history.random.getrandbits(64)}",
            "account_id": str(history.accounts["alice"]),
            "display_name": "Somebody",
        }
        url = f"{self.client.handles_url}/handles"
        await self.client.send("POST", url, body, headers={"Prefer": "wait=0"})

    def begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._driven.add(task)
        task.add_done_callback(self._driven.discard)

    async def recovered(self) -> None:
        """Everybody is up, and a payment that is asked for now ends."""
        for child in (*self.target.titan.children, *self.twins):
            await eventually(partial(self.target.is_up, child), RECOVERY_S_MAX)
        intent = self.client.history.intend("alice", "bob", 1)
        await self.client.pay(intent)

        async def has_ended() -> bool:
            payment = await self.client.payment(intent)
            return payment is not None and payment["state"] == "posted"

        await eventually(has_ended, RECOVERY_S_MAX)

    def child(self, room: str) -> Child:
        if room in EDGE_PROCESSES:
            [found] = [each for each in self.target.edges if each.program.name == room]
            return found
        return self.target.worker_of(room)

    async def offsets_are_committed(self) -> None:
        """Every group has noted that all is handled: who starts now begins at the end."""
        topics = topic_map()
        groups = {
            group_of(stage): {
                topic.name: topic.partitions for topic in topics.of_group(group_of(stage))
            }
            for stage in STAGES
        }

        async def no_lag() -> bool:
            reader = GroupReader(
                bootstrap=self.target.titan.addresses.kafka_bootstrap,
                prefix="",
                clock=SystemClock(),
            )
            return all(state.lag_records == 0 for state in await reader.read(groups))

        await eventually(no_lag, REACH_S_MAX)

    async def finished(self) -> None:
        """What was driven has its answer."""
        await asyncio.gather(*self._driven)


@asynccontextmanager
async def opened_matrix(target: Target, *, seed: int, members: int) -> AsyncIterator[Matrix]:
    """Payments flow while it is open."""
    client = Client(
        payments_url=target.titan.payments_url,
        handles_url=target.titan.handles_url,
        history=History(seed),
    )
    await bring_in(client, bootstrap=target.titan.addresses.kafka_bootstrap)
    load = Load(client, CROWD, rate_per_s=RATE_PER_S)
    try:
        async with contextlib.AsyncExitStack() as stack:
            twins = [
                await stack.enter_async_context(target.twin_of(worker))
                for worker in target.workers
                for _ in range(members - 1)
            ]
            matrix = Matrix(target, client, twins)
            async with load.flowing():
                yield matrix
                await matrix.finished()
    finally:
        client.http.close()


def died(mark: Path) -> int:
    """The process that reached the point, once it has said so; 0 before."""
    try:
        words = mark.read_text().split()
    except FileNotFoundError:
        return 0
    return int(words[1]) if len(words) > 1 else 0
