"""A client of Blnk's public HTTP API: as much of it as paying takes.

Blnk answers 201 to what it made. A transaction sent with `skip_queue` is answered when it is
applied, with its `status`; without it, when it is queued.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Self

import httpx

_CREATED: Final = 201
_APPLIED: Final = "APPLIED"
_PRECISION: Final = 100
_ANSWER_S_MAX: Final = 60.0
_MINT: Final = "@TitanBenchMint"
"""A name with @ is an account of the house, made when it is first named."""


class Transfer(NamedTuple):
    """Money from one balance to another; `reference` makes it happen once."""

    source: str
    destination: str
    amount_minor: int
    reference: str


class Blnk:
    """One server. Errors of the transport come through as httpx has them."""

    def __init__(self, url: str, *, key: str | None, connections: int) -> None:
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={} if key is None else {"X-Blnk-Key": key},
            limits=httpx.Limits(max_connections=connections),
            timeout=_ANSWER_S_MAX,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def open_balances(self, count: int, *, name: str, funds_minor: int) -> list[str]:
        """A ledger with so many balances, each funded; their ids."""
        ledger = await self._create("/ledgers", {"name": f"titan bench {name}"})
        balances = []
        for _ in range(count):
            body = {"ledger_id": ledger["ledger_id"], "currency": "USD"}
            balances.append(str((await self._create("/balances", body))["balance_id"]))
        for number, balance in enumerate(balances):
            funding = Transfer(_MINT, balance, funds_minor, f"fund-{name}-{number}")
            if not await self.pay(funding, allow_overdraft=True):
                raise RuntimeError("Blnk did not apply a funding")
        return balances

    async def pay(self, transfer: Transfer, *, allow_overdraft: bool = False) -> bool:
        """Whether it was applied; a refusal or a lost race is a no."""
        body = {**_body(transfer), "allow_overdraft": allow_overdraft, "skip_queue": True}
        answer = await self._client.post("/transactions", json=body)
        return answer.status_code == _CREATED and answer.json().get("status") == _APPLIED

    async def pay_in_bulk(self, transfers: Sequence[Transfer]) -> int:
        """How many of them were applied: all or none."""
        body = {
            "transactions": [_body(transfer) for transfer in transfers],
            "atomic": False,
            "skip_queue": True,
        }
        answer = await self._client.post("/transactions/bulk", json=body)
        if answer.status_code != _CREATED:
            return 0
        return int(answer.json().get("transaction_count", 0))

    async def _create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = await self._client.post(path, json=body)
        if answer.status_code != _CREATED:
            raise RuntimeError(f"Blnk answered POST {path} with {answer.status_code}")
        made: dict[str, Any] = answer.json()
        return made


def _body(transfer: Transfer) -> dict[str, Any]:
    return {
        "amount": transfer.amount_minor / _PRECISION,
        "precision": _PRECISION,
        "reference": transfer.reference,
        "currency": "USD",
        "source": transfer.source,
        "destination": transfer.destination,
        "description": "A payment of the benchmark",
    }
