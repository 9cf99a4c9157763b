"""What the routes of webhooks in work with, wired when the process starts."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Final

import structlog
from fastapi import Depends
from starlette.requests import Request

from domain.errors import Invalid, Unavailable
from producers.inbound import receipts
from producers.inbound.keys import JwtCheck, KeysById
from producers.inbound.proof import (
    Check,
    HmacCheck,
    StandardWebhooksCheck,
    TimestampedHmacCheck,
)
from producers.inbound.providers import (
    Hmac,
    JwtByKeyId,
    Provider,
    StandardWebhooks,
    TimestampedHmac,
    load_providers,
    read_secrets,
)
from runtime.clock import Clock
from runtime.http.resources import EdgeResources

_SWEEP_S: Final = 60.0
"""Between two sweeps of old receipts; with jitter."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Served:
    """A provider whose secrets we have."""

    provider: Provider
    check: Check


@dataclass(frozen=True, slots=True)
class InboundEdge:
    """The tools of one process of this edge."""

    resources: EdgeResources
    providers: Mapping[str, Served]


@asynccontextmanager
async def open_edge(resources: EdgeResources) -> AsyncIterator[InboundEdge]:
    """Read the table and the secrets; sweep old receipts for as long as the block."""
    settings = resources.settings
    keys: list[KeysById] = []
    providers: dict[str, Served] = {}
    try:
        for name, provider in load_providers(settings.inbound_file).items():
            secrets = read_secrets(settings.inbound_secrets, provider)
            if secrets:
                check = _check_of(provider, secrets, keys, resources.clock)
                providers[name] = Served(provider, check)
    except Invalid as error:
        raise SystemExit(f"titan: inbound: {error.message}") from error
    log.info("inbound_serves", providers=sorted(providers))
    sweeping = asyncio.create_task(_sweep_always(resources))
    try:
        yield InboundEdge(resources, providers)
    finally:
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)
        for each in keys:
            await each.close()


def _check_of(provider: Provider, secrets: list[str], keys: list[KeysById], clock: Clock) -> Check:
    match provider.rule:
        case Hmac() as rule:
            return HmacCheck(rule, secrets)
        case TimestampedHmac() as rule:
            return TimestampedHmacCheck(rule, secrets)
        case StandardWebhooks() as rule:
            return StandardWebhooksCheck(rule, secrets)
        case JwtByKeyId() as rule:
            asked = KeysById(str(rule.key_url), secrets[0], clock=clock)
            keys.append(asked)
            return JwtCheck(rule, asked)


async def _sweep_always(resources: EdgeResources) -> None:
    while True:
        try:
            async with resources.database.connection() as connection:
                await receipts.sweep(connection, resources.clock.now())
        except Unavailable as error:
            log.warning("inbound_not_swept", error=str(error))
        await resources.clock.sleep(resources.clock.jitter(_SWEEP_S))


def edge_of(request: Request) -> InboundEdge:
    """The tools, for a route."""
    edge: InboundEdge = request.app.state.edge
    return edge


TheEdge = Annotated[InboundEdge, Depends(edge_of)]
"""A route's parameter that gives the tools."""
