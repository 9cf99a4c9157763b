"""Limits of sign-in: each with its unit, its meaning, and what depends on it."""

from typing import Final

# -- Tokens and sessions --------------------------------------------------------------------
ACCESS_TOKEN_S: Final = 600
"""An access token lives so long; no edge believes a longer one."""

REFRESH_GRACE_S: Final = 30
"""So long after it was used, a refresh token still answers with its one successor."""

SESSION_S: Final = 30 * 24 * 3_600
"""After so long somebody has to sign in again, however often they refreshed."""

SESSION_KEPT_S: Final = 24 * 3_600
"""A session's row, and with it the sight of a reused token, is kept so long after its end."""

SESSIONS_MAX: Final = 50
"""Living sessions of one person; a further sign-in ends the oldest."""

# -- Signing keys ---------------------------------------------------------------------------
KEY_PUBLISHED_S: Final = 150
"""A new key is published so long before it signs: longer than any edge waits to ask again."""

KEY_KEPT_S: Final = 900
"""A key is published so long after its successor signs: longer than its last token lives."""

KEYS_FRESH_S: Final = 15.0
"""The auth edge looks this often for keys that an operator made or revoked."""

KEYS_STALE_S_MAX: Final = 120.0
"""While the database is away the known keys serve so long: less than a new key's publication."""

# -- Passwords ------------------------------------------------------------------------------
PASSWORD_CHARACTERS_MIN: Final = 10
"""A shorter password is refused where it is chosen."""

PASSWORD_BYTES_MAX: Final = 72
"""bcrypt reads no further: a longer password, in UTF-8 after NFC, is refused where it is chosen."""

HASH_WAIT_S_MAX: Final = 0.6
"""A password waits so long for its turn to be hashed; past it the answer is 503, and quick."""

HASHES_WAITING_MAX: Final = 8
"""Passwords that wait for their turn at once, per hashing thread of a kind; past it 503."""

HASHES_PER_ADDRESS_MAX: Final = 2
"""Of one address no more wait at once: the next one is told to come again."""

HASH_BURST_S: Final = 2.0
"""Seconds of hashing for strangers at once, before TITAN_PASSWORD_SHARE_PERCENT holds."""

STRANGER_NICENESS: Final = 10
"""Threads that hash for strangers yield to everything else by so many steps of niceness."""

# -- Meters ---------------------------------------------------------------------------------
ADDRESS_FAILURES_MAX: Final = 20
"""Wrong tries in a row from one address, before they are spaced."""

ADDRESS_FAILURE_S: Final = 6.0
"""Of these, one is forgiven after so long."""

REGISTRATIONS_MAX: Final = 20
"""Registrations in a row from one address, before they are spaced."""

REGISTRATION_S: Final = 180.0
"""Of these, one is forgiven after so long."""

SIGN_INS_MAX: Final = 30
"""Sign-ins to one account from one address in a row, right or wrong, before they are spaced."""

SIGN_IN_S: Final = 10.0
"""Of these, one is forgiven after so long."""

ACCOUNT_FAILURES_MAX: Final = 5
"""Wrong tries in a row for one account; from then on each one blocks it for a while."""

BLOCK_S: Final = 30.0
"""The first block lasts so long; each one after it twice as long."""

BLOCK_S_MAX: Final = 900.0
"""No block lasts longer."""

FAILURES_FORGOTTEN_S: Final = 24 * 3_600.0
"""After so long without a try, an account's wrong ones are forgotten."""

KNOWN_ADDRESS_S: Final = 30 * 24 * 3_600.0
"""From an address that signed in within so long, an account is not blocked by what others try."""

REFUSAL_S: Final = 0.8
"""Who is turned away without a look has the answer so long (half of it to all) after asking."""

REFUSALS_PAUSED_MAX: Final = 200
"""So many wait at once; past it the answer comes at once."""

# -- Programs and housekeeping --------------------------------------------------------------
USED_S: Final = 60.0
"""When a credential was last used is noted this often."""

CLIENT_CREDENTIALS_MAX: Final = 20
"""Living credentials of one program."""

HOUSEKEEPING_S: Final = 15.0
"""Pause between two rounds of forgetting what is over, with jitter."""

HOUSEKEEPING_ROWS: Final = 1_000
"""Rows of a kind that one round forgets."""
