"""The demo's webhooks: an endpoint for the demo's client, and the listener built into `titan up`.

Both live as long as the demo runs: no endpoint stays behind that leads nowhere.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from domain.errors import Unavailable
from runtime.clock import Clock
from runtime.settings import Settings
from titan.webhook_endpoint import open_endpoint
from titan.webhook_listener import Heard, open_listener

DESCRIPTION: Final = "the demo's built-in listener"
"""What its endpoint is called, so that one which a killed run left is known again."""

RATE_PER_S: Final = 50
"""Most deliveries a second: load on the demo shall not become load on its listener."""

DELIVERED_S_MAX: Final = 10.0
"""What has not been delivered by then is not delivered: something is stuck."""

_HEARD_MAX: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """One webhook of the demo's payment. `after_ms` counts from the payment's acceptance."""

    event_type: str
    delivery_id: str
    is_verified: bool
    status: int
    after_ms: int

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "type": self.event_type,
            "webhook_id": self.delivery_id,
            "verified": self.is_verified,
            "answered": self.status,
            "after_ms": self.after_ms,
        }


class DemoWebhooks:
    """What the built-in listener has heard lately."""

    def __init__(self) -> None:
        self._heard: deque[Heard] = deque(maxlen=_HEARD_MAX)
        self._news = asyncio.Event()

    def hear(self, heard: Heard) -> None:
        """Keep what came."""
        self._heard.append(heard)
        self._news.set()

    async def until_delivered(
        self, payment_id: str, event_types: Collection[str], accepted_at: datetime
    ) -> list[Delivered]:
        """What was delivered of a payment, the first first; Unavailable if a type is missing."""
        try:
            async with asyncio.timeout(DELIVERED_S_MAX):
                while True:
                    self._news.clear()
                    found = [each for each in self._heard if each.subject == payment_id]
                    if {each.event_type for each in found if each.is_verified} >= set(event_types):
                        break
                    await self._news.wait()
        except TimeoutError as error:
            raise Unavailable(
                f"the webhooks of the payment were not delivered within {DELIVERED_S_MAX:.0f} s: "
                "see `titan doctor`"
            ) from error
        return [
            Delivered(
                event_type=each.event_type,
                delivery_id=each.delivery_id,
                is_verified=each.is_verified,
                status=each.status,
                after_ms=max(0, round((each.heard_at - accepted_at) / timedelta(milliseconds=1))),
            )
            for each in found
        ]


@asynccontextmanager
async def open_demo_webhooks(settings: Settings, *, clock: Clock) -> AsyncIterator[DemoWebhooks]:
    """Listen, and be told of the demo client's payments, for as long as the block."""
    webhooks = DemoWebhooks()
    async with (
        open_listener(webhooks.hear, clock=clock) as listener,
        open_endpoint(
            settings,
            listener.url,
            description=DESCRIPTION,
            event_types=["payment.*"],
            rate_per_s=RATE_PER_S,
        ) as secret,
    ):
        listener.trust(secret)
        yield webhooks
