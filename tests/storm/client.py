"""Clients of a storm: they pay, repeat what they know no outcome of, and note everything."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from tests.storm.history import History, Intent
from tests.storm.http import Answer, Http, NoAnswer

REPEAT_PAUSE_S: Final = 0.2
ANSWER_S_MAX: Final = 60.0
"""A client that repeats for so long without an answer has been let down."""

_WORKERS: Final = 24
_UNSURE: Final = frozenset({408, 429, 503})


class Client:
    """One program with many payments under way."""

    def __init__(self, *, payments_url: str, handles_url: str, history: History) -> None:
        self.history = history
        self.payments_url = payments_url
        self.handles_url = handles_url
        self.http = Http()

    async def pay(self, intent: Intent) -> None:
        """Ask until there is an answer, always under the same key."""
        async with asyncio.timeout(ANSWER_S_MAX):
            while not await self.ask(intent):  # noqa: ASYNC110 - each look is a request of its own
                await asyncio.sleep(REPEAT_PAUSE_S)

    async def ask(self, intent: Intent) -> bool:
        """Ask once; whether there was an answer. No answer is an unknown, never a no."""
        try:
            await self.ask_once(intent)
        except NoAnswer as error:
            intent.note(f"unknown: {error}")
        return intent.is_answered

    async def ask_once(self, intent: Intent) -> Answer:
        """Ask once and note the answer, or NoAnswer."""
        answer = await self.http.request(
            "POST",
            f"{self.payments_url}/payments",
            document=intent.body,
            headers={"Idempotency-Key": intent.key},
        )
        self.note(intent, answer.status, answer.json())
        return answer

    async def pay_many(self, intents: Sequence[Intent]) -> None:
        """Ask for all in one request; what is not answered is repeated one by one."""
        items = [{**intent.body, "idempotency_key": intent.key} for intent in intents]
        try:
            answer = await self.http.request(
                "POST", f"{self.payments_url}/payments/bulk", document={"payments": items}
            )
        except NoAnswer as error:
            for intent in intents:
                intent.note(f"unknown: {error}")
        else:
            if answer.is_success:
                for intent, item in zip(intents, answer.json()["data"], strict=True):
                    self.note(intent, item["status"], item.get("problem", item))
        await asyncio.gather(*(self.pay(each) for each in intents if not each.is_answered))

    async def send(self, method: str, url: str, document: Any = None) -> Answer:
        """Any other request, repeated under one key until an edge says yes or no."""
        key = f"{method} {url} {document}"
        headers = {"Idempotency-Key": hashlib.sha256(key.encode()).hexdigest()}
        async with asyncio.timeout(ANSWER_S_MAX):
            while True:
                with contextlib.suppress(NoAnswer):
                    answer = await self.http.request(
                        method, url, document=document, headers=headers
                    )
                    if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                        return answer
                await asyncio.sleep(REPEAT_PAUSE_S)

    async def payment(self, intent: Intent) -> Any:
        """The payment as its edge tells it; None while cache and projection do not know it yet."""
        answer = await self.send("GET", f"{self.payments_url}/payments/{intent.payment_id}")
        return answer.json() if answer.is_success else None

    def note(self, intent: Intent, status: int, document: dict[str, Any]) -> None:
        """What an edge said of a payment."""
        code = f"{status} {document.get('code')}"
        if status == HTTPStatus.ACCEPTED:
            intent.accept(UUID(document["id"]))
        elif status in _UNSURE or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            intent.note(f"unknown: {code}")
            if status not in _UNSURE:
                self.history.surprises.append(f"{code} for {intent.key}")
        else:
            intent.refuse(code)


class Load:
    """Random payments between some handles, about so many a second, for as long as it is open."""

    def __init__(self, client: Client, handles: Sequence[str], *, rate_per_s: float) -> None:
        self._client = client
        self._handles = handles
        self._interval_s = _WORKERS / rate_per_s
        self._random = client.history.random
        self._is_closing = False

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """On leaving, everything that was asked for has its answer."""
        workers = [asyncio.create_task(self._work()) for _ in range(_WORKERS)]
        try:
            yield
            self._is_closing = True
            await asyncio.gather(*workers)
        except BaseException:
            # What was cut short would be counted against Titan by every later check.
            self._client.history.abandon_unanswered()
            raise
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    def intents(self, count: int) -> list[Intent]:
        """Payments of the same mixture, to be asked for together."""
        return [self._intend() for _ in range(count)]

    async def _work(self) -> None:
        await asyncio.sleep(self._random.random() * self._interval_s)
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while not self._is_closing:
            intent = self._intend()
            await self._client.pay(intent)
            if self._random.random() < 0.05:
                # A client that lost the answer asks again.
                await self._client.pay(intent)
            due_s = max(due_s + self._interval_s, loop.time())
            await asyncio.sleep(due_s - loop.time())

    def _intend(self) -> Intent:
        payer, payee = self._random.sample(list(self._handles), 2)
        amount_minor = self._random.randint(1, 500)
        match self._random.random():
            case chance if chance < 0.03:
                payee = "nobody.there"
            case chance if chance < 0.06:
                amount_minor = 100_000
        words = "for lunch" if self._random.random() < 0.1 else None
        return self._client.history.intend(payer, payee, amount_minor, description=words)
