"""Copies of the repository in which bugs are planted, and checks run."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from tests.mutants.patches import ROOT, Mutant

CHECK_S_MAX = 300.0
"""A check that takes longer was brought to a standstill by the bug, which is caught as well."""

_FAILED = 1
"""pytest's exit code when tests failed; anything else is an error of its own."""


class Fate(Enum):
    """What became of a planted bug."""

    CAUGHT = "caught"
    SURVIVED = "SURVIVED"
    NOT_APPLIED = "DOES NOT APPLY"
    BROKEN = "BREAKS THE CHECK ITSELF"


@dataclass(frozen=True)
class Result:
    """What became of one, and how long its check took."""

    mutant: Mutant
    fate: Fate
    seconds: float
    tail: str


class Copy:
    """The files of the work tree, committed or not, in a directory of their own."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self._directory = directory
        # No compiled files: two versions of a source within one second would share one.
        self._environment = os.environ | environment | {"PYTHONDONTWRITEBYTECODE": "1"}
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard", "-z"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        for name in listed.stdout.split("\0"):
            if name and (ROOT / name).is_file():
                target = directory / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target)
        (directory / ".venv").symlink_to(ROOT / ".venv")

    def judge(self, mutant: Mutant) -> Result:
        """Plant a bug, run its check, take it back."""
        began_s = time.monotonic()
        if not self._apply(mutant):
            return Result(mutant, Fate.NOT_APPLIED, 0.0, "")
        try:
            code, tail = self.check([mutant.check])
        finally:
            self._apply(mutant, "--reverse")
        fates = {None: Fate.CAUGHT, 0: Fate.SURVIVED, _FAILED: Fate.CAUGHT}
        return Result(mutant, fates.get(code, Fate.BROKEN), time.monotonic() - began_s, tail)

    def check(self, nodes: Sequence[str], *, jobs: int = 0) -> tuple[int | None, str]:
        """Run these tests: pytest's exit code, or None past the time, and its last lines."""
        command = [
            *(sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"),
            *("-p", "tests.mutants.hurry"),
            *(["-n", str(jobs)] if jobs else ["-p", "no:xdist"]),
            *nodes,
        ]
        process = subprocess.Popen(
            command,
            cwd=self._directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=CHECK_S_MAX * (len(nodes) if jobs else 1))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return None, "it ran into the time limit"
        return process.returncode, "\n".join(output.splitlines()[-15:])

    def _apply(self, mutant: Mutant, *options: str) -> bool:
        applied = subprocess.run(
            ["git", "apply", *options, str(mutant.path)],
            cwd=self._directory,
            capture_output=True,
            check=False,
            timeout=30,
        )
        return applied.returncode == 0
