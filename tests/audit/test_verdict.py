"""A vulnerability fails the lint, and silence of the service is told and does not."""

import json
from typing import Any

import pytest

from tests.audit.verdict import verdict_of

SOUND = {"name": "anyio", "version": "4.0", "vulns": []}
UNKNOWN = {"name": "idna", "skip_reason": "Dependency not found on the index"}
FLAWED = {
    "name": "jinja2",
    "version": "2.0",
    "vulns": [{"id": "PYSEC-2021-66", "fix_versions": ["2.11.3"], "aliases": []}],
}


def report(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def test_a_known_vulnerability_is_named_and_fails() -> None:
    verdict = verdict_of(report(SOUND, FLAWED, UNKNOWN))

    assert verdict.is_bad
    assert "jinja2 2.0: PYSEC-2021-66, mended in 2.11.3" in verdict.words


@pytest.mark.parametrize(
    "silence", ["", "Traceback", "{}", "[]", report(), report(UNKNOWN, UNKNOWN)]
)
def test_a_service_that_says_nothing_is_told_in_one_line_and_does_not_fail(silence: str) -> None:
    verdict = verdict_of(silence)

    assert not verdict.is_bad
    assert verdict.words.startswith("pip-audit: NOT CHECKED")
    assert "\n" not in verdict.words


def test_what_could_not_be_checked_is_counted_beside_what_could() -> None:
    assert verdict_of(report(SOUND, SOUND)).words.endswith("in 2 packages")
    assert verdict_of(report(SOUND, UNKNOWN)).words.endswith("in 1 packages; 1 not checked")
