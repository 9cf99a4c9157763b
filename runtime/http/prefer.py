"""`Prefer: wait=n` (RFC 7240): how long a client would wait for more than the first answer."""

import re
from typing import Final

from starlette.types import Scope

from runtime import limits
from runtime.http.scope import header_values

APPLIED_HEADER: Final = "Preference-Applied"

_WAIT = re.compile(rb"wait[ \t]*=[ \t]*\"?([0-9]{1,9})\"?[ \t]*(?:;.*)?\Z", re.IGNORECASE)


def wait_of(scope: Scope) -> int | None:
    """Seconds to wait, at most WAIT_S_MAX; None if not asked. What is malformed is not heeded."""
    for value in header_values(scope, b"prefer"):
        for preference in value.split(b","):
            match = _WAIT.match(preference.strip())
            if match:
                return min(int(match[1]), limits.WAIT_S_MAX)
    return None
