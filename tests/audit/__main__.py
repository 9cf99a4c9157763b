"""Ask whether a locked requirement has a known vulnerability: `python -m tests.audit FILE`.

Ends with 1 if one is found. Where the vulnerability service cannot be asked it says so in one line
and ends with 0: the same code on the same machine must not fail because of a network.
"""

import subprocess
import sys
from typing import Final

from tests.audit.verdict import verdict_of

ASKING_S_MAX: Final = 120.0


def main(path: str) -> int:
    """Audit a locked requirements file; the exit status."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes"]
    options = ["--format", "json", "--progress-spinner", "off", "--timeout", "5"]
    try:
        audit = subprocess.run(
            [*command, *options, "--requirement", path],
            capture_output=True,
            text=True,
            timeout=ASKING_S_MAX,
            check=False,
        )
        report = audit.stdout
    except subprocess.TimeoutExpired:
        report = ""
    verdict = verdict_of(report)
    sys.stdout.write(f"{verdict.words}\n")
    return int(verdict.is_bad)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
