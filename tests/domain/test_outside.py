from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.outside import is_outside, target_of
from tests.support.hostile_urls import REFUSED_URLS


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_a_url_that_is_not_plainly_the_outside_is_refused(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        target_of(url)
    assert refused.value.code == "url_refused"


@pytest.mark.parametrize("url", [u for u in REFUSED_URLS if "127.0.0.1" not in u])
def test_the_demo_too_refuses_all_but_this_machine_by_its_plain_names(url: str) -> None:
    if url in {"https://localhost/", "https://[::1]/"}:
        assert target_of(url, loopback=True).port == 443
        return
    with pytest.raises(Invalid):
        target_of(url, loopback=True)


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("https://example.com", "example.com", "/"),
        ("https://Example.COM:443/Hook?x=%20&y", "example.com", "/Hook?x=%20&y"),
        ("https://example.com:8443/hook", "example.com:8443", "/hook"),
        ("https://8.8.8.8/", "8.8.8.8", "/"),
        ("https://[2606:4700:4700::1111]:8443/", "[2606:4700:4700::1111]:8443", "/"),
        ("https://a-b.c1.example/", "a-b.c1.example", "/"),
    ],
)
def test_a_url_of_the_outside_is_taken_apart(url: str, authority: str, path: str) -> None:
    target = target_of(url)
    assert (target.authority, target.path) == (authority, path)


def test_the_demo_may_call_this_machine_in_clear_at_any_port() -> None:
    assert target_of("http://127.0.0.1:9000/hook", loopback=True).authority == "127.0.0.1:9000"
    assert target_of("http://localhost:9000/", loopback=True).host == "localhost"
    with pytest.raises(Invalid):
        target_of("http://10.0.0.1:9000/", loopback=True)


@given(number=st.integers(0, 2**32 - 1))
def test_what_is_outside_is_global_and_no_disguise_of_it_is(number: int) -> None:
    address = IPv4Address(number)
    if is_outside(address):
        assert address.is_global
        assert not any((address.is_private, address.is_multicast, address.is_reserved))
    for disguise in (
        IPv6Address(0xFFFF << 32 | number),
        IPv6Address((0x64FF9B << 96) | number),
        IPv6Address((0x2002 << 112) | (number << 80)),
        IPv6Address((0x20010000 << 96) | number),
        IPv6Address(number),
    ):
        assert not is_outside(disguise)


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111"])
def test_public_addresses_are_outside(text: str) -> None:
    assert is_outside(ip_address(text))
