"""Who pays in a storm: brought in by the demo's own loader, through the doors that all use."""

import asyncio
from typing import Final
from uuid import UUID

import httpx

from producers.chart_of_accounts.chart import read_chart
from runtime.clock import SystemClock
from runtime.publisher import KafkaPublisher
from runtime.settings import Settings
from titan.chaos.client import ANSWER_S_MAX, Client
from titan.chaos.history import CURRENCY
from titan.chaos.waiting import until
from titan.sample_data import Person, SampleData
from titan.sample_loader import load_sample_data

CROWD: Final = tuple(f"person{number:02d}" for number in range(38))
"""Those who make the load, as far as their limits go."""
PEOPLE: Final = ("alice", "bob", *CROWD)
FUNDS_MINOR: Final = 50_000
TREASURY: Final = "treasury"

_REQUEST_S_MAX: Final = 15.0
_CLOCK: Final = SystemClock()


async def bring_in(client: Client, *, bootstrap: str) -> None:
    """Give each of the people a handle and money; what they got is in the history as well."""
    people = [
        Person(handle=name, display_name=name.title(), currency=CURRENCY, funds_minor=FUNDS_MINOR)
        for name in PEOPLE
    ]
    chart = read_chart()
    publisher = KafkaPublisher(bootstrap, prefix="", settings=Settings(), role="people")
    try:
        async with (
            httpx.AsyncClient(base_url=client.handles_url, timeout=_REQUEST_S_MAX) as handles,
            httpx.AsyncClient(base_url=client.payments_url, timeout=_REQUEST_S_MAX) as payments,
        ):
            await load_sample_data(
                SampleData(people=people),
                chart,
                handles=handles,
                payments=payments,
                publisher=publisher,
                clock=_CLOCK,
                progress=lambda _step, _done, _total: None,
            )
    finally:
        await publisher.stop()
    for name in (*PEOPLE, *(account.handle for account in chart.accounts)):
        answer = await client.send("GET", f"{client.handles_url}/handles/resolve?handle={name}")
        client.history.know(name, UUID(answer.json()["account_id"]))
    funds = [
        client.history.intend(
            TREASURY,
            name,
            FUNDS_MINOR,
            key=f"sample-funds-{name}",
            description="Opening funds",
        )
        for name in PEOPLE
    ]
    # The loader's own keys and bodies: nothing moves again, and the answers name its payments.
    await asyncio.gather(*map(client.pay, funds))


async def open_account(client: Client, handle: str) -> UUID:
    """A wallet of its own for a handle that is yet to be claimed."""
    # The key of the request derives from its address, and so does the account.
    answer = await client.send(
        "POST", f"{client.payments_url}/accounts?of={handle}", {"currency": CURRENCY}
    )
    return UUID(answer.json()["id"])


async def claim(client: Client, handle: str, account_id: UUID) -> None:
    """Let the handle name the account; a refused claim is asked again, until the account stands."""

    async def is_named() -> bool:
        body = {"handle": handle, "account_id": str(account_id), "display_name": handle.title()}
        await client.send("POST", f"{client.handles_url}/handles?at={_CLOCK.random_id()}", body)
        sight = await client.send("GET", f"{client.handles_url}/handles/resolve?handle={handle}")
        return sight.is_success

    await until(is_named, ANSWER_S_MAX, f"{handle} to name its account")
    client.history.know(handle, account_id)
