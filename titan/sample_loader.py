"""Bring sample people in with handles and money, through the doors that everybody uses.

A wallet is opened by POST /accounts, a handle claimed by POST /handles, and the treasury of the
currency pays the funds by POST /payments/bulk. Every request has a fixed idempotency key, so a
load that broke off is simply run again, and a second one asks once and changes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from uuid import UUID

import httpx

from domain.errors import Invalid, Unavailable
from domain.payment import FINAL, PaymentType, State
from producers.chart_of_accounts.chart import Chart, messages_of
from runtime import limits
from runtime.clock import Clock
from runtime.publisher import Publisher
from titan.sample_data import Person, SampleData

LOAD_S_MAX: Final = 120.0
"""All of it takes no longer; then something is down."""

_AT_ONCE_MAX: Final = 8
_PAUSE_S: Final = 0.1
_PATIENCE: Final = {"Prefer": f"wait={limits.WAIT_S_MAX}"}

T = TypeVar("T")

OnProgress = Callable[[str, int, int], None]
"""Told what is being done, how many are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load came to. `claimed` counts handles that were not there before."""

    people: int
    claimed: int
    funded: int


async def load_sample_data(
    sample: SampleData,
    chart: Chart,
    *,
    handles: httpx.AsyncClient,
    payments: httpx.AsyncClient,
    publisher: Publisher,
    clock: Clock,
    progress: OnProgress,
) -> Loaded:
    """Bring the people in; the clients have the two edges as their base URLs.

    May run before every stage is up: it waits for them. Unavailable if it does not get done within
    LOAD_S_MAX; Invalid if an edge refuses, which it does when the data was changed after a load.
    """
    loader = _Loader(handles, payments, publisher, clock, progress)
    try:
        async with asyncio.timeout(LOAD_S_MAX):
            return await loader.load(sample, chart)
    except TimeoutError as error:
        raise Unavailable(
            f"the sample data was not in after {LOAD_S_MAX:.0f} s: see `titan doctor`"
        ) from error


class _Loader:
    def __init__(
        self,
        handles: httpx.AsyncClient,
        payments: httpx.AsyncClient,
        publisher: Publisher,
        clock: Clock,
        progress: OnProgress,
    ) -> None:
        self._handles = handles
        self._payments = payments
        self._publisher = publisher
        self._clock = clock
        self._progress = progress

    async def load(self, sample: SampleData, chart: Chart) -> Loaded:
        treasuries = {account.currency: account.handle for account in chart.accounts}
        missing = {person.currency for person in sample.people} - treasuries.keys()
        if missing:
            raise Invalid("no_treasury", f"the chart has no account in {', '.join(missing)}")
        wanted = [account.handle for account in chart.accounts]
        wanted += [person.handle for person in sample.people]
        found = await self._each("looking handles up", wanted, self._is_claimed)
        claimed = {handle for handle, is_there in zip(wanted, found, strict=True) if is_there}
        if len(claimed) < len(wanted):
            await self._open_treasuries(chart, claimed)
            await self._each(
                "opening wallets and claiming handles",
                [person for person in sample.people if person.handle not in claimed],
                self._bring_in,
            )
        ids = await self._ask_for_funds(sample.people, treasuries)
        await self._each("funding wallets", ids, self._until_posted)
        return Loaded(len(sample.people), len(wanted) - len(claimed), len(ids))

    async def _open_treasuries(self, chart: Chart, claimed: set[str]) -> None:
        messages = messages_of(chart, now=self._clock.now())
        await self._publisher.publish(messages, deadline_s=limits.EDGE_PUBLISH_S_MAX)
        for account in chart.accounts:
            if account.handle not in claimed:
                account_id = chart.account_id_of(account)
                await self._until_open(account_id)
                await self._claim(account.handle, account_id, account.display_name)

    async def _bring_in(self, person: Person) -> None:
        answer = await self._ask(
            self._payments,
            "POST",
            "/accounts",
            headers={"Idempotency-Key": f"sample-account-{person.handle}", **_PATIENCE},
            json={"currency": person.currency},
        )
        account_id = UUID(answer.json()["id"])
        await self._until_open(account_id)
        await self._claim(person.handle, account_id, person.display_name)

    async def _claim(self, handle: str, account_id: UUID, display_name: str) -> None:
        answer = await self._ask(
            self._handles,
            "POST",
            "/handles",
            headers={"Idempotency-Key": f"sample-handle-{handle}", **_PATIENCE},
            json={
                "handle": handle,
                "account_id": str(account_id),
                "display_name": display_name,
            },
        )
        location = answer.headers["Location"]
        while (state := answer.json().get("state")) in {None, "requested"}:
            if state is None:
                # A cache that was erased has forgotten the request; its outcome comes all the same.
                await self._pause()
            answer = await self._ask(
                self._handles, "GET", location, headers=_PATIENCE, may_miss=True
            )
        if state == "refused":
            code = answer.json()["code"]
            raise Invalid(code, f"the handle {handle} was refused: {code}")

    async def _ask_for_funds(
        self, people: Sequence[Person], treasuries: dict[str, str]
    ) -> list[str]:
        """The ids of the payments; the keys are fixed, so a repeat asks for nothing more."""
        items = [
            {
                "from_handle": treasuries[person.currency],
                "to_handle": person.handle,
                "amount": person.funds_minor,
                "currency": person.currency,
                "payment_type": PaymentType.WALLET,
                "description": "Opening funds",
                "idempotency_key": f"sample-funds-{person.handle}",
            }
            for person in people
        ]
        while True:
            answer = await self._ask(
                self._payments, "POST", "/payments/bulk", json={"payments": items}
            )
            data: list[dict[str, Any]] = answer.json()["data"]
            problems = [each["problem"] for each in data if "problem" in each]
            if not problems:
                return [each["id"] for each in data]
            if any(not _may_come_right(problem["status"]) for problem in problems):
                raise _refusal("POST /payments/bulk", problems[0])
            await self._pause()

    async def _is_claimed(self, handle: str) -> bool:
        answer = await self._ask(
            self._handles, "GET", "/handles/resolve", params={"handle": handle}, may_miss=True
        )
        return answer.status_code == httpx.codes.OK

    async def _until_open(self, account_id: UUID) -> None:
        path = f"/accounts/{account_id}"
        while (
            await self._ask(self._payments, "GET", path, may_miss=True)
        ).status_code != httpx.codes.OK:
            await self._pause()

    async def _until_posted(self, payment_id: str) -> None:
        while True:
            answer = await self._ask(
                self._payments, "GET", f"/payments/{payment_id}", headers=_PATIENCE, may_miss=True
            )
            payment = answer.json()
            state = payment.get("state")
            if state == State.POSTED:
                return
            if state in FINAL:
                code = payment["refusal_code"]
                raise Invalid(code, f"payment {payment_id} of opening funds was refused: {code}")
            if answer.is_error:
                await self._pause()

    async def _each(
        self, step: str, items: Sequence[Any], work: Callable[[Any], Awaitable[T]]
    ) -> list[T]:
        """Work on a few at once, telling how far it is; the answers in the items' order."""
        gate = asyncio.Semaphore(_AT_ONCE_MAX)
        done = 0

        async def one(item: Any) -> T:  # noqa: ANN401 - whatever the work takes
            nonlocal done
            async with gate:
                answer = await work(item)
            done += 1
            self._progress(step, done, len(items))
            return answer

        self._progress(step, 0, len(items))
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(item)) for item in items]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _ask(
        self,
        client: httpx.AsyncClient,
        method: str,
        path: str,
        *,
        may_miss: bool = False,
        **request: Any,  # noqa: ANN401 - httpx's own options
    ) -> httpx.Response:
        """The answer; asked again while the edge is down, full or unsure. Invalid if it refuses."""
        while True:
            try:
                answer = await client.request(method, path, **request)
            except httpx.TransportError:
                await self._pause()
                continue
            if answer.is_success or (may_miss and answer.status_code == httpx.codes.NOT_FOUND):
                return answer
            if not _may_come_right(answer.status_code):
                raise _refusal(f"{method} {path}", answer.json())
            await self._pause()

    async def _pause(self) -> None:
        await self._clock.sleep(self._clock.jitter(_PAUSE_S))


def _may_come_right(status: int) -> bool:
    return status == httpx.codes.TOO_MANY_REQUESTS or status >= httpx.codes.INTERNAL_SERVER_ERROR


def _refusal(what: str, problem: dict[str, Any]) -> Invalid:
    code = str(problem.get("code"))
    hint = "; was the sample data changed after it was loaded? `make clean` starts afresh"
    return Invalid(code, f"{what}: {problem.get('detail')}{hint if 'reuse' in code else ''}")
