"""Goal: each import contract catches what it is there to catch.

Method: copy the house, plant one import, and run import-linter on the copy.
"""

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1]
CONFIG = HOUSE / ".importlinter"
RUN_S_MAX = 60.0

settings = configparser.ConfigParser()
settings.read(CONFIG)
ROOMS = settings["importlinter"]["root_packages"].split()
CONTRACTS = {
    section.rpartition(":")[2] for section in settings.sections() if ":contract:" in section
}

PLANTED = [
    ("floors", "domain/money.py", "import schemas.event"),
    ("floors", "schemas/wire.py", "import runtime.clock"),
    ("floors", "runtime/clock.py", "import projections.payments"),
    ("floors", "runtime/clock.py", "import ledger_adapter.ports"),
    ("floors", "ledger_adapter/ports.py", "import runtime.clock"),
    ("floors", "projections/payments.py", "import consumers.ledger_posting.decide"),
    ("floors", "producers/payments/app.py", "import consumers.ledger_posting.decide"),
    ("floors", "consumers/ledger_posting/app.py", "import producers.payments.app"),
    ("floors", "producers/payments/app.py", "import titan.cli"),
    ("floors", "consumers/ledger_posting/app.py", "import proof.event"),
    ("floors", "proof/prove.py", "import titan.cli"),
    ("proof", "proof/payments.py", "import domain.payment"),
    ("proof", "proof/payments.py", "from projections.payment_fold import fold"),
    ("proof", "proof/money.py", "from consumers.ledger_posting.decide import posting_id_of"),
    ("proof", "proof/event.py", "import schemas.wire"),
    ("stages-apart", "consumers/ledger_posting/app.py", "import consumers.risk_screening.decide"),
    ("edges-apart", "producers/payments/app.py", "import producers.handles.app"),
    ("rooms", "consumers/risk_screening/decide.py", "import consumers.risk_screening.ports"),
    ("rooms", "consumers/risk_screening/ports.py", "import consumers.risk_screening.store"),
    ("rooms", "consumers/risk_screening/store.py", "import consumers.risk_screening.handler"),
    ("rooms", "consumers/risk_screening/handler.py", "import consumers.risk_screening.store"),
    ("rooms", "consumers/risk_screening/handler.py", "import consumers.risk_screening.app"),
    ("rooms", "consumers/risk_screening/helpers.py", ""),
    ("pure", "domain/payment.py", "import random"),
    ("pure", "schemas/event.py", "import asyncio"),
    ("pure", "consumers/ledger_posting/decide.py", "import asyncpg"),
    ("pure", "consumers/ledger_posting/decide.py", "from runtime.clock import SystemClock"),
    ("bus", "consumers/ledger_posting/handler.py", "import faststream"),
    ("bus", "consumers/risk_screening/store.py", "import aiokafka"),
    ("bus", "producers/payments/app.py", "from aiokafka import AIOKafkaProducer"),
    ("floors", "replay/log.py", "import titan.cli"),
    ("floors", "projections/payments.py", "import replay.log"),
    ("replay", "replay/tables.py", "import consumers.risk_screening.decide"),
    ("replay", "replay/shadow.py", "import consumers.risk_screening.store"),
    ("replay", "replay/log.py", "from runtime.publisher import KafkaPublisher"),
    ("replay", "replay/run.py", "import runtime.stage"),
]


def lint(house: Path, *contracts: str) -> subprocess.CompletedProcess[str]:
    chosen = [argument for name in contracts for argument in ("--contract", name)]
    # Not the `lint-imports` script: what it would import is this house, not the copy.
    command = "import sys; from importlinter.cli import lint_imports_command as run; run()"
    return subprocess.run(
        [sys.executable, "-c", command, "--no-cache", *chosen],
        cwd=house,
        env={"PYTHONPATH": str(house), "PATH": "", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=RUN_S_MAX,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for room in ROOMS:
        shutil.copytree(HOUSE / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CONFIG, tmp_path)
    return tmp_path


def test_the_house_as_it_stands_keeps_every_contract() -> None:
    result = lint(HOUSE)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(("contract", "file", "planted"), PLANTED)
def test_a_planted_import_is_caught(copy: Path, contract: str, file: str, planted: str) -> None:
    path = copy / file
    text = path.read_text("utf-8") if path.exists() else '"""Odds and ends."""\n'
    path.write_text(f"{text}\n{planted}\n", "utf-8")
    result = lint(copy, contract)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "0 kept, 1 broken" in " ".join(result.stdout.split())


def test_every_contract_was_shown_to_catch_something() -> None:
    assert {contract for contract, _, _ in PLANTED} == CONTRACTS


def test_every_folder_of_code_has_a_floor() -> None:
    folders = {path.parent.name for path in HOUSE.glob("*/__init__.py")} - {"tests", "bench"}
    layers = settings["importlinter:contract:floors"]["layers"].replace("|", " ").split()
    assert folders == set(ROOMS) == set(layers)
