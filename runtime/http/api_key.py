"""API keys: what a program may show in place of a token, looked up where the auth edge keeps it.

256 random bits, kept as a plain SHA-256: there is nothing to guess, and nothing to be read.
"""

import hashlib
import re
from datetime import timedelta
from typing import Final

from runtime.clock import Clock
from runtime.database import Database
from runtime.http.access_token import AccessClaims, invalid_token

MARK: Final = "titan_ak_"

KEY_KNOWN: Final = timedelta(minutes=1)
"""What was read of a key is believed for so long; its standing is asked each time."""

_KEY = re.compile(rf"{MARK}[A-Za-z0-9_-]{{43}}\Z")

# The time of its last use is written once a minute at most: whoever asks wants to know whether
# the key is in use, and each process asks this once a minute in any case.
_FIND: Final = """
    WITH found AS (
        SELECT credential_id, client_id, auth_credentials.scopes, last_used_at
        FROM auth_credentials JOIN auth_clients AS client USING (client_id)
        WHERE secret_hash = $1 AND kind = 'api_key'
          AND auth_credentials.revoked_at IS NULL AND client.revoked_at IS NULL
    ), used AS (
        UPDATE auth_credentials SET last_used_at = $2
        FROM found
        WHERE auth_credentials.credential_id = found.credential_id
          AND (found.last_used_at IS NULL OR found.last_used_at < $3)
    )
    SELECT credential_id, client_id, scopes FROM found
"""


def is_api_key(text: str) -> bool:
    """Whether a bearer shows an API key, and no token."""
    return text.startswith(MARK)


class ApiKeys:
    """Reads API keys from the auth edge's tables."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def verify(self, key: str) -> AccessClaims:
        """What the key stands for, as a token that holds for a minute would say it.

        ProblemError 401, in the words of every bearer that does not hold; Unavailable while the
        database does not answer.
        """
        if not _KEY.match(key):
            raise invalid_token()
        now = self._clock.now()
        digest = hashlib.sha256(key.encode()).digest()
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_FIND, digest, now, now - KEY_KNOWN)
        if row is None:
            raise invalid_token()
        return AccessClaims(
            client_id=row["client_id"],
            session_id=row["credential_id"],
            token_id=row["credential_id"],
            issued_at=now,
            expires_at=now + KEY_KNOWN,
            scopes=frozenset(row["scopes"]),
        )
