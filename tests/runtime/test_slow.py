"""What takes long is said, and nothing else."""

import pytest
from structlog.testing import capture_logs

from runtime.clock import SystemClock
from runtime.slow import SLOW_S, said_if_slow


class Watch(SystemClock):
    """Shows what the test says."""

    time_s = 0.0

    def monotonic_s(self) -> float:
        return self.time_s


@pytest.mark.parametrize(("took_s", "lines"), [(SLOW_S, 0), (SLOW_S + 1, 1)])
def test_only_what_took_long_is_said_also_when_it_fails(took_s: float, lines: int) -> None:
    clock = Watch()
    with capture_logs() as logs, pytest.raises(ZeroDivisionError):
        _fail_after(took_s, clock)

    said = {
        "event": "slow",
        "what": "commit",
        "stage": "ledger_posting",
        "took_s": took_s,
        "log_level": "warning",
    }
    assert logs == [said] * lines


def _fail_after(seconds: float, clock: Watch) -> None:
    with said_if_slow("commit", clock, stage="ledger_posting"):
        clock.time_s += seconds
        raise ZeroDivisionError
