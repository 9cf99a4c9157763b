"""A proof that goes on from an earlier one: it reads less, and misses as little."""

import json
from pathlib import Path

import pytest
import pytest_asyncio

from domain.errors import Invalid
from proof.findings import Check
from proof.report import read_since, sealed, write_report
from proof.scope import Since
from tests.proof.conftest import CopyOf, NewWorld
from tests.proof.world import World, account_of, faults, settle
from titan.prove_command import report_of

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="module"),
]


async def proven(world: World, path: Path, since: Since | None = None) -> Since:
    began_at = world.clock.now()
    proof = await world.prove(since=since)
    report = report_of(proof, 60.0, since, began_at=began_at, ended_at=world.clock.now())
    write_report(path, sealed(report))
    return read_since(path)


async def go_on(world: World, name: str) -> None:
    await world.put(*(world.payment(f"{name} {n}", "alice", "bob", 10 + n) for n in range(3)))
    await world.put(world.opening(name), world.claim(name))
    await world.run()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def continued(
    new_world: NewWorld, tmp_path_factory: pytest.TempPathFactory
) -> tuple[World, Since]:
    """A world that has gone on after a proof; tests leave it as it is."""
    world = await new_world()
    await settle(world)
    since = await proven(world, tmp_path_factory.mktemp("proofs") / "first.json")
    await go_on(world, "later")
    return world, since


async def test_a_continued_proof_covers_what_came_after(world: World, tmp_path: Path) -> None:
    await world.put(world.payment("under way", "alice", "bob", 5))
    await world.run("handle_resolution")
    since = await proven(world, tmp_path / "first.json")
    await world.run()
    await go_on(world, "later")

    proof = await world.prove(since=since)

    assert faults(proof) == []
    assert proof.findings.by_check[Check.ENDS].looked_at == 4
    again = await proven(world, tmp_path / "second.json", since)
    assert again.open_payments == frozenset()
    assert faults(await world.prove(since=again)) == []


@pytest.mark.parametrize(
    ("check", "told", "statement"),
    [
        (
            Check.MONEY,
            "does not move 11 USD",
            (
                "DELETE FROM ledger_entries WHERE amount_minor IN (11, -11);"
                "DELETE FROM ledger_postings WHERE posting_id IN"
                " (SELECT posting_id FROM payments WHERE amount_minor = 11)"
            ),
        ),
        (
            Check.BALANCES,
            "should stand at",
            "UPDATE ledger_entries SET balance_after_minor = 0 WHERE amount_minor = 11",
        ),
        (
            Check.DECIDED,
            "whose inbox has not this outcome",
            "DELETE FROM inbox WHERE step = 'ledger_posting' AND outcome LIKE '%:11,%'",
        ),
        (
            Check.OFFSETS,
            "its inbox has no row of it",
            "DELETE FROM inbox WHERE step = 'ledger_posting' AND outcome LIKE '%:11,%'",
        ),
        (
            Check.PROJECTED,
            "has no row",
            "DELETE FROM payments WHERE amount_minor = 11",
        ),
        (
            Check.WEBHOOKS,
            "has no delivery to",
            (
                "DELETE FROM webhook_deliveries WHERE subject IN"
                " (SELECT payment_id FROM payments WHERE amount_minor = 11)"
            ),
        ),
        (
            # Older than the first proof: the ledger is added up whole each time.
            Check.BALANCES,
            "its entries come to",
            (
                "UPDATE ledger_accounts SET balance_minor = balance_minor + 1"
                f" WHERE account_id = '{account_of('carol')}'"
            ),
        ),
    ],
)
async def test_a_continued_proof_tells_faults(
    continued: tuple[World, Since], copy_of: CopyOf, check: Check, told: str, statement: str
) -> None:
    world, since = continued
    dsn = await copy_of(world)
    await world.execute(*statement.split(";"), dsn=dsn)

    proof = await world.prove(since=since, dsn=dsn)

    assert [what for what in faults(proof, check) if told in what], faults(proof)


async def test_a_payment_left_open_is_followed_to_its_end(world: World, tmp_path: Path) -> None:
    await world.put(world.payment("stuck", "alice", "bob", 5))
    since = await proven(world, tmp_path / "first.json")

    proof = await world.prove(since=since, age_s=0)

    assert [what for what in faults(proof, Check.ENDS) if "has not ended" in what]


async def test_a_report_that_cannot_be_gone_on_from_is_refused(
    world: World, new_world: NewWorld, tmp_path: Path
) -> None:
    path = tmp_path / "first.json"
    since = await proven(world, path)
    good = json.loads(path.read_text("utf-8"))
    changes: dict[str, dict[str, object]] = {
        "its SHA-256 differs": good | {"ok": False},
        "of a proof that failed": sealed(good | {"ok": False}),
        "too many payments open": sealed(good | {"open_payments": None}),
        "no report of a proof of this version": sealed(good | {"format": 99}),
        "cannot be read": sealed({"format": 1, "ok": True, "open_payments": []}),
    }
    for told, changed in changes.items():
        write_report(path, changed)
        with pytest.raises(Invalid, match=told):
            read_since(path)
    path.write_text("{", "utf-8")
    with pytest.raises(Invalid, match="cannot be read"):
        read_since(path)
    with pytest.raises(Invalid, match="another log"):
        await (await new_world()).prove(since=since)
