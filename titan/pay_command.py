"""`titan pay`: move money from one handle to another, and wait for the outcome."""

import asyncio
from typing import Annotated, Final

import typer

from domain.money import format_amount, parse_amount
from domain.payment import State
from runtime import limits
from runtime.clock import SystemClock
from titan.edge_client import EdgeClient, PaymentSeen
from titan.endpoints import connected_settings
from titan.terminal import JsonOption, fail, say, say_json

OUTCOME_S_MAX: Final = 30.0
"""How long the command waits for a payment to end."""

FromArgument = Annotated[str, typer.Argument(help="Who pays: a handle, such as alice.")]
ToArgument = Annotated[str, typer.Argument(help="Who is paid: a handle.")]
AmountArgument = Annotated[str, typer.Argument(help="How much, such as 10.00.")]
CurrencyOption = Annotated[str, typer.Option(help="ISO 4217 code.")]
DescriptionOption = Annotated[str | None, typer.Option(help="A line for payer and payee.")]
KeyOption = Annotated[
    str | None,
    typer.Option(help="Idempotency key: the same key pays once. Without one, each call pays."),
]


def pay(
    from_handle: FromArgument,
    to_handle: ToArgument,
    amount: AmountArgument,
    *,
    currency: CurrencyOption = "USD",
    description: DescriptionOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Pay, and wait until the payment is posted (exit 0) or refused (exit 1)."""
    amount_minor = parse_amount(amount, currency)
    clock = SystemClock()
    key = key or str(clock.random_id())
    seen, took_ms = asyncio.run(
        _paid(from_handle, to_handle, amount_minor, currency, description, key)
    )
    if as_json:
        say_json(
            {
                "payment_id": seen.payment_id,
                "state": seen.state,
                "refusal_code": seen.refusal_code,
                "posting_id": seen.posting_id,
                "idempotency_key": key,
                "took_ms": took_ms,
            }
        )
    else:
        say(f"{seen.payment_id}  {_outcome(seen)}  after {took_ms} ms")
        if seen.state is State.POSTED:
            say(f"{from_handle} paid {to_handle} {format_amount(amount_minor, currency)}")
    if seen.state is State.REFUSED:
        raise typer.Exit(1)
    if not seen.is_final:
        fail(
            f"still {seen.state} after {OUTCOME_S_MAX:.0f} s: follow it with "
            f"`titan watch {seen.payment_id}`"
        )


async def _paid(
    from_handle: str,
    to_handle: str,
    amount_minor: int,
    currency: str,
    description: str | None,
    key: str,
) -> tuple[PaymentSeen, int]:
    clock = SystemClock()
    began_s = clock.monotonic_s()
    async with EdgeClient(connected_settings(needed=()), clock=clock) as client:
        seen = await client.pay(
            from_handle=from_handle,
            to_handle=to_handle,
            amount_minor=amount_minor,
            currency=currency,
            description=description,
            key=key,
        )
        while not seen.is_final and clock.monotonic_s() - began_s < OUTCOME_S_MAX:
            seen = await client.payment(seen.payment_id, wait_s=limits.WAIT_S_MAX)
    return seen, round((clock.monotonic_s() - began_s) * 1000)


def _outcome(seen: PaymentSeen) -> str:
    return f"refused: {seen.refusal_code}" if seen.state is State.REFUSED else str(seen.state)
