"""The commands' own client of the two edges: what they ask, they ask as anybody else would."""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self
from uuid import UUID

import httpx

from domain.errors import Invalid, Unavailable, Unknown
from domain.payment import FINAL, PaymentType, RefusalCode, State
from runtime import limits
from runtime.clock import Clock
from runtime.settings import Settings

PAY_ATTEMPTS_MAX: Final = 4
"""Times that a payment is sent when its outcome is unknown; the same key, so it moves once."""

_RETRY_PAUSE_S: Final = 0.5
_CONNECT_S_MAX: Final = 1.0
_MARGIN_S: Final = 5.0
"""Beyond what an edge itself may take for an answer."""


@dataclass(frozen=True, slots=True)
class PaymentSeen:
    """A payment as an edge told it."""

    payment_id: UUID
    state: State
    accepted_at: datetime | None
    refusal_code: RefusalCode | None
    posting_id: UUID | None

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.state in FINAL


@dataclass(frozen=True, slots=True)
class HandleSeen:
    """Whom a handle names."""

    handle: str
    account_id: UUID
    display_name: str
    currency: str


@dataclass(frozen=True, slots=True)
class AccountSeen:
    """What an account holds, in minor units of its currency."""

    account_id: UUID
    balance_minor: int
    currency: str


def edge_urls(settings: Settings) -> tuple[str, str]:
    """Where Handle Resolution and the Payment Router answer."""
    host = settings.bind_host
    return (
        settings.handles_url or f"http://{host}:{settings.handles_port}",
        settings.payments_url or f"http://{host}:{settings.payments_port}",
    )


class EdgeClient:
    """Asks Handle Resolution and the Payment Router; use as an async context manager.

    Unavailable if an edge does not answer, Invalid with the edge's own code if it refuses.
    """

    def __init__(
        self, settings: Settings, *, clock: Clock, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.handles_url, self.payments_url = edge_urls(settings)
        self._clock = clock
        self.handles = _http(self.handles_url, transport)
        """Plain HTTP to Handle Resolution, with this client's bounds; `payments` likewise."""
        self.payments = _http(self.payments_url, transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.handles.aclose()
        await self.payments.aclose()

    async def resolve(self, handle: str) -> HandleSeen:
        """Whom the handle names; Invalid (not_found) if nobody."""
        answer = await self._ask(self.handles, "GET", "/handles/resolve", params={"handle": handle})
        return HandleSeen(
            handle=answer["handle"],
            account_id=UUID(answer["account_id"]),
            display_name=answer["display_name"],
            currency=answer["currency"],
        )

    async def account(self, account_id: UUID) -> AccountSeen:
        """What the account holds."""
        answer = await self._ask(self.payments, "GET", f"/accounts/{account_id}")
        return AccountSeen(
            account_id=account_id,
            balance_minor=answer["balance"],
            currency=answer["currency"],
        )

    async def payment(self, payment_id: UUID, *, wait_s: int = 0) -> PaymentSeen:
        """The payment as it stands, or after its next step if that comes within `wait_s`."""
        answer = await self._ask(
            self.payments, "GET", f"/payments/{payment_id}", headers=_prefer(wait_s)
        )
        return _payment(answer)

    async def pay(
        self,
        *,
        from_handle: str,
        to_handle: str,
        amount_minor: int,
        currency: str,
        description: str | None,
        key: str,
    ) -> PaymentSeen:
        """Send a payment, again under the same key while its outcome is unknown."""
        body = {
            "from_handle": from_handle,
            "to_handle": to_handle,
            "amount": amount_minor,
            "currency": currency,
            "payment_type": PaymentType.WALLET,
        }
        if description is not None:
            body["description"] = description
        attempt = 1
        while True:
            try:
                answer = await self._ask(
                    self.payments,
                    "POST",
                    "/payments",
                    headers={"Idempotency-Key": key},
                    json=body,
                )
            except Unavailable:
                if attempt == PAY_ATTEMPTS_MAX:
                    raise
                attempt += 1
                await self._clock.sleep(self._clock.jitter(_RETRY_PAUSE_S))
            else:
                return _payment(answer)

    async def _ask(
        self,
        http: httpx.AsyncClient,
        method: str,
        path: str,
        **request: Any,  # noqa: ANN401 - httpx's own options
    ) -> dict[str, Any]:
        try:
            answer = await http.request(method, path, **request)
        except httpx.ConnectError as error:
            raise Unavailable(
                f"no edge answers at {http.base_url}: start Titan with `make run`, or set "
                "TITAN_HANDLES_URL and TITAN_PAYMENTS_URL"
            ) from error
        except httpx.HTTPError as error:
            raise Unknown(f"{method} {http.base_url}{path}: {type(error).__name__}") from error
        what = f"{method} {answer.url}: {answer.status_code}"
        try:
            content: dict[str, Any] = answer.json()
        except ValueError as error:
            raise Unavailable(f"{what}, and no JSON") from error
        if answer.is_server_error or answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            raise Unavailable(f"{what} {content.get('detail')}")
        if answer.is_error:
            raise Invalid(str(content.get("code")), str(content.get("detail")))
        return content


def _http(base_url: str, transport: httpx.AsyncBaseTransport | None) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=base_url,
        timeout=httpx.Timeout(limits.WAIT_S_MAX + _MARGIN_S, connect=_CONNECT_S_MAX),
        # A proxy of the environment would see payments of a demo that promised to stay here.
        trust_env=False,
        transport=transport,
    )


def _prefer(wait_s: int) -> dict[str, str]:
    return {"Prefer": f"wait={min(wait_s, limits.WAIT_S_MAX)}"} if wait_s else {}


def _payment(answer: dict[str, Any]) -> PaymentSeen:
    accepted_at = answer.get("accepted_at")
    refusal_code, posting_id = answer.get("refusal_code"), answer.get("posting_id")
    return PaymentSeen(
        payment_id=UUID(answer["id"]),
        state=State(answer["state"]),
        accepted_at=None if accepted_at is None else datetime.fromisoformat(accepted_at),
        refusal_code=None if refusal_code is None else RefusalCode(refusal_code),
        posting_id=None if posting_id is None else UUID(posting_id),
    )
