"""The names that people see beside handles: sealed before they leave the edge, opened in answers.

A person's is sealed under the person's own key, so that forgetting the person ends it; a
program's, and the demo's, under the house's.
"""

from domain.client import person_of
from producers.handles.decide import DISPLAY_NAME_PURPOSE, Candidate
from producers.handles.sight import Sight
from runtime.contact_handles import display_name_binding
from runtime.vault import Vault


async def sealed_name(vault: Vault, candidate: Candidate) -> str | None:
    """The display name of a claim, sealed; None for what has none.

    Raises Forgotten, and Unavailable where the person's key cannot be had just now.
    """
    name = candidate.display_name
    if name is None:
        return None
    person_id = person_of(candidate.origin.client_id)
    if person_id is None:
        return vault.seal(name, DISPLAY_NAME_PURPOSE)
    [sealed] = await vault.seal_for(
        person_id, [(display_name_binding(candidate.handle, person_id), name)]
    )
    return sealed


async def opened_name(vault: Vault, handle: str, sight: Sight) -> str | None:
    """The display name of a handle that names somebody; None once its holder was forgotten.

    Asks nobody while the holder's key is in memory. Raises Invalid where the house's key is lost.
    """
    assert sight.target is not None
    sealed = sight.target.display_name_sealed
    person_id = person_of(sight.client_id)
    if person_id is None:
        return vault.open(sealed, DISPLAY_NAME_PURPOSE)
    [name] = await vault.open_each([(display_name_binding(handle, person_id), sealed)])
    return name
