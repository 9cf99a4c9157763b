"""What sealing costs: one text of 64 bytes, in and out, by one core."""

import time
import timeit
from collections.abc import Callable
from typing import Final
from uuid import UUID

from bench.figures import Figure
from runtime.vault import Binding, Cipher

PLAIN: Final = b"x" * 64
ROUNDS: Final = 7
CALLS: Final = 50_000
TARGET_US: Final = 1.5
_PERSON: Final = "a11ce000-0000-4000-8000-000000000001"


def measure_vault() -> list[Figure]:
    """Microseconds of CPU for one encryption and one decryption; of several rounds the quickest.

    The quickest, because whatever else runs on the machine only ever adds to it. Binding and
    envelope are in it, base64 in the second pair only.
    """
    cipher = Cipher(bytes(32), key_id=UUID(int=1), kek_id=1)
    binding = Binding("users", "email", _PERSON, _PERSON)
    raw, text = cipher.encrypt(PLAIN, binding), cipher.encrypt(PLAIN.decode(), binding)
    return [
        _figure("encrypt, 64 bytes", lambda: cipher.encrypt(PLAIN, binding), TARGET_US),
        _figure("decrypt, 64 bytes", lambda: cipher.decrypt(raw, binding), TARGET_US),
        _figure("encrypt, 64 characters to base64", lambda: cipher.encrypt("x" * 64, binding)),
        _figure("decrypt, 64 characters from base64", lambda: cipher.decrypt(text, binding)),
    ]


def _figure(name: str, call: Callable[[], object], target_us: float | None = None) -> Figure:
    spans_s = timeit.repeat(call, timer=time.process_time, number=CALLS, repeat=ROUNDS)
    return Figure(
        group="vault",
        name=name,
        value=min(spans_s) / CALLS * 1e6,
        unit="us",
        target=target_us,
        shared="nothing of its own",
    )
