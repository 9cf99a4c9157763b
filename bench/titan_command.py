"""A command of Titan as anybody runs it, in a process of its own."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from runtime.clock import Clock

_ROOT: Final = Path(__file__).resolve().parents[1]


async def run_titan(
    *arguments: str, environment: Mapping[str, str], clock: Clock
) -> tuple[Any, float]:
    """What it says with --json, and the seconds that it took; SystemExit if it fails."""
    began_s = clock.monotonic_s()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "titan", *arguments, "--json"),
        cwd=_ROOT,
        env=environment,
        stdout=PIPE,
    )
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"titan {arguments[0]} ended with {process.returncode}")
    return json.loads(said), clock.monotonic_s() - began_s
