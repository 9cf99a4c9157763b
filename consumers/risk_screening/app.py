"""Wiring of the risk screening stage."""

from functools import partial
from pathlib import Path
from typing import Any

import yaml
from faststream import FastStream

from consumers.risk_screening.handler import on_payments_resolved
from consumers.risk_screening.store import PostgresPayers
from domain.errors import Invalid
from domain.limits import RiskLimits
from runtime.app import Resources, stage_app
from runtime.stage import Stage
from schemas.account import Tier


def load_limits(path: Path) -> RiskLimits:
    """The limits file, validated; Invalid names every fault, and every tier must be covered."""
    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        limits = RiskLimits.model_validate(raw)
    except (OSError, yaml.YAMLError, ValueError) as error:
        raise Invalid("invalid_limits", f"{path.name}: {error}") from error
    missing = set(Tier) - limits.tiers.keys() - limits.unlimited
    if missing:
        raise Invalid("invalid_limits", f"{path.name} says nothing of {', '.join(sorted(missing))}")
    return limits


def build(resources: Resources) -> Stage:
    """The stage with the limits of this place."""
    limits = load_limits(resources.settings.limits_file)
    return Stage(
        "risk_screening",
        partial(on_payments_resolved, payers=PostgresPayers(), limits=limits),
    )


def make_app() -> FastStream:
    """The application, for `faststream run consumers.risk_screening.app:make_app --factory`."""
    return stage_app("risk_screening", build)
