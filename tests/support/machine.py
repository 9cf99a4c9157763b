"""A machine that figures were measured on."""

from datetime import UTC, datetime

from bench.machine import Machine

MACHINE = Machine(
    measured_at=datetime(2026, 11, 23, tzinfo=UTC),
    cpu="a processor",
    cores=2,
    memory_gb=24,
    system="Linux x86_64",
    python="3.11",
    load_before=0.1,
)
