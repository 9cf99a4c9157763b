"""Each fault that rows can have, planted once: the check that is there for it tells.

Rows are changed with triggers and constraints off, as a broken disk, a hasty hand or a mutant of
the ledger would.
"""

import pytest

from proof.findings import Check
from tests.proof.conftest import CopyOf
from tests.proof.planted_rows import PLANTED
from tests.proof.planted_telling import PLANTED_TELLING
from tests.proof.world import World, faults

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(90),
    pytest.mark.asyncio(loop_scope="module"),
]

ALL = [*PLANTED, *PLANTED_TELLING]


async def test_a_sound_world_is_proven(sound: World) -> None:
    proof = await sound.prove()

    assert faults(proof) == []
    looked_at = {check: each.looked_at for check, each in proof.findings.by_check.items()}
    assert looked_at[Check.ENDS] == 16
    assert all(looked_at.values())
    assert set(proof.letters.values()) == {1}
    assert len(proof.letters) == 9


@pytest.mark.parametrize(
    ("check", "told", "statements"),
    ALL,
    ids=[f"{number} {check} {told}" for number, (check, told, _) in enumerate(ALL)],
)
async def test_a_planted_fault_is_told(
    sound: World, copy_of: CopyOf, check: Check, told: str, statements: list[str]
) -> None:
    dsn = await copy_of(sound)
    await sound.execute(*statements, dsn=dsn)

    proof = await sound.prove(dsn=dsn)

    assert [what for what in faults(proof, check) if told in what], faults(proof)
    assert proof.story is not None
