"""Calls to the outside: to hosts that strangers named, and therefore through a guard.

Outgoing (client.py) -> Resolver (resolving.py)      a name's addresses, checked, on each call
                     -> Exchange (exchange.py)       one HTTP/1.1 request and its answer, bounded
The rules of URLs and addresses are domain/outside.py's.
"""

from runtime.outgoing.client import Outgoing, Reply
from runtime.outgoing.failure import NoTurn, OutgoingFailure
from runtime.outgoing.resolving import Resolver, SystemResolver

__all__ = ["NoTurn", "Outgoing", "OutgoingFailure", "Reply", "Resolver", "SystemResolver"]
