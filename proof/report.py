"""The report of a proof: what it covers, what it found, and a hash that says nobody changed it."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from domain.errors import Invalid
from proof.scope import Since

FORMAT: Final = 1
_DIGEST: Final = "sha256"


def sealed(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report with the SHA-256 over the canonical bytes of all the rest of it."""
    return {**report, _DIGEST: digest_of_report(report)}


def digest_of_report(report: Mapping[str, Any]) -> str:
    """SHA-256 of the report without its own hash: keys sorted, no spaces, UTF-8."""
    rest = {name: value for name, value in report.items() if name != _DIGEST}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(text.encode()).hexdigest()


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    """Write it at once, so that no half of it is ever there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    try:
        fresh.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def read_since(path: Path) -> Since:
    """The position of an earlier proof; Invalid if it was changed, failed, or cannot go on."""
    try:
        report: Any = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(report, dict) or report.get("format") != FORMAT:
            raise Invalid("invalid_report", f"{path} is no report of a proof of this version")
        if report.get(_DIGEST) != digest_of_report(report):
            raise Invalid("report_changed", f"{path} is not as it was written: its SHA-256 differs")
        if not report["ok"]:
            raise Invalid(
                "report_failed", f"{path} is of a proof that failed: prove from the start"
            )
        if report["open_payments"] is None:
            raise Invalid("report_too_open", f"{path} left too many payments open to go on from it")
        return Since(
            sha256=report[_DIGEST],
            snapshot_us=report["snapshot_us"],
            committed=report["offsets"]["committed"],
            proven=report["offsets"]["proven"],
            resume=report["offsets"]["resume"],
            open_payments=frozenset(UUID(id_).bytes for id_ in report["open_payments"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Invalid("invalid_report", f"{path} cannot be read as a report") from error
