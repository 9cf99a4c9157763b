"""A small Titan in the hands of a test: real servers, real stages, and each step when it is told.

Stages run batch by batch over what lies in their topics; publishing and committing can be left out,
as a crash would, and anything can be forged besides.
"""

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID, uuid5

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from pydantic import SecretStr

from consumers.account_opening.app import build as build_account_opening
from consumers.event_feed.app import build as build_event_feed
from consumers.handle_directory.app import build as build_handle_directory
from consumers.handle_resolution.app import build as build_handle_resolution
from consumers.ledger_posting.app import build as build_ledger_posting
from consumers.notifications.app import build as build_notifications
from consumers.payment_projection.app import build as build_payment_projection
from consumers.risk_screening.app import build as build_risk_screening
from consumers.webhooks.app import build as build_webhooks
from domain.payment import PaymentType, payment_id_of
from proof.findings import Check, Fault
from proof.limits import AGE_S_DEFAULT
from proof.prove import Place, Proof, prove
from proof.scope import Since
from runtime.app import Resources
from runtime.database import Database
from runtime.inbox import PostgresInbox
from runtime.publisher import KafkaPublisher
from runtime.settings import Settings
from runtime.stage import StageRunner
from runtime.topics import TopicMap, topic_map
from runtime.unit import PostgresUnits
from runtime.vault import Vault
from schemas.account import AccountKind, AccountOpeningRequested, Tier
from schemas.handle import HandleClaimRequested, HandlePortRequested, HandleReleaseRequested
from schemas.payment import PaymentRequested
from schemas.wire import Message
from tests.proof.log_side import ROOT, LogSide

BUILDS: Final = {
    "account_opening": build_account_opening,
    "handle_directory": build_handle_directory,
    "handle_resolution": build_handle_resolution,
    "risk_screening": build_risk_screening,
    "ledger_posting": build_ledger_posting,
    "payment_projection": build_payment_projection,
    "event_feed": build_event_feed,
    "notifications": build_notifications,
    "webhooks": build_webhooks,
}
STAGES: Final = tuple(BUILDS)

LEDGER_TABLES: Final = (
    "ledger_accounts",
    "ledger_entries",
    "ledger_holds",
    "ledger_postings",
)

CLIENT: Final = "demo"
PEOPLE: Final = ("alice", "bob", "carol")
MINT: Final = "mint"
FUNDS_MINOR: Final = 50_000
ENDPOINT: Final = uuid5(ROOT, "endpoint")
"""Where the client of all payments wants to be told of everything, since an hour ago."""


def small_map() -> TopicMap:
    """What payments pass, in few partitions: a broker takes its time over each."""
    topics = topic_map()
    small = [
        topic.model_copy(update={"partitions": 3})
        for topic in topics.topics
        if topic.name.startswith(("payment.", "handle.", "account.", "person.", "standing."))
    ]
    return topics.model_copy(update={"topics": small})


def account_of(handle: str) -> UUID:
    return uuid5(ROOT, f"account {handle}")


class Silent:
    """A publisher whose process died before it published."""

    async def publish(self, messages: Sequence[Message], *, deadline_s: float) -> None:
        """Say nothing."""


class World(LogSide):
    """One deployment: its side of the broker, and a database."""

    @property
    def dsn(self) -> str:
        assert self.settings.postgres_dsn is not None
        return self.settings.postgres_dsn.get_secret_value()

    async def run(self, *stages: str, publishes: bool = True, commits: bool = True) -> None:
        """Let stages handle what lies there, one after the other; all of them if none is named."""
        for stage in stages or STAGES:
            database = await Database.connect(self.dsn, name="tests")
            try:
                resources = Resources(self.settings, self.clock, Vault(bytes(32)))
                runner = StageRunner(
                    BUILDS[stage](resources),
                    topics=self.topics,
                    prefix=self.settings.topic_prefix,
                    units=PostgresUnits(database),
                    inbox=PostgresInbox(database),
                    publisher=self.publisher if publishes else Silent(),
                    clock=self.clock,
                )
                records = await self.records_of(runner.stage.group)
                await runner.process(records)
            finally:
                await database.close()
            if commits:
                await self.commit(runner.stage.group)

    async def prove(
        self, *, age_s: float = AGE_S_DEFAULT, since: Since | None = None, dsn: str | None = None
    ) -> Proof:
        place = Place(self.topics, self.settings.topic_prefix, self.bootstrap, dsn or self.dsn)
        return await prove(
            place,
            clock=self.clock,
            age_s=age_s,
            since=since,
            progress=lambda _step, _done, _total: None,
        )

    async def execute(self, *statements: str, dsn: str | None = None) -> None:
        """Change rows behind everybody's back: triggers are off."""
        connection = await asyncpg.connect(dsn or self.dsn)
        try:
            for table in LEDGER_TABLES:
                await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    def payment(self, name: str, payer: str, payee: str, amount_minor: int) -> PaymentRequested:
        return PaymentRequested(
            payment_id=payment_id_of(CLIENT, name),
            accepted_at=self.clock.now(),
            client_id=CLIENT,
            from_handle=payer,
            to_handle=payee,
            amount_minor=amount_minor,
            currency="USD",
            payment_type=PaymentType.WALLET,
            fingerprint=f"{uuid5(ROOT, f'{name} {payer} {payee} {amount_minor}').int:064x}",
        )

    def opening(self, handle: str) -> AccountOpeningRequested:
        is_mint = handle == MINT
        return AccountOpeningRequested(
            request_id=uuid5(ROOT, f"open {handle}"),
            requested_at=self.clock.now(),
            account_id=account_of(handle),
            client_id=CLIENT,
            kind=AccountKind.SYSTEM if is_mint else AccountKind.WALLET,
            tier=Tier.SYSTEM if is_mint else Tier.BUSINESS,
            currency="USD",
        )

    def claim(self, handle: str, account: UUID | None = None) -> HandleClaimRequested:
        return HandleClaimRequested(
            request_id=uuid5(ROOT, f"claim {handle} {account}"),
            requested_at=self.clock.now(),
            handle=handle,
            fingerprint="0" * 64,
            client_id=CLIENT,
            account_id=account or account_of(handle),
            display_name_sealed="c2VhbGVk",
        )

    def port(self, handle: str, account: UUID) -> HandlePortRequested:
        return HandlePortRequested(
            request_id=uuid5(ROOT, f"port {handle} {account}"),
            requested_at=self.clock.now(),
            handle=handle,
            fingerprint="0" * 64,
            client_id=CLIENT,
            account_id=account,
        )

    def release(self, handle: str) -> HandleReleaseRequested:
        return HandleReleaseRequested(
            request_id=uuid5(ROOT, f"release {handle}"),
            requested_at=self.clock.now(),
            handle=handle,
            fingerprint="0" * 64,
            client_id=CLIENT,
        )


