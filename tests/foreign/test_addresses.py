"""Guard of the addresses that callers name."""

import asyncio
import ipaddress
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lite_gateway.errors import Refused
from lite_gateway.foreign.addresses import LOOPBACK_HOSTS, AddressGuard, AllowedHost
from lite_gateway.foreign.hosts import NotAHost, ServerUrl, is_public

NAMES = {
    "public.example": ["93.184.216.34", "2606:2800:220:1::1"],
    "one-inside.example": ["93.184.216.34", "10.0.0.1"],
    "inside.example": ["192.168.1.1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "zone.example": ["fe80::1%eth0"],
    "livekit": ["172.18.0.3"],
}


def resolve(host: str, port: int) -> list[str]:
    if host not in NAMES:
        raise OSError(-2, "Name or service not known")
    return NAMES[host]


def guard(*allowed: str, own_urls: tuple[str, ...] = ()) -> AddressGuard:
    return AddressGuard(allowed, own_urls=own_urls, resolve=resolve)


def pinned(addresses: AddressGuard, url: str) -> str:
    try:
        return asyncio.run(addresses.pinned(url))
    finally:
        addresses.close()


def refusal(addresses: AddressGuard, url: str) -> str:
    with pytest.raises(Refused) as refused:
        pinned(addresses, url)
    assert refused.value.status == 422
    return str(refused.value)


LOOPBACK = (
    "127.0.0.1 127.1 127.0.1 0 0.0.0.0 0x7f000001 0X7F.1 2130706433 017700000001 "
    "0177.0.0.01 0x7f.0x0.0x0.0x1 127.0.0.1. [::1] [::] [0:0:0:0:0:0:0:1] "
    "[::ffff:127.0.0.1] [::FFFF:7f00:1] [::127.0.0.1] [64:ff9b::7f00:1] "
    "[64:ff9b::127.0.0.1] [2002:7f00:1::] [2002:7f00:1::1] 127\u30020\u30020\u30021 "
    "\uff11\uff12\uff17.0.0.1 \u2460\u2461\u2466.0.0.1"
)
PRIVATE = (
    "10.0.0.1 172.16.0.1 172.31.255.255 192.168.0.1 169.254.169.254 100.64.0.1 "
    "100.100.100.200 192.0.0.192 192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 "
    "224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 168.63.129.16 192.88.99.1 "
    "[fe80::1] [fc00::1] [fd00:ec2::254] [ff02::1] [ff0e::1] [2001:db8::1] [3fff::1] "
    "[2001::1] [fec0::1] [100::1] [64:ff9b:1::1] [5f00::1] [2002:a9fe:a9fe::] "
    "[64:ff9b::a9fe:a9fe] 0xa9fea9fe 2852039166 10.1 [::ffff:a9fe:a9fe]"
)
NO_HOST = (
    "256.0.0.1 1.2.3.4.5 0x100000000 4294967296 08.0.0.1 [fe80::1%25eth0] "
    "[fe80::1%eth0] [127.0.0.1] [::g] [] %31%32%37.0.0.1 a@127.0.0.1 "
    "user:pw@public.example public.example:0 public.example:65536 public.example:abc "
    "public.example: -a.example a..example .example public.example#@10.0.0.1 "
    "public.example\\@10.0.0.1 public.example?x=1 public.example/?x "
    "public.example/../x public.example//x public.example/a%2fb public.example/x;y "
    "\u2100.example \ud800.example a\x00.example"
)
SPACES = (" public.example", "public.example\n", "a\tb.example", "x" * 254)


@pytest.mark.parametrize("scheme", ["ws", "wss", "http", "https"])
@pytest.mark.parametrize("host", [*LOOPBACK.split(), *PRIVATE.split()])
def test_no_spelling_of_an_internal_address_is_allowed(scheme, host):
    texts = {refusal(guard(), f"{scheme}://{host}{end}") for end in ("", ":6379", "/")}
    assert texts == {
        "livekit_url: this host has no public address; the operator may allow it with "
        "LITE_ALLOWED_HOSTS"
    }


@pytest.mark.parametrize("host", [*NO_HOST.split(), *SPACES])
def test_what_parsers_could_read_in_two_ways_is_no_url(host):
    assert "must be a URL with ws, wss" in refusal(
        guard("0.0.0.0/0", "::/0"), f"wss://{host}"
    )


@pytest.mark.parametrize(
    "url", ["", "x", "ftp://public.example", "file:///etc/passwd", "//public.example"]
)
def test_only_urls_of_livekit_servers_are_allowed(url):
    assert "must be a URL with ws, wss" in refusal(guard(), url)


@pytest.mark.parametrize(
    "name", ["one-inside", "inside", "mapped", "zone", "unknown", "livekit"]
)
def test_a_name_is_refused_if_one_address_is_internal_or_none_is_known(name):
    host = name if name == "livekit" else f"{name}.example"
    assert "has no public address" in refusal(guard(), f"wss://{host}")


@pytest.mark.parametrize(
    ("url", "connected"),
    [
        ("wss://public.example", "wss://public.example"),
        ("WSS://Public.Example:443/", "wss://public.example"),
        ("wss://public.example.:7880", "wss://public.example:7880"),
        ("ws://public.example:7880", "ws://93.184.216.34:7880"),
        ("http://public.example", "http://93.184.216.34"),
        ("https://\uff50ublic.example", "https://public.example"),
        ("ws://93.184.216.34", "ws://93.184.216.34"),
        ("ws://0x5db8d822:80", "ws://93.184.216.34"),
        ("wss://[2606:2800:220:1::1]", "wss://[2606:2800:220:1::1]"),
        ("wss://[64:ff9b::5db8:d822]", "wss://[64:ff9b::5db8:d822]"),
    ],
)
def test_a_public_host_is_connected_to_at_the_address_that_was_checked(url, connected):
    assert pinned(guard(), url) == connected


@pytest.mark.parametrize(
    ("entry", "allowed", "refused"),
    [
        ("livekit", "ws://LiveKit:7880", "ws://inside.example"),
        ("livekit:7880", "ws://livekit:7880", "ws://livekit:7881"),
        ("*.example", "ws://inside.example", "ws://livekit"),
        ("*.Inside.example", "ws://a.inside.example", "ws://inside.example"),
        ("10.0.0.1", "ws://10.1", "ws://10.0.0.2"),
        ("10.0.0.1:7880", "ws://10.0.0.1:7880", "ws://10.0.0.1"),
        ("10.0.0.0/8", "ws://10.9.9.9", "ws://11.0.0.1.example"),
        ("172.16.0.0/12", "ws://172.18.0.3", "ws://inside.example"),
        ("::1", "ws://[::1]:1", "ws://[::2]"),
        ("[::1]:7880", "ws://[::1]:7880", "ws://[::1]:7881"),
        ("fd00::/8", "ws://[fd00::1]", "ws://[fe80::1]"),
        ("127.0.0.1", "ws://[::ffff:127.0.0.1]", "ws://[::1]"),
    ],
)
def test_the_operator_allows_hosts(entry, allowed, refused):
    pinned(guard(entry), allowed)
    refusal(guard(entry), refused)


def test_a_network_allows_the_names_that_are_in_it():
    assert pinned(guard("172.16.0.0/12"), "ws://livekit:7880") == "ws://172.18.0.3:7880"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.8.8.8"])
def test_loopback_can_be_allowed_as_a_whole(host):
    pinned(guard(*LOOPBACK_HOSTS), f"ws://{host}:7880")


def test_servers_of_the_gateway_are_allowed_at_their_port_with_their_path():
    own = guard(own_urls=("ws://livekit:7880", "https://10.0.0.1/livekit/", ""))
    assert pinned(own, "http://livekit:7880/") == "http://livekit:7880"
    own = guard(own_urls=("https://10.0.0.1/livekit/",))
    assert pinned(own, "wss://10.0.0.1/livekit/") == "wss://10.0.0.1/livekit"
    refusal(guard(own_urls=("ws://livekit:7880",)), "ws://livekit:6379")


def test_a_path_is_for_hosts_of_the_operator():
    assert "path and query" in refusal(guard(), "wss://public.example/x")
    assert pinned(guard("public.example"), "wss://public.example/x").endswith("/x")


@pytest.mark.parametrize(
    "entry", ["", "*", "*.", "*.10.0.0.1", "a b", "10.0.0.0/33", "h:0", "h:x", "ws://h"]
)
def test_an_entry_that_is_no_host_is_an_error(entry):
    with pytest.raises(NotAHost):
        AllowedHost.parse(entry)


def test_the_spelling_is_checked_without_a_look_up():
    addresses = guard()
    addresses.check_spelling("wss://inside.example")
    for url in ("ws://0", "ws://[::1]", "ftp://inside.example"):
        with pytest.raises(Refused):
            addresses.check_spelling(url, "url")
    addresses.close()


def test_a_name_server_that_is_silent_delays_nobody_for_long():
    release = threading.Event()

    def silent(host: str, port: int) -> list[str]:
        release.wait(30)
        return ["93.184.216.34"]

    addresses = AddressGuard(resolve=silent, timeout_s=0.05)
    try:
        assert "has no public address" in refusal(addresses, "wss://slow.example")
    finally:
        release.set()


@given(st.ip_addresses(v=4))
def test_an_address_is_public_or_not_however_it_is_wrapped(address):
    public = is_public(address)
    number = int(address)
    wrapped = [
        ipaddress.IPv6Address(0xFFFF << 32 | number),
        ipaddress.IPv6Address(0x64FF9B << 96 | number),
        ipaddress.IPv6Address(0x2002 << 112 | number << 80),
    ]
    assert [is_public(each) for each in wrapped] == [public] * 3
    spellings = [str(number), hex(number), f"0{number:o}", str(address) + "."]
    for text in spellings:
        assert ServerUrl.parse(f"ws://{text}").target.host == address


@given(st.text(max_size=40))
def test_any_text_is_a_url_or_not(text):
    for url in (text, f"ws://{text}"):
        try:
            parsed = ServerUrl.parse(url)
        except NotAHost:
            continue
        assert str(ServerUrl.parse(str(parsed))) == str(parsed)
