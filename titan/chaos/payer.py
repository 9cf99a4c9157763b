"""The client of a campaign, in a process of its own: `python -m titan.chaos.payer DIRECTORY`.

Everything that it wants is on the disk before it is asked for. Killed and started again, it knows
from its journal what it was left in doubt about, and asks again before it ends.

    order.json      what to do, written by the campaign
    history.jsonl   the journal
    words           lines from the campaign: `burst N`, `newcomer`, at last `finish`
    ready, done     files that say how far it is
"""

import asyncio
import sys
from pathlib import Path
from typing import Final

import uvloop
from pydantic import BaseModel, ConfigDict

from titan.chaos.client import Client
from titan.chaos.history import History, read_history
from titan.chaos.journal import FileJournal
from titan.chaos.load import Load, Mixture
from titan.chaos.people import CROWD, bring_in
from titan.chaos.words import Words

ORDER: Final = "order.json"
JOURNAL: Final = "history.jsonl"
WORDS: Final = "words"
READY: Final = "ready"
DONE: Final = "done"

MIXTURE: Final = Mixture(
    # Small, so that a day's limits and the crowd's money last for a campaign of any length.
    amount_minor_max=40,
    unknown_payee=0.01,
    over_limit=0.01,
    left_open=0.5,
    at_once=0.01,
    rivalled=0.01,
    bulk=0.005,
    newcomer=0.005,
)
_LISTEN_S: Final = 0.1
_TOP_UP: Final = 200


class Order(BaseModel):
    """What a client is to do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int
    payments: int
    """At least so many are asked for."""
    rate_per_s: float
    payments_url: str
    handles_url: str
    kafka_bootstrap: str


async def pay(directory: Path) -> None:
    """Pay as ordered until told to finish, then resolve what is in doubt."""
    order = Order.model_validate_json((directory / ORDER).read_text("utf-8"))
    words = Words(directory / WORDS)
    # What was said before this process began has been heeded, but for the last word.
    is_over = ["finish"] in list(words.fresh())
    journal = FileJournal(directory / JOURNAL)
    history = read_history(directory / JOURNAL, seed=order.seed, journal=journal)
    # Of another life another chance; the keys go on where they were.
    history.random.seed(order.seed + len(history.intents))
    client = Client(payments_url=order.payments_url, handles_url=order.handles_url, history=history)
    if not (directory / READY).exists():
        await bring_in(client, bootstrap=order.kafka_bootstrap)
        (directory / READY).touch()
    load = Load(client, CROWD, rate_per_s=order.rate_per_s, mixture=MIXTURE)
    if not is_over:
        async with load.flowing():
            await _heed(words, load, client)
    while len(history.intents) < order.payments:
        await client.pay_many(load.intents(_TOP_UP))
    await _resolve(client, history)
    await journal.close()
    (directory / DONE).touch()


async def _heed(words: Words, load: Load, client: Client) -> None:
    bursts: set[asyncio.Task[None]] = set()
    while True:
        for said in words.fresh():
            if said == ["finish"]:
                await asyncio.gather(*bursts)
                return
            wanted = (
                load.newcomer()
                if said == ["newcomer"]
                else client.pay_many(load.intents(int(said[1])))
            )
            burst = asyncio.create_task(wanted)
            bursts.add(burst)
            burst.add_done_callback(bursts.discard)
        await asyncio.sleep(_LISTEN_S)


async def _resolve(client: Client, history: History) -> None:
    """Ask for everything that is in doubt again, under its key, until there is an answer."""
    for intent in history.intents:
        if not intent.is_answered:
            await client.pay(intent)


if __name__ == "__main__":
    uvloop.run(pay(Path(sys.argv[1])))
