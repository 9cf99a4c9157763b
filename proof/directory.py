"""The join of facts: accounts and handles in the tables, and what the log says of them."""

from proof.findings import Check, Findings
from proof.relations import DEMANDED, IN_LOG, IN_TABLE, NEEDED, Relations

_FLAGS = 32


def join_facts(relations: Relations, part: int, findings: Findings, *, is_log_whole: bool) -> None:
    """Compare one part; names are asked for only while the log still has all that were given."""
    rows = relations.facts.rows(part)
    in_table = {row[:16] for row in rows if row[_FLAGS] & IN_TABLE}
    in_log = {row[:16] for row in rows if row[_FLAGS] & (IN_LOG | NEEDED) == IN_LOG}
    findings.looked(Check.DIRECTORY, len(in_table))
    for row in rows:
        flags = row[_FLAGS]
        if flags & IN_TABLE and flags & DEMANDED and row[:16] not in in_log:
            _fault(findings, row, "stands in a table and in no event")
        elif flags & IN_LOG and flags & DEMANDED and row[:16] not in in_table:
            _fault(findings, row, "is told by an event and stands in no table")
        elif flags & NEEDED and is_log_whole and row[:16] not in in_log:
            _fault(findings, row, "was resolved to an account that its handle never named")
    _newest(relations.versions.rows(part), findings)


def _newest(rows: list[bytes], findings: Findings) -> None:
    """The directory stands at each handle's highest version, or beyond what is covered."""
    stands = {row[:16]: row[16:24] for row in rows if row[24] & IN_TABLE}
    told: dict[bytes, bytes] = {}
    for row in rows:
        if row[24] & IN_LOG:
            told[row[:16]] = max(told.get(row[:16], b""), row[16:24])
    for handle, version in told.items():
        if stands.get(handle, b"") < version:
            number = int.from_bytes(version, "big")
            findings.fault(
                Check.DIRECTORY, f"a handle has version {number} in the log and not in its table"
            )


def _fault(findings: Findings, row: bytes, what: str) -> None:
    findings.fault(Check.DIRECTORY, what, subject=row[16:32])
