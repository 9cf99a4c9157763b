"""What operators ask of every edge: /health, /ready and /metrics."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from domain.errors import Unavailable
from runtime import limits
from runtime.clock import Clock

DATABASE: Final = "postgres"
"""What PostgreSQL is called among the dependencies."""

router = APIRouter(tags=["operations"])


@dataclass(frozen=True, slots=True)
class Check:
    """How to tell whether a dependency is there; `probe` raises Unavailable if it is not.

    Without a `required` one the edge cannot do its work; without another it is only slower.
    """

    name: str
    probe: Callable[[], Awaitable[None]]
    required: bool


class DependencyHealth(BaseModel):
    """One dependency, just now."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["up", "down"]
    required: bool
    latency_ms: float


class Health(BaseModel):
    """An edge and what it depends on."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["up", "degraded", "down"]
    dependencies: dict[str, DependencyHealth]


async def health_of(checks: Sequence[Check], clock: Clock) -> Health:
    """Ask every dependency at once; none is waited for longer than HEALTH_CHECK_S_MAX."""
    found = await asyncio.gather(*(_probe(check, clock) for check in checks))
    dependencies = dict(zip((check.name for check in checks), found, strict=True))
    if any(health.status == "down" and health.required for health in found):
        return Health(status="down", dependencies=dependencies)
    if any(health.status == "down" for health in found):
        return Health(status="degraded", dependencies=dependencies)
    return Health(status="up", dependencies=dependencies)


async def _probe(check: Check, clock: Clock) -> DependencyHealth:
    began_s = clock.monotonic_s()
    status: Literal["up", "down"] = "up"
    try:
        async with asyncio.timeout(limits.HEALTH_CHECK_S_MAX):
            await check.probe()
    except (Unavailable, TimeoutError):
        status = "down"
    latency_ms = round((clock.monotonic_s() - began_s) * 1000, 2)
    return DependencyHealth(status=status, required=check.required, latency_ms=latency_ms)


async def _health(request: Request) -> Health:
    state = request.app.state
    checks = [
        replace(check, required=check.required or check.name in state.required)
        for check in state.resources.checks
    ]
    return await health_of(checks, state.resources.clock)


@router.get("/health", response_model=Health, summary="Alive, and what of its dependencies is")
async def get_health(request: Request) -> Response:
    """200 while the process lives, whatever is down around it."""
    health = await _health(request)
    return JSONResponse(health.model_dump())


@router.get("/ready", response_model=Health, summary="Whether to send requests here")
async def get_ready(request: Request) -> Response:
    """200 if every required dependency answers, else 503."""
    health = await _health(request)
    return JSONResponse(health.model_dump(), status_code=503 if health.status == "down" else 200)


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    summary="Prometheus metrics of this process",
)
async def get_metrics() -> Response:
    """The text exposition format."""
    return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
