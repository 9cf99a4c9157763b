"""Where Titan may call: URLs that strangers give it, and the addresses that their names lead to.

Whoever names a URL would like it to lead to this house's own network: no spelling of an address may
do so, and no name that resolves to one. Pure: names are resolved by runtime/outgoing.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

from domain.errors import Invalid

URL_CHARACTERS_MAX: Final = 2_000
"""A longer URL is refused."""

PORTS: Final = frozenset({443, 8443})
"""Where the outside may be called; no port of a server that is no web server."""

Address = IPv4Address | IPv6Address

_REFUSED: Final[tuple[IPv4Network | IPv6Network, ...]] = tuple(
    ip_network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        # A cloud's own door to the machine it runs, at an address that looks public.
        "168.63.129.16/32",
        *("::/8", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16"),
        *("fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
        # An IPv4 address within: mapped and NAT64 (also in ::/8), 6to4, Teredo (in 2001::/23).
        *("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16"),
    )
)
_GLOBAL_V6: Final = ip_network("2000::/3")
_LOOPBACK: Final = ip_network("127.0.0.0/8")
_LOOPBACK_V6: Final = IPv6Address("::1")

_REMEMBERED: Final = 4_096
"""URLs and hosts whose parts are remembered: the same few are called over and over."""

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[!-\"$-\[\]-~]*)?\Z",
    re.IGNORECASE,
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_NUMBER_LIKE = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\Z")
_OWN_NAMES: Final = ("localhost", "local", "internal", "localdomain", "lan", "arpa", "onion")
_LABELS_MIN: Final = 2
_HOST_CHARACTERS_MAX: Final = 253
_PORT_MAX: Final = 65_535
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be called, in parts; `host` is lower case, without brackets."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def literal(self) -> Address | None:
        """The address, where the host is one."""
        return _literal(self.host)


@lru_cache(maxsize=_REMEMBERED)
def target_of(url: str, *, loopback: bool = False) -> Target:
    """The parts of a URL; Invalid `url_refused` unless the outside may be called by it.

    `loopback` lets this very machine be called as well, in clear and at any port: for the demo,
    whose receivers live beside it.
    """
    if len(url) > URL_CHARACTERS_MAX:
        raise _refused(f"a URL has at most {URL_CHARACTERS_MAX} characters")
    match = _URL.match(url)
    if match is None:
        raise _refused("send https://host/path: ASCII, no user name, no fragment, no spaces")
    scheme = match["scheme"].lower()
    host = match["host"].lower().strip("[]")
    port = _DEFAULT_PORTS[scheme] if match["port"] is None else int(match["port"])
    target = Target(scheme, host, port, match["path"] or "/")
    if not 1 <= port <= _PORT_MAX:
        raise _refused("there is no such port")
    _demand_sound(host)
    if loopback and is_this_machine(host):
        return target
    if scheme != "https":
        raise _refused("https only")
    if port not in PORTS:
        raise _refused("the port is 443 or 8443")
    literal = target.literal
    if literal is not None and not is_outside(literal):
        raise _refused("the address is not one of the public Internet")
    if literal is None and _is_own_name(host):
        raise _refused("the name is not one of the public Internet")
    return target


def is_this_machine(host: str) -> bool:
    """Whether a host, as `target_of` gives it, says by its spelling that it is this machine."""
    if host == "localhost":
        return True
    literal = _literal(host)
    return literal is not None and is_loopback(literal)


def is_loopback(address: Address) -> bool:
    """Whether an address is this machine's own, in no disguise."""
    return address == _LOOPBACK_V6 if address.version == 6 else address in _LOOPBACK  # noqa: PLR2004 - the version


def is_outside(address: Address) -> bool:
    """Whether an address is a plain one of the public Internet.

    Addresses that carry another one within are not, whatever they carry.
    """
    if isinstance(address, IPv6Address):
        if address.scope_id is not None or address not in _GLOBAL_V6:
            return False
    elif address.is_multicast:
        return False
    return address.is_global and not any(
        address.version == network.version and address in network for network in _REFUSED
    )


def _demand_sound(host: str) -> None:
    if ":" in host:
        if _literal(host) is None:
            raise _refused("the host is no address")
        return
    if len(host) > _HOST_CHARACTERS_MAX or not all(_LABEL.match(each) for each in host.split(".")):
        raise _refused("the host is no name")
    labels = host.split(".")
    if _NUMBER_LIKE.match(labels[-1]) and _literal(host) is None:
        # 127.1, 2130706433, 0x7f.1 and 0177.0.0.1 are addresses to some resolvers.
        raise _refused("spell an address as four decimal numbers")
    if any(label.startswith("xn--") for label in labels):
        raise _refused("a name in punycode is not taken: two that look alike may differ")


def _is_own_name(host: str) -> bool:
    labels = host.split(".")
    return len(labels) < _LABELS_MIN or labels[-1] in _OWN_NAMES


@lru_cache(maxsize=_REMEMBERED)
def _literal(host: str) -> Address | None:
    try:
        # It takes four decimal numbers without leading zeros, or IPv6, and nothing else.
        return ip_address(host)
    except ValueError:
        return None


def _refused(why: str) -> Invalid:
    return Invalid("url_refused", why)
