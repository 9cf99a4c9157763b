"""What the parts inside of the servers cost: PostgreSQL's processes, Kafka's threads."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import psutil

from runtime.database import Database

_KAFKA_THREADS: Final = {
    "data-plane": "network and requests",
    "C1 Compiler": "compiler",
    "C2 Compiler": "compiler",
    "group-coord": "group coordinator",
    "VM Thread": "garbage collector",
    "executor-Fetch": "waiting fetches",
    "ExpirationReape": "waiting fetches",
}
"""By how a thread's name begins; the kernel keeps 15 characters of it."""


async def postgres_cpu_s(database: Database, pid: int) -> dict[str, float]:
    """CPU seconds of each kind of process: clients by their name, the server's own by theirs."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT pid, application_name FROM pg_stat_activity WHERE application_name <> ''"
        )
    clients = {row["pid"]: row["application_name"] for row in rows}
    spent: defaultdict[str, float] = defaultdict(float)
    for process in psutil.Process(pid).children():
        try:
            times = process.cpu_times()
            name = clients.get(process.pid) or _own_name(process.cmdline())
        except psutil.NoSuchProcess:
            continue
        spent[name] += times.user + times.system
    return dict(spent)


def kafka_cpu_s(pid: int) -> dict[str, float]:
    """CPU seconds of each kind of thread; empty where the kernel does not tell their names."""
    spent: defaultdict[str, float] = defaultdict(float)
    for thread in psutil.Process(pid).threads():
        name = Path(f"/proc/{pid}/task/{thread.id}/comm")
        if not name.exists():
            continue
        spent[_kind(name.read_text(encoding="utf-8"))] += thread.user_time + thread.system_time
    return dict(spent)


def each_us(
    before: Mapping[str, float], after: Mapping[str, float], count: int
) -> dict[str, float]:
    """Microseconds of one payment between two readings, most first."""
    spent = {name: (after[name] - before.get(name, 0.0)) / count * 1e6 for name in after}
    return dict(sorted(spent.items(), key=lambda item: -item[1]))


def _own_name(command: list[str]) -> str:
    """`postgres: checkpointer` is the checkpointer."""
    words = " ".join(command).partition("postgres: ")[2].split()
    return " ".join(words[:2]).rstrip(":") or "server"


def _kind(thread: str) -> str:
    for begin, kind in _KAFKA_THREADS.items():
        if thread.startswith(begin):
            return kind
    return "everything else"
