"""What a report of pip-audit comes to. Pure.

Its exit status does not tell: it is 0 as well where no package at all could be asked about.
"""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Verdict:
    """Whether a known vulnerability was found, and what to tell."""

    is_bad: bool
    words: str


def verdict_of(report: str) -> Verdict:
    """The verdict on a report in JSON; anything else is a service that did not answer."""
    try:
        packages: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Verdict(
            is_bad=False, words="pip-audit: NOT CHECKED, the vulnerability service did not answer"
        )
    asked = [package for package in packages if "skip_reason" not in package]
    found = [
        f"pip-audit: {package['name']} {package['version']}: {flaw['id']}, mended in "
        f"{', '.join(flaw['fix_versions']) or 'no version yet'}"
        for package in asked
        for flaw in package["vulns"]
    ]
    unknown = len(packages) - len(asked)
    if found:
        return Verdict(is_bad=True, words="\n".join(found))
    if not asked:
        words = f"pip-audit: NOT CHECKED, the service knows none of {unknown} packages"
        return Verdict(is_bad=False, words=words)
    words = f"pip-audit: no known vulnerability in {len(asked)} packages"
    return Verdict(is_bad=False, words=f"{words}; {unknown} not checked" if unknown else words)
