"""What `titan doctor` looks at. Each check answers in lines, and none hides another's answer."""

import asyncio
import platform
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from typing import Any, Final

import httpx

from domain.errors import TitanError
from runtime.clock import Clock
from runtime.database import Database
from runtime.dead_letter_log import REDRIVE_GROUP, dead_letter_topics
from runtime.selfcheck import Finding, database_findings, setting_findings, topic_findings
from runtime.settings import Settings
from runtime.topics import topic_map
from titan.edge_client import edge_urls
from titan.endpoints import Endpoints
from titan.group_state import GroupReader, GroupState
from titan.servers import kafka, postgres, valkey

LAG_SECONDS_MAX: Final = 60.0
"""Records that wait longer than this are a fault: every payment ends within a minute."""

_ASK_S_MAX: Final = 5.0
_LIBRARIES: Final = ("faststream", "aiokafka", "asyncpg", "fastapi", "pydantic", "uvicorn", "redis")


class Status(StrEnum):
    """How a thing that was looked at is."""

    OK = "ok"
    WARNING = "warning"
    """Works, but somebody ought to know."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at."""

    check: str
    status: Status
    detail: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look."""

    settings: Settings
    endpoints: Endpoints | None
    clock: Clock


Check = Callable[[Place], Awaitable[list[Line]]]


async def examine(place: Place) -> list[Line]:
    """Every check, all at once; what a check could not find out is its answer."""
    answers = await asyncio.gather(*(_answer_of(name, check, place) for name, check in CHECKS))
    return [line for answer in answers for line in answer]


async def _answer_of(name: str, check: Check, place: Place) -> list[Line]:
    try:
        return await check(place)
    except TitanError as error:
        return [Line(name, Status.FAILED, str(error))]


async def _titan(place: Place) -> list[Line]:
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    lines = [Line("libraries", Status.OK, f"Python {platform.python_version()}, {libraries}")]
    if place.endpoints is None:
        detail = f"none runs on {place.settings.data_directory}; looking where TITAN_* points"
    else:
        detail = f"pid {place.endpoints.pid} runs on {place.settings.data_directory}"
    return [Line("titan up", Status.OK, detail), *lines]


async def _settings(place: Place) -> list[Line]:
    found = _lines_of("settings", setting_findings(place.settings, joins_group=False))
    return found or [Line("settings", Status.OK, "as pinned")]


async def _postgres(place: Place) -> list[Line]:
    assert place.settings.postgres_dsn is not None
    dsn = place.settings.postgres_dsn.get_secret_value()
    answered = await postgres.answered_version(dsn)
    if answered is None:
        return [Line("PostgreSQL", Status.FAILED, "does not answer")]
    database = await Database.connect(dsn, name="doctor", size=1)
    try:
        findings = await database_findings(database, settings=place.settings)
    finally:
        await database.close()
    return [
        Line("PostgreSQL", Status.OK, f"version {answered}"),
        *_lines_of("PostgreSQL", findings),
    ]


async def _redis(place: Place) -> list[Line]:
    assert place.settings.redis_url is not None
    answered = await valkey.answered_version(place.settings.redis_url.get_secret_value())
    if answered is None:
        return [Line("Redis", Status.WARNING, "does not answer: slower, never wrong")]
    return [Line("Redis", Status.OK, f"version {answered}")]


async def _kafka(place: Place) -> list[Line]:
    bootstrap = _bootstrap(place)
    if not await kafka.answers(bootstrap):
        return [Line("Kafka", Status.FAILED, f"does not answer at {bootstrap}")]
    return [Line("Kafka", Status.OK, f"answers at {bootstrap}")]


async def _topics(place: Place) -> list[Line]:
    findings = await topic_findings(_bootstrap(place), topic_map(), settings=place.settings)
    lines = _lines_of("topics", findings)
    if not any(finding.is_fatal for finding in findings):
        lines.insert(0, Line("topics", Status.OK, f"all {len(topic_map().topics)} are there"))
    return lines


async def _groups(place: Place) -> list[Line]:
    topics = topic_map()
    groups: dict[str, dict[str, int]] = {}
    for topic in topics.topics:
        for consumer in topic.consumers:
            groups.setdefault(consumer.group, {})[topic.name] = topic.partitions
    reader = GroupReader(
        bootstrap=_bootstrap(place), prefix=place.settings.topic_prefix, clock=place.clock
    )
    states = await reader.read({**groups, REDRIVE_GROUP: dead_letter_topics(topics)})
    *stages, letters = states
    return [*(group_line(state) for state in stages), letters_line(letters)]


def group_line(state: GroupState) -> Line:
    """A stage's group as a line."""
    if state.members == 0:
        status, members = Status.FAILED, "no member: the stage does not run"
    else:
        status, members = Status.OK, f"{state.members} member{'s'[: state.members > 1]}"
    if state.oldest_s > LAG_SECONDS_MAX:
        status = Status.FAILED
    lag = "no lag"
    if state.lag_records:
        lag = f"{state.lag_records} records wait, the oldest for {state.oldest_s:.1f} s"
    return Line(f"stage {state.group}", status, f"{members}; {lag}")


