"""Links that stop e-mails on one subject: good without a sign-in, for that and nothing else."""

import json
from typing import Final, NamedTuple

from domain.errors import Invalid
from domain.notification import Subject
from runtime.http.problem import ProblemError
from runtime.vault import Vault

_PURPOSE: Final = "notifications.unsubscribe"


class Unsubscription(NamedTuple):
    """Who wants no more e-mails, and on what."""

    client_id: str
    subject: Subject


class Links:
    """Writes and reads the links. `base_url` is where the outside finds this edge."""

    def __init__(self, vault: Vault, base_url: str) -> None:
        self._vault = vault
        self._base_url = base_url.rstrip("/")

    def url(self, client_id: str, subject: Subject) -> str:
        """The link for an e-mail's head and foot."""
        sealed = self._vault.seal(json.dumps([client_id, subject]), _PURPOSE)
        return f"{self._base_url}/unsubscribe/{sealed.rstrip('=')}"

    def read(self, token: str) -> Unsubscription:
        """What a link is for; ProblemError 404 if it is none of ours."""
        try:
            opened = self._vault.open(token + "=" * (-len(token) % 4), _PURPOSE)
            client_id, subject = json.loads(opened)
            return Unsubscription(client_id, Subject(subject))
        except (Invalid, ValueError):
            raise ProblemError(404, "not_found", "there is nothing here") from None
