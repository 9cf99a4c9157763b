import pytest

from domain.errors import Invalid, Unavailable
from runtime import limits
from runtime.clock import SystemClock
from runtime.instance import InstanceLock
from tests.support.waiting import eventually


@pytest.mark.real
async def test_a_second_process_of_the_same_name_is_refused(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "INSTANCE_WAIT_S_MAX", 0.3)
    first = await InstanceLock.take(database_dsn, "worker-1", SystemClock())
    other = await InstanceLock.take(database_dsn, "worker-2", SystemClock())

    with pytest.raises(Invalid, match="TITAN_INSTANCE_ID"):
        await InstanceLock.take(database_dsn, "worker-1", SystemClock())

    await first.release()

    async def taken_again() -> InstanceLock:
        return await InstanceLock.take(database_dsn, "worker-1", SystemClock())

    again = await eventually(taken_again)
    await again.release()
    await other.release()


async def test_without_a_server_it_says_so() -> None:
    with pytest.raises(Unavailable):
        await InstanceLock.take("postgresql://127.0.0.1:1/none", "worker-1", SystemClock())
