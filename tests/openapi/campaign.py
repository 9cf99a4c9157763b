"""One run of schemathesis against one edge: what it sent, and what it found."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

CONFIG: Final = Path(__file__).with_name("schemathesis.toml")
RUN_S_MAX: Final = 240


@dataclass(frozen=True)
class Found:
    """What a run came to. `faults` is its whole output where something was found."""

    cases: int
    operations: set[str]
    faults: str


@dataclass(frozen=True)
class Campaign:
    """A run against the document at `url`, repeatable by its seed."""

    url: str
    seed: int
    examples: int
    """Drawn for each operation, in each phase that draws."""
    headers: Sequence[str] = ()

    def run(self, directory: Path) -> Found:
        """Send it all; everything it writes goes into the directory."""
        report = directory / "report.ndjson"
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)]
        options = {
            "--checks": "all",
            "--max-examples": str(self.examples),
            "--seed": str(self.seed),
            "--workers": "1",
            "--generation-database": "none",
            "--report": "ndjson",
            "--report-ndjson-path": str(report),
            "--request-timeout": "20",
        }
        done = subprocess.run(
            [
                *command,
                *("run", f"{self.url}/openapi.json", "--no-color", "--continue-on-failure"),
                *(word for pair in options.items() for word in pair),
                *(word for header in self.headers for word in ("--header", header)),
            ],
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=RUN_S_MAX,
            check=False,
        )
        events = [json.loads(line) for line in report.read_text().splitlines()]
        is_clean = done.returncode == 0
        return Found(
            cases=sum(map(_cases, events)),
            operations=set().union(*map(_drawn_for, events)),
            faults="" if is_clean else f"seed {self.seed}\n{done.stdout}\n{done.stderr}",
        )


def _cases(event: dict[str, Any]) -> int:
    return len(event.get("ScenarioFinished", {}).get("recorder", {}).get("cases", {}))


def _drawn_for(event: dict[str, Any]) -> set[str]:
    scenario = event.get("ScenarioFinished", {})
    return {scenario["recorder"]["label"]} if scenario.get("phase") == "fuzzing" else set()
