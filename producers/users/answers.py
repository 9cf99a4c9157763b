"""Rows as the API tells them. Pure."""

from producers.users.cases import CaseRow
from producers.users.documents import DocumentRow
from producers.users.models import CaseAnswer, DocumentAnswer
from producers.users.models_admin import ReviewAnswer


def case_answer(row: CaseRow | None) -> CaseAnswer | None:
    """A case as its person sees it."""
    if row is None:
        return None
    return CaseAnswer(
        id=row.case.case_id,
        tier=row.case.wanted,
        state=row.case.state,
        reason=row.case.reason,
        submitted_at=row.submitted_at,
        changed_at=row.changed_at,
    )


def review_answer(row: CaseRow) -> ReviewAnswer:
    """A case as reviewers see it."""
    return ReviewAnswer(
        id=row.case.case_id,
        person_id=row.case.person_id,
        tier=row.case.wanted,
        state=row.case.state,
        version=row.case.version,
        proposed_by=row.case.proposed_by,
        reason=row.case.reason,
        submitted_at=row.submitted_at,
        changed_at=row.changed_at,
    )


def document_answer(row: DocumentRow) -> DocumentAnswer:
    """A document, without what is in it."""
    return DocumentAnswer(
        id=row.document_id,
        kind=row.kind,
        media_type=row.media_type,
        size=row.size_bytes,
        stored_at=row.stored_at,
    )
