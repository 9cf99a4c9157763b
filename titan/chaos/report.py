"""What a campaign came to: its figures, its table, its verdict. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from titan.chaos.schedule import Fault, Kind
from titan.chaos.sightings import ESSENTIAL, Sight

_MINUTE_S: Final = 60.0
_DOUBT_FAULTS_MIN: Final = 100
"""With fewer faults it is chance whether a publish gets through of which its client hears nothing:
one of 211 payments in doubt in a run of 40."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One fault as it struck, and how long it was felt.

    `flow_s` is the time from its end to the first payment that was accepted after it and has been
    posted; `calm_s` the time until everything was up and no accepted payment older than a second
    was without its end. None where it was never reached.
    """

    fault: Fault
    missed: str | None
    """Why it did not come about."""
    company: int
    """How many faults struck at that moment."""
    flow_s: float | None
    calm_s: float | None


@dataclass(kw_only=True)
class Report:
    """A whole campaign."""

    seed: int
    faults_wanted: int
    payments_wanted: int
    hits: list[Hit] = field(default_factory=list)
    not_run: dict[str, str] = field(default_factory=dict)
    """Kinds that this place cannot have, and why."""
    sights: Counter[str] = field(default_factory=Counter)
    payments: int = 0
    """All that ended, those among them that were asked for after the last fault."""
    accepted_meanwhile: int = 0
    """Payments that were accepted before the last fault was over."""
    ended: dict[str, int] = field(default_factory=dict)
    resolved_unknowns: int = 0
    told: int = 0
    """Events that the client's endpoints were told of."""
    noticed: int = 0
    """Notifications that there are."""
    slowest_s: float = 0.0
    failures: list[str] = field(default_factory=list)
    """Why the verdict is no; empty is yes."""
    took_s: float = 0.0
    check_s: float = 0.0
    check_memory_mb: int = 0

    @property
    def struck(self) -> list[Hit]:
        """Those that came about."""
        return [hit for hit in self.hits if hit.missed is None]

    def judge(self) -> None:
        """Note what a run must have met and did not."""
        if len(self.hits) < self.faults_wanted:
            self.failures.append(f"only {len(self.hits)} of {self.faults_wanted} faults were tried")
        struck = {hit.fault.kind for hit in self.struck}
        if self.faults_wanted >= len(Kind):
            never = [kind for kind in Kind if kind not in struck and kind.name not in self.not_run]
            if never:
                self.failures.append(f"never came about: {', '.join(never)}")
            for sight in ESSENTIAL:
                is_demanded = sight is not Sight.UNKNOWN or self.faults_wanted >= _DOUBT_FAULTS_MIN
                if is_demanded and not self.sights[sight]:
                    self.failures.append(f"never seen: {sight}")
        if self.payments < self.payments_wanted:
            self.failures.append(f"only {self.payments} of {self.payments_wanted} payments ended")

    def rows(self) -> list[list[str]]:
        """The table: a line for each kind that was tried or cannot be had here, and one for all."""
        tried = {kind: [hit for hit in self.hits if hit.fault.kind is kind] for kind in Kind}
        return [
            *(_row(kind, hits) for kind, hits in tried.items() if hits),
            *([Kind[name], "not run", "", "", "", "", "", ""] for name in self.not_run),
            _row("all", self.hits),
        ]

    def as_json(self) -> dict[str, Any]:
        """Everything, for programs."""
        return {
            "seed": self.seed,
            "faults": len(self.struck),
            "kinds": len({hit.fault.kind for hit in self.struck}),
            "missed": [
                {"kind": hit.fault.kind, "target": hit.fault.target, "why": hit.missed}
                for hit in self.hits
                if hit.missed
            ],
            "payments": self.payments,
            "accepted_meanwhile": self.accepted_meanwhile,
            "ended": self.ended,
            "resolved_unknowns": self.resolved_unknowns,
            "told": self.told,
            "noticed": self.noticed,
            "slowest_s": round(self.slowest_s, 3),
            "recovery_s": {
                kind.name: {
                    "faults": len(hits),
                    "flow": spread([hit.flow_s for hit in hits]),
                    "calm": spread([hit.calm_s for hit in hits]),
                    "flow_alone": spread([hit.flow_s for hit in hits if hit.company == 1]),
                }
                for kind in Kind
                if (hits := [hit for hit in self.struck if hit.fault.kind is kind])
            },
            "not_run": self.not_run,
            "sights": {sight: self.sights[sight] for sight in Sight},
            "took_s": round(self.took_s, 1),
            "check_s": round(self.check_s, 1),
            "check_memory_mb": self.check_memory_mb,
            "failures": self.failures,
            "verdict": "broken" if self.failures else "kept",
        }


def _row(name: str, hits: Sequence[Hit]) -> list[str]:
    struck = [hit for hit in hits if hit.missed is None]
    flow = spread([hit.flow_s for hit in struck])
    calm = spread([hit.calm_s for hit in struck])
    missed = len(hits) - len(struck)
    return [
        *(name, str(len(struck)), str(missed or "")),
        *_cells(flow, "p50", "p99", "max"),
        *_cells(calm, "p50", "max"),
    ]


def spread(values: Sequence[float | None]) -> dict[str, float]:
    """Percentiles in seconds of what was reached; empty where nothing was."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return {}
    return {
        "p50": round(_rank(known, 0.5), 3),
        "p99": round(_rank(known, 0.99), 3),
        "max": round(known[-1], 3),
    }


def _rank(values: Sequence[float], share: float) -> float:
    """The nearest rank: always a value that was measured."""
    return values[min(len(values) - 1, max(0, -int(-share * len(values) // 1) - 1))]


def _cells(found: Mapping[str, float], *names: str) -> list[str]:
    return [f"{found[name]:.2f}" if found else "-" for name in names]


COLUMNS: Final = ("fault", "hit", "missed", "p50 s", "p99 s", "max s", "calm p50", "calm max")
"""Of the table: until the first payment is posted again, and until all is calm."""


def spent(seconds: float) -> str:
    """A duration as people say it."""
    minutes, rest = divmod(seconds, _MINUTE_S)
    return f"{int(minutes)} min {rest:.0f} s" if minutes else f"{rest:.1f} s"
