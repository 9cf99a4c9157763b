"""The sample data comes in through the edges and the stages, once, however often it is loaded."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest
from faststream import FastStream
from pydantic import SecretStr

from consumers.account_opening import app as account_opening
from consumers.handle_directory import app as handle_directory
from consumers.handle_resolution import app as handle_resolution
from consumers.ledger_posting import app as ledger_posting
from consumers.payment_projection import app as payment_projection
from consumers.risk_screening import app as risk_screening
from domain.errors import Invalid
from producers.chart_of_accounts.chart import Chart, read_chart
from producers.handles.app import make_app as make_handles
from producers.payments.app import make_app as make_payments
from runtime.app import stage_app
from runtime.clock import SystemClock
from runtime.publisher import KafkaPublisher
from runtime.settings import Settings
from runtime.topic_admin import apply_topics
from runtime.topics import topic_map
from tests.support.asgi import running
from titan.sample_data import SampleData, read_sample_data
from titan.sample_loader import Loaded, load_sample_data
from titan.servers import Endpoints

STAGES = {
    "account_opening": account_opening.build,
    "handle_directory": handle_directory.build,
    "handle_resolution": handle_resolution.build,
    "ledger_posting": ledger_posting.build,
    "payment_projection": payment_projection.build,
    "risk_screening": risk_screening.build,
}


class Place:
    """Both edges and every stage in this process, on real servers."""

    def __init__(
        self, settings: Settings, handles: httpx.AsyncClient, payments: httpx.AsyncClient
    ) -> None:
        self.handles = handles
        self.payments = payments
        self.steps: list[tuple[str, int, int]] = []
        assert settings.kafka_bootstrap is not None
        self.publisher = KafkaPublisher(
            settings.kafka_bootstrap,
            prefix=settings.topic_prefix,
            settings=settings,
            role="tests",
        )

    async def load(self, sample: SampleData, chart: Chart) -> Loaded:
        self.steps.clear()
        return await load_sample_data(
            sample,
            chart,
            handles=self.handles,
            payments=self.payments,
            publisher=self.publisher,
            clock=SystemClock(),
            progress=lambda *step: self.steps.append(step),
        )

    async def balance_minor(self, handle: str) -> int:
        resolved = (await self.handles.get("/handles/resolve", params={"handle": handle})).json()
        account = (await self.payments.get(f"/accounts/{resolved['account_id']}")).json()
        balance: int = account["balance"]
        return balance


@pytest.fixture
async def place(
    endpoints: Endpoints, database_dsn: str, redis_url: str, topic_prefix: str
) -> AsyncIterator[Place]:
    await apply_topics(endpoints.kafka_bootstrap, topic_map(), prefix=topic_prefix)
    settings = Settings(
        kafka_bootstrap=endpoints.kafka_bootstrap,
        postgres_dsn=SecretStr(database_dsn),
        redis_url=SecretStr(redis_url),
        topic_prefix=topic_prefix,
        vault_key=SecretStr("A" * 43 + "="),
    )
    async with AsyncExitStack() as stack:
        apps = [
            await stack.enter_async_context(running(make(settings)))
            for make in (make_handles, make_payments)
        ]
        clients = [
            await stack.enter_async_context(
                httpx.AsyncClient(
                    transport=httpx.ASGITransport(app), base_url="http://127.0.0.1", timeout=15
                )
            )
            for app in apps
        ]
        for name, build in STAGES.items():
            await stack.enter_async_context(started(stage_app(name, build, settings)))
        place = Place(settings, *clients)
        stack.push_async_callback(place.publisher.stop)
        yield place


@asynccontextmanager
async def started(app: FastStream) -> AsyncIterator[None]:
    await app.start()
    try:
        yield
    finally:
        await app.stop()


@pytest.mark.real
@pytest.mark.timeout(180)
async def test_everybody_has_their_handle_and_funds_once(place: Place) -> None:
    sample, chart = read_sample_data(), read_chart()
    people = len(sample.people)

    loaded = await place.load(sample, chart)

    assert loaded == Loaded(people=people, claimed=people + len(chart.accounts), funded=people)
    assert place.steps[-1] == ("funding wallets", people, people)
    for person in sample.people:
        assert await place.balance_minor(person.handle) == person.funds_minor
    for account in chart.accounts:
        owed_minor = sum(p.funds_minor for p in sample.people if p.currency == account.currency)
        assert await place.balance_minor(account.handle) == -owed_minor

    again = await place.load(sample, chart)

    assert again == Loaded(people=people, claimed=0, funded=people)
    assert await place.balance_minor("alice") == sample.people[0].funds_minor

    alice = sample.people[0]
    changed = alice.model_copy(update={"funds_minor": alice.funds_minor + 1})
    with pytest.raises(Invalid, match="make clean"):
        await place.load(SampleData(people=[changed]), chart)


def test_the_sample_is_large_enough_and_begins_with_alice_and_bob() -> None:
    people = read_sample_data().people

    assert len(people) >= 20
    assert [person.handle for person in people[:2]] == ["alice", "bob"]
    assert len({person.handle for person in people}) == len(people)
    assert {"USD", "EUR", "JPY"} == {person.currency for person in people}


def test_every_currency_has_a_treasury() -> None:
    treasuries = {account.currency for account in read_chart().accounts}

    assert {person.currency for person in read_sample_data().people} <= treasuries
