import json
import logging

import pytest
import structlog

from runtime.settings import Settings
from runtime.telemetry import configure_logging

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


def test_the_libraries_that_print_payloads_are_held_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging(Settings(log_level="DEBUG"))

    logging.getLogger("aiokafka.producer").debug("Sending (key=%s)", CANARY)
    logging.getLogger("aiokafka.producer").warning("Broker gone")

    [line] = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "Broker gone"
