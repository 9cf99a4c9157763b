"""The crash matrix on real servers: every room dies once at every point, and nothing is lost.

Fails if a cell was never reached: a point that nobody passes proves nothing.
"""

import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.crash_points import Death, Point
from runtime.topics import topic_map
from tests.chaos.crash_matrix import STAGES, cells, opened_matrix
from titan.chaos.books import check
from titan.chaos.opening import opened_target
from titan.packing import stages_of

pytestmark = [pytest.mark.matrix, pytest.mark.timeout(1_500)]

FULL = [
    pytest.param(death, members, marks=pytest.mark.full)
    for death in Death
    for members in (1, 2)
    if (death, members) != (Death.KILL, 1)
]


@pytest.mark.parametrize(("death", "members"), [(Death.KILL, 1), *FULL])
async def test_every_room_dies_at_every_point_and_nothing_is_lost(
    death: Death, members: int, tell: Callable[[str], None]
) -> None:
    assert set(STAGES) == set(stages_of(topic_map()))
    directory = Path(tempfile.mkdtemp(prefix="titan-matrix-"))
    said: list[str] = []
    try:
        async with opened_target(directory, said=said, tell=said.append) as target:
            async with opened_matrix(
                target, seed=random.getrandbits(32), members=members
            ) as matrix:
                for point in Point:
                    await matrix.strike(point, death)
                    tell(f" {point}: {len(matrix.reached)} cells so far")
            books, _ = await check(
                matrix.client.history,
                target.garbage,
                bootstrap=target.titan.addresses.kafka_bootstrap,
                dsn=target.titan.addresses.postgres_dsn,
            )
            await matrix.offsets_are_committed()
    except BaseException:
        tell("\n".join(said))
        tell(f"Kept: {directory}")
        raise
    shutil.rmtree(directory)
    tell(f" {death}, {members} members, {len(matrix.reached)} cells; {books}")
    assert matrix.reached == set(cells())
