"""A person with secrets, who asks any edge; what is refused is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import uuid4

import httpx

from tests.canaries.forms import Canaries
from tests.corpus.wire import own_source
from tests.support.asgi import Answer
from tests.support.whole_titan import WholeTitan

ANSWER_S_MAX = 30.0
HTTP_ERROR = 400


@dataclass
class Visitor:
    """One person, and what the edges told of her requests that went wrong."""

    titan: WholeTitan
    canaries: Canaries
    refusals: list[Answer] = field(default_factory=list)
    handle: str = field(default_factory=lambda: f"h{uuid4().hex[:12]}")
    bearer: dict[str, str] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)
    """What Titan made up and showed to her alone."""
    _source: str = field(default_factory=own_source)
    _clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    async def ask(
        self,
        room: str,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        **request: Any,
    ) -> httpx.Response:
        """Any request; what is refused is kept."""
        if room not in self._clients:
            # From an address of one's own: what others tried and failed at is not counted here.
            transport = httpx.AsyncHTTPTransport(local_address=self._source)
            self._clients[room] = httpx.AsyncClient(
                base_url=self.titan.url(room), timeout=ANSWER_S_MAX, transport=transport
            )
        answer = await self._clients[room].request(method, path, headers=headers, **request)
        if answer.status_code >= HTTP_ERROR:
            self.refusals.append(Answer(answer.status_code, dict(answer.headers), answer.content))
        return answer

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients.values():
            await client.aclose()

    async def as_person(
        self,
        method: str,
        path: str,
        *,
        room: str = "users",
        refused: bool = False,
        headers: Mapping[str, str] | None = None,
        **request: Any,
    ) -> httpx.Response:
        """Ask an edge as the person who signed in."""
        both = {**self.bearer, **(headers or {})}
        answer = await self.ask(room, method, path, headers=both, **request)
        assert (answer.status_code >= HTTP_ERROR) is refused, answer.text
        return answer

    @property
    def payment(self) -> dict[str, Any]:
        """A payment to the person, with her words."""
        return {
            "from_handle": "alice",
            "to_handle": self.handle,
            "amount": 100,
            "currency": "USD",
            "payment_type": "WALLET",
            "description": self.canaries.description,
        }
