"""The demo: ten dollars from alice to bob, through the same doors as any other payment."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from domain.errors import Unavailable
from domain.money import format_amount
from domain.payment import State
from runtime.clock import Clock
from runtime.follow import Follower
from runtime.settings import Settings
from titan.demo_notifications import Told, until_told
from titan.demo_webhooks import Delivered, DemoWebhooks
from titan.edge_client import EdgeClient
from titan.follow_payment import hops_of, payment_topics
from titan.journey import Hop, Journey
from titan.terminal import say, say_table

PAYER: Final = "alice"
PAYEE: Final = "bob"
AMOUNT_MINOR: Final = 1_000
CURRENCY: Final = "USD"

JOURNEY_S_MAX: Final = 30.0
"""A payment that has not ended by then has stuck, and the demo has failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What one handle's account held before and after, in minor units."""

    handle: str
    before_minor: int
    after_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """The payment, its journey and what it did. `answered_ms` is the POST's, seen from outside."""

    payment_id: str
    answered_ms: float
    hops: list[Hop]
    balances: list[Balance]
    webhooks: list[Delivered]
    told: list[Told]

    @property
    def is_posted(self) -> bool:
        """Whether the money moved."""
        return bool(self.hops) and self.hops[-1].event == State.POSTED

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "payment_id": self.payment_id,
            "state": self.hops[-1].event,
            "amount_minor": AMOUNT_MINOR,
            "currency": CURRENCY,
            "answered_ms": self.answered_ms,
            "journey": [hop.as_json() for hop in self.hops],
            "balances": {
                balance.handle: {
                    "before_minor": balance.before_minor,
                    "after_minor": balance.after_minor,
                }
                for balance in self.balances
            },
            "webhooks": [each.as_json() for each in self.webhooks],
            "notifications": [each.as_json() for each in self.told],
        }


async def demonstrate(
    client: EdgeClient, *, webhooks: DemoWebhooks, settings: Settings, clock: Clock
) -> Demonstration:
    """Pay, and watch the payment in the log until it ends; Unavailable if it does not."""
    people = [await client.resolve(handle) for handle in (PAYER, PAYEE)]
    before = [await client.account(person.account_id) for person in people]
    assert settings.kafka_bootstrap is not None
    follower = Follower(
        payment_topics(), bootstrap=settings.kafka_bootstrap, prefix=settings.topic_prefix
    )
    try:
        await follower.start()
        began_s = clock.monotonic_s()
        seen = await client.pay(
            from_handle=PAYER,
            to_handle=PAYEE,
            amount_minor=AMOUNT_MINOR,
            currency=CURRENCY,
            description="Test payment",
            key=str(clock.random_id()),
        )
        answered_ms = round((clock.monotonic_s() - began_s) * 1000, 1)
        journey = Journey(seen.payment_id)
        async with asyncio.timeout(JOURNEY_S_MAX):
            async for _ in hops_of(journey, follower, clock=clock):
                pass
    except TimeoutError as error:
        raise Unavailable(
            f"the payment has not ended after {JOURNEY_S_MAX:.0f} s: see `titan doctor`"
        ) from error
    finally:
        await follower.stop()
    first = journey.hops[0]
    accepted_at = first.appended_at - timedelta(milliseconds=first.total_ms)
    # Of a payment that was refused its payer is told alone.
    parties = people if journey.hops[-1].event == State.POSTED else people[:1]
    told = await until_told(
        parties, str(seen.payment_id), accepted_at, settings=settings, clock=clock
    )
    ends = {hop.position.topic for hop in (journey.hops[0], journey.hops[-1])}
    delivered = await webhooks.until_delivered(str(seen.payment_id), ends, accepted_at)
    after = [await client.account(person.account_id) for person in people]
    return Demonstration(
        payment_id=str(seen.payment_id),
        answered_ms=answered_ms,
        hops=journey.hops,
        balances=[
            Balance(
                handle=person.handle,
                before_minor=was.balance_minor,
                after_minor=now.balance_minor,
            )
            for person, was, now in zip(people, before, after, strict=True)
        ],
        webhooks=delivered,
        told=told,
    )


def say_demonstration(shown: Demonstration) -> None:
    """The journey as a table, then the balances."""
    amount = format_amount(AMOUNT_MINOR, CURRENCY)
    say(f"\n{PAYER} pays {PAYEE} {amount}: payment {shown.payment_id}")
    say(f"The edge answered 202 after {shown.answered_ms} ms. What the log then had of it:\n")
    say_table(
        ["event", "topic", "partition", "offset", "ms", "ms in all"],
        [
            [
                hop.event if hop.code is None else f"{hop.event} ({hop.code})",
                hop.position.topic,
                str(hop.position.partition),
                str(hop.position.offset),
                f"+{hop.hop_ms}",
                str(hop.total_ms),
            ]
            for hop in shown.hops
        ],
    )
    say("\nWhat the built-in listener was sent by webhook, and found signed as it should be:\n")
    say_table(
        ["event", "webhook-id", "signature", "ms in all"],
        [
            [
                each.event_type,
                each.delivery_id,
                "verified" if each.is_verified else "not verified",
                str(each.after_ms),
            ]
            for each in shown.webhooks
        ],
    )
    say("\nWhat both were told in the app:\n")
    say_table(
        ["inbox of", "notification", "ms in all"],
        [[each.handle, each.body, str(each.after_ms)] for each in shown.told],
    )
    say(
        "\nThe first payment after a start opens connections; the next are several times quicker.\n"
    )
    say_table(
        ["account of", "before", "after"],
        [
            [
                balance.handle,
                format_amount(balance.before_minor, CURRENCY),
                format_amount(balance.after_minor, CURRENCY),
            ]
            for balance in shown.balances
        ],
    )


def say_what_to_try(*, handles_url: str, payments_url: str, payment_id: str) -> None:
    """Addresses, and lines to paste."""
    body = (
        f'{{"from_handle":"{PAYER}","to_handle":"{PAYEE}","amount":{AMOUNT_MINOR},'
        f'"currency":"{CURRENCY}","payment_type":"WALLET","description":"Test payment"}}'
    )
    say("\nThe API, to read and to try:")
    say(f"  Handle Resolution  {handles_url}/docs")
    say(f"  Payment Router     {payments_url}/docs")
    say("\nTo paste into another window:")
    say(f"  curl -X POST {payments_url}/payments -H 'Content-Type: application/json' -d '{body}'")
    say(f"  curl '{handles_url}/handles/resolve?handle={PAYEE}'")
    say(f"  curl {payments_url}/payments/{payment_id}")
    say(f"  curl -N {payments_url}/payments/{payment_id}/events")
    say(f"  .venv/bin/python -m titan pay {PAYER} {PAYEE} 10.00")
    say(f"  .venv/bin/python -m titan watch {payment_id}")
    say("  .venv/bin/python -m titan webhooks listen --register")
    say("  .venv/bin/python -m titan doctor")
    say("\nMore of a stage: `titan up --demo --processes 8`, or one container a stage with")
    say("`docker compose up --scale stage-ledger-posting=3`.")