def letters_line(state: GroupState) -> Line:
    """The dead letters that nobody has redriven."""
    if state.lag_records == 0:
        return Line("dead letters", Status.OK, "none")
    detail = f"{state.lag_records} not redriven: see `titan dlq list`"
    return Line("dead letters", Status.WARNING, detail)


async def _edges(place: Place) -> list[Line]:
    handles_url, payments_url = edge_urls(place.settings)
    urls = {"handles": handles_url, "payments": payments_url}
    if place.endpoints is not None:
        for name in ("auth", "webhooks", "notifications"):
            port = getattr(place.endpoints, f"{name}_port")
            urls[name] = f"http://{place.settings.bind_host}:{port}"
    return await _ask_all({f"edge {name}": f"{url}/health" for name, url in urls.items()})


async def _workers(place: Place) -> list[Line]:
    if place.endpoints is None:
        return []
    host = place.settings.bind_host
    return await _ask_all(
        {
            f"process {worker.name}": f"http://{host}:{worker.metrics_port}/health"
            for worker in place.endpoints.workers
        }
    )


async def _ask_all(urls: dict[str, str]) -> list[Line]:
    async with httpx.AsyncClient(timeout=_ASK_S_MAX, trust_env=False) as client:
        return await asyncio.gather(*(_ask(client, name, url) for name, url in urls.items()))


async def _ask(client: httpx.AsyncClient, name: str, url: str) -> Line:
    try:
        health: dict[str, Any] = (await client.get(url)).json()
    except (httpx.HTTPError, ValueError) as error:
        return Line(name, Status.FAILED, f"{url} does not answer ({type(error).__name__})")
    parts: dict[str, dict[str, Any]] = health.get("dependencies") or health.get("stages") or {}
    told = ", ".join(f"{part} {state['status']}" for part, state in parts.items())
    status = {"up": Status.OK, "degraded": Status.WARNING}.get(health["status"], Status.FAILED)
    return Line(name, status, f"{health['status']}: {told}")


def _lines_of(check: str, findings: Sequence[Finding]) -> list[Line]:
    return [
        Line(check, Status.FAILED if finding.is_fatal else Status.WARNING, finding.message)
        for finding in findings
    ]


def _bootstrap(place: Place) -> str:
    assert place.settings.kafka_bootstrap is not None
    return place.settings.kafka_bootstrap


CHECKS: Final[tuple[tuple[str, Check], ...]] = (
    ("titan up", _titan),
    ("settings", _settings),
    ("PostgreSQL", _postgres),
    ("Redis", _redis),
    ("Kafka", _kafka),
    ("topics", _topics),
    ("edges", _edges),
    ("processes", _workers),
    ("stages", _groups),
)
