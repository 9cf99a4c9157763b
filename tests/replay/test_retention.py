"""The broker has removed the beginning of the log, as it does after the topics' retention."""

from pathlib import Path

import pytest

from tests.replay.people import conflict, life
from tests.replay.place import Place

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

PROJECTION = "payment_projection"


async def test_when_the_beginning_is_gone_the_archive_goes_before_the_broker(
    place: Place, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    await place.tell(*[event for number in range(20) for event in life(number)])
    assert (await place.titan("archive", str(kept)))[0] == 0
    async with place.living(PROJECTION):
        await place.until_done(PROJECTION)
        gone = {p: end for p, end in (await place.ends(PROJECTION)).items() if end}
        await place.delete_records(gone)
        await place.tell(*life(1), *conflict(2))
        await place.until_done(PROJECTION)

        code, said = await place.replay("payments")
        assert (code, "--from-archive" in said) == (2, True)
        code, found = await place.replay("payments", "--from-archive", str(kept))
        assert (code, found["equal"]) == (0, True)
        assert found["tables"][0]["rows"] > 20
        code, found = await place.replay("payments", "--from-archive", str(kept), "--swap")
        assert (code, found["swapped"]) == (0, True)

        # What was never archived is gone for good, and both commands say so.
        await place.tell(*life(3))
        await place.until_done(PROJECTION)
        ends = await place.ends(PROJECTION)
        await place.delete_records({p: end for p, end in ends.items() if end})
        code, said = await place.replay("payments", "--from-archive", str(kept))
        assert (code, "archived until" in said) == (2, True)
    code, said = await place.titan("archive", str(kept))
    assert (code, len(said["gone"]) > 0) == (1, True)
    await place.tell(*life(3))
    assert (await place.titan("archive", str(kept)))[0] == 1
    code, verified = await place.titan("archive", str(kept), "--verify")
    assert (code, "lacks the records from" in verified["faults"][0]) == (1, True)
