"""Clients of a storm: they pay, repeat what they know no outcome of, and note everything."""

import asyncio
import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from titan.chaos.history import History, Intent
from titan.chaos.http import Answer, Http, NoAnswer

REPEAT_PAUSE_S: Final = 0.2
ANSWER_S_MAX: Final = 60.0
"""A client that repeats for so long without an answer has been let down."""

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
            self.history.leave_open(intent, str(error))
        return intent.is_answered

    async def ask_once(self, intent: Intent) -> Answer:
        """Ask once and note the answer, or NoAnswer."""
        await self.history.flushed()
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
        await self.history.flushed()
        items = [{**intent.body, "idempotency_key": intent.key} for intent in intents]
        try:
            answer = await self.http.request(
                "POST", f"{self.payments_url}/payments/bulk", document={"payments": items}
            )
        except NoAnswer as error:
            for intent in intents:
                self.history.leave_open(intent, str(error))
        else:
            if answer.is_success:
                for intent, item in zip(intents, answer.json()["data"], strict=True):
                    self.note(intent, item["status"], item.get("problem", item))
        await asyncio.gather(*(self.pay(each) for each in intents if not each.is_answered))

    async def send(
        self,
        method: str,
        url: str,
        document: object = None,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Answer:
        """Any other request, repeated under one key until an edge says yes or no."""
        key = f"{method} {url} {document}"
        headers = {**headers, "Idempotency-Key": hashlib.sha256(key.encode()).hexdigest()}
        async with asyncio.timeout(ANSWER_S_MAX):
            while True:
                with contextlib.suppress(NoAnswer):
                    answer = await self.http.request(
                        method, url, document=document, headers=headers
                    )
                    if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                        return answer
                await asyncio.sleep(REPEAT_PAUSE_S)

    async def payment(self, intent: Intent) -> Any:  # noqa: ANN401 - JSON is anything
        """The payment as its edge tells it; None while cache and projection do not know it yet."""
        answer = await self.send("GET", f"{self.payments_url}/payments/{intent.payment_id}")
        return answer.json() if answer.is_success else None

    def note(self, intent: Intent, status: int, document: dict[str, Any]) -> None:
        """What an edge said of a payment."""
        code = f"{status} {document.get('code')}"
        if status == HTTPStatus.ACCEPTED:
            self.history.accept(intent, UUID(document["id"]))
        elif status in _UNSURE or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.history.leave_open(intent, code)
            if status not in _UNSURE:
                self.history.surprise(f"{code} for {intent.key}")
        else:
            self.history.refuse(intent, code)
