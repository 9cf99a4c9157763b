"""What the people of the demo are told in the app, and how long after the payment was accepted."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import httpx

from domain.errors import Unavailable
from runtime.clock import Clock
from runtime.settings import Settings
from titan.edge_client import HandleSeen

TOLD_S_MAX: Final = 10.0
"""Who was not told by then is not told: something is stuck."""

_POLL_S: Final = 0.02
_ASK_S_MAX: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One notification. `after_ms` counts from the payment's acceptance until it was planned."""

    handle: str
    title: str
    body: str
    after_ms: int

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "handle": self.handle,
            "title": self.title,
            "body": self.body,
            "after_ms": self.after_ms,
        }


def notifications_url(settings: Settings) -> str:
    """Where Notifications answer."""
    given = settings.notifications_url
    return given or f"http://{settings.bind_host}:{settings.notifications_port}"


async def until_told(
    people: Sequence[HandleSeen],
    payment_id: str,
    accepted_at: datetime,
    *,
    settings: Settings,
    clock: Clock,
    transport: httpx.AsyncBaseTransport | None = None,
) -> list[Told]:
    """What each of them is told of the payment, in their order; Unavailable if somebody is not."""
    async with httpx.AsyncClient(
        base_url=notifications_url(settings),
        timeout=_ASK_S_MAX,
        # As the other edges: a proxy of the environment has no part in a demo.
        trust_env=False,
        transport=transport,
    ) as http:
        try:
            async with asyncio.timeout(TOLD_S_MAX):
                found = [await _find(http, person, payment_id, clock) for person in people]
        except (TimeoutError, httpx.HTTPError) as error:
            raise Unavailable(
                f"nobody was told of the payment within {TOLD_S_MAX:.0f} s: see `titan doctor`"
            ) from error
    return [
        Told(
            handle=person.handle,
            title=told["title"],
            body=told["body"],
            after_ms=_whole_ms(datetime.fromisoformat(told["created_at"]) - accepted_at),
        )
        for person, told in zip(people, found, strict=True)
    ]


async def _find(
    http: httpx.AsyncClient, person: HandleSeen, payment_id: str, clock: Clock
) -> dict[str, Any]:
    """The notification in the inbox of the person's account."""
    while True:
        answer = await http.get("/notifications", params={"account_id": str(person.account_id)})
        answer.raise_for_status()
        rows: list[dict[str, Any]] = answer.json()["data"]
        for row in rows:
            if row["payment_id"] == payment_id:
                return row
        await clock.sleep(_POLL_S)


def _whole_ms(duration: timedelta) -> int:
    return max(0, round(duration / timedelta(milliseconds=1)))
