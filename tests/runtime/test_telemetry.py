import json
import logging

import pytest
import structlog

from runtime.settings import Settings
from runtime.telemetry import FASTSTREAM_LOG, configure_logging

CANARY = "canary-7f3a@example.org"


@pytest.fixture(autouse=True)
def _restored() -> object:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


def test_no_personal_field_reaches_a_log_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings())
    logger = structlog.get_logger()

    logger.info("event", email=CANARY, detail={"Password": CANARY, "deep": {"token": CANARY}})
    logger.warning("event", payload=[CANARY], authorization=CANARY, stage="risk_screening")

    lines = capsys.readouterr().err.splitlines()
    assert CANARY not in "".join(lines)
    assert json.loads(lines[1])["stage"] == "risk_screening"


@pytest.mark.parametrize(
    "telling", [CANARY, "+12025550143", "123-45-6789", "eyJhbGciOiJub25lIn0.e30.c2ln"]
)
def test_what_an_exception_quotes_of_a_person_reaches_no_log_line(
    capsys: pytest.CaptureFixture[str], telling: str
) -> None:
    configure_logging(Settings())
    error = ValueError(f"Key (email)=({telling}) already exists; at 2026-11-23T10:00:00.123456Z")

    structlog.get_logger().error("failed", exc_info=error, parts=[f"<{telling}>", {"a": telling}])
    logging.getLogger("asyncpg").error("of %s", telling, exc_info=error)

    lines = capsys.readouterr().err
    assert telling not in lines
    assert lines.count("already exists; at 2026-11-23T10:00:00.123456Z") == 2


def test_the_libraries_that_print_payloads_are_held_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging(Settings(log_level="DEBUG"))

    logging.getLogger("aiokafka.producer").debug("Sending (key=%s)", CANARY)
    logging.getLogger("aiokafka.producer").warning("Broker gone")

    [line] = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "Broker gone"


def test_what_faststream_says_of_a_failure_is_a_line_like_ours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging(Settings(log_level="DEBUG"))

    FASTSTREAM_LOG.log(logging.INFO, "Received", extra={"topic": "payment.requested.v1"})
    FASTSTREAM_LOG.log(logging.ERROR, "raised an exception, retrying")

    [line] = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "raised an exception, retrying"