async def open_world(bootstrap: str, dsn: str, prefix: str, topics: TopicMap) -> World:
    """Connect; the topics must be there."""
    settings = Settings(
        kafka_bootstrap=bootstrap,
        postgres_dsn=SecretStr(dsn),
        topic_prefix=prefix,
        vault_key=SecretStr("A" * 43 + "="),
    )
    world = World(
        settings,
        KafkaPublisher(bootstrap, prefix=prefix, settings=settings, role="tests"),
        AIOKafkaProducer(bootstrap_servers=bootstrap),
        AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=None,
            enable_auto_commit=False,
            # Questions wait behind the fetch in progress.
            fetch_max_wait_ms=10,
        ),
        topics=topics,
    )
    await world.publisher.start()
    await world.producer.start()
    await world.reader.start()
    world.assign_all()
    return world


async def close_world(world: World) -> None:
    await world.reader.stop()
    await world.producer.stop()
    await world.publisher.stop()


async def settle(world: World) -> None:
    """People with money, and payments that end in every way there is."""
    people = (*PEOPLE, MINT)
    await world.execute(
        "INSERT INTO webhook_endpoints"
        " (endpoint_id, client_id, url_sealed, event_types, is_ordered, created_at, served_at)"
        f" VALUES ('{ENDPOINT}', '{CLIENT}', 'sealed', '{{}}', false,"
        # Served for as long as any test lasts: what is planned here is never sent.
        " now() - interval '1 hour', now() + interval '1 hour')"
    )
    await world.put(*map(world.opening, people))
    await world.run("account_opening")
    await world.put(*map(world.claim, people))
    await world.run("handle_directory")
    await world.put(*(world.payment(f"fund {name}", MINT, name, FUNDS_MINOR) for name in PEOPLE))
    await world.run()
    await world.put(
        *(world.payment(f"lunch {n}", "alice", "bob", 100 + n) for n in range(8)),
        world.payment("to nobody", "alice", "nobody.there", 100),
        world.payment("too much", "carol", "bob", 10 * FUNDS_MINOR),
        world.payment("over the limit", "carol", "bob", 10**12),
        world.payment("again", "bob", "carol", 300),
        world.payment("again", "bob", "carol", 300),
        world.payment("two bodies", "bob", "carol", 40),
    )
    await world.run()
    # The edge could not see the first body; and a client that lost its answer asks once more.
    await world.put(
        world.payment("two bodies", "bob", "alice", 41), world.payment("again", "bob", "carol", 300)
    )
    await world.put(world.port("carol", account_of("alice")), world.claim("bob"))
    for topic in ("payment.requested.v1", "payment.posted.v1", "handle.claim-requested.v1"):
        await world.forge(topic, b"\xff is no JSON", key="anybody")
    await world.run()
    await world.run("payment_projection", "event_feed", "notifications", "webhooks")
    await deliver_all(world)


async def deliver_all(world: World) -> None:
    """Every endpoint has taken what was planned for it."""
    await world.execute(
        "INSERT INTO webhook_attempts (delivery_id, attempt, started_at, latency_ms, outcome)"
        " SELECT delivery_id, 1, now(), 7, 'delivered' FROM webhook_deliveries"
        " ON CONFLICT DO NOTHING",
        "UPDATE webhook_deliveries SET state = 'delivered', attempts = 1, tries = 1,"
        " finished_at = now(), last_outcome = 'delivered'",
    )


def faults(proof: Proof, check: Check | None = None) -> list[str]:
    """What is wrong, in words."""
    return [str(fault.what) for fault in all_faults(proof, check)]


def all_faults(proof: Proof, check: Check | None = None) -> Iterator[Fault]:
    for each, finding in proof.findings.by_check.items():
        if check in {None, each}:
            yield from finding.examples


def told(found: list[str], *words: str) -> bool:
    """Whether one of the faults says all these words."""
    return any(all(word in what for word in words) for what in found)
