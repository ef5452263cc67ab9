"""HTTP clients of conversations: which addresses they reach."""

import asyncio
import contextlib
import datetime
import gzip
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import httpx2
import openai
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from conversation.agent.guarded_http import (
    MAX_BODY,
    NotAnAnswer,
    http_client,
    realtime_http,
)
from lite_gateway.foreign.addresses import AddressGuard
from tests.foreign.test_addresses import LOOPBACK

# Stands for an address outside: the guard of these tests allows it.
OUTSIDE, INSIDE = "127.0.0.2", "127.0.0.1"
NAME = "api.example"


@dataclass
class Site:
    """Server that counts its requests, and notes the TLS name that it was asked for."""

    port: int = 0
    requests: list[str] = field(default_factory=list)
    tls_names: list[str | None] = field(default_factory=list)
    redirect: str = ""
    body: bytes = b"here"
    encoding: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request.headers["Host"])
        headers = {"Connection": "close"}
        if self.redirect:
            return web.Response(status=307, headers={"Location": self.redirect})
        if request.headers.get("Upgrade") != "websocket":
            if self.encoding:
                headers["Content-Encoding"] = self.encoding
            return web.Response(body=self.body, headers=headers)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("here")
        await socket.close()
        return socket


@contextlib.asynccontextmanager
async def site(
    host: str, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Site]:
    here = Site()
    if tls is not None:
        tls.sni_callback = lambda _, name, __: here.tls_names.append(name)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", here.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, host, port, ssl_context=tls).start()
    here.port = runner.addresses[0][1]
    try:
        yield here
    finally:
        await runner.cleanup()


Names = dict[str, list[str]]


def guard(names: Names | None = None, *allowed: str) -> AddressGuard:
    known = names or {}

    def resolve(host: str, port: int) -> list[str]:
        if host not in known:
            raise OSError(-2, "Name or service not known")
        return known[host]

    return AddressGuard(allowed or (f"{OUTSIDE}/32",), resolve=resolve)


async def by_http(
    addresses: AddressGuard | None, url: str, tls: ssl.SSLContext | None = None
) -> str:
    async with http_client(addresses, tls=tls) as client:
        response = await client.get(url)
        assert response.status_code == 200, response.status_code
        return str(response.text)


async def by_socket(
    addresses: AddressGuard | None, url: str, tls: ssl.SSLContext | None = None
) -> str:
    async with (
        realtime_http(addresses, tls=tls) as session,
        session.ws_connect(url.replace("http", "ws", 1)) as socket,
    ):
        return str(await socket.receive_str())


Fetch = Callable[..., Awaitable[str]]
both = pytest.mark.parametrize("fetch", [by_http, by_socket])


@both
@pytest.mark.parametrize("host", LOOPBACK.split())
def test_no_spelling_of_an_inner_address_is_connected_to(fetch, host):
    async def main() -> list[str]:
        async with site(INSIDE) as inner:
            with pytest.raises(
                (aiohttp.ClientError, httpx2.HTTPError, httpx2.InvalidURL)
            ):
                await fetch(guard(), f"http://{host}:{inner.port}/")
            return inner.requests

    assert asyncio.run(main()) == []


@both
@pytest.mark.parametrize(
    "addresses", [[INSIDE], [OUTSIDE, INSIDE], ["::ffff:127.0.0.1"], ["::1"], []]
)
def test_a_name_with_one_address_inside_is_not_connected_to(fetch, addresses):
    async def main() -> list[str]:
        async with site(INSIDE) as inner, site(OUTSIDE, inner.port) as outer:
            checked = guard({NAME: addresses} if addresses else {})
            with pytest.raises((aiohttp.ClientError, httpx2.ConnectError)):
                await fetch(checked, f"http://{NAME}:{inner.port}/")
            return inner.requests + outer.requests

    assert asyncio.run(main()) == []


@both
def test_a_name_outside_is_reached_by_its_name(fetch):
    async def main() -> tuple[str, list[str], int]:
        async with site(OUTSIDE) as outer:
            url = f"http://{NAME}:{outer.port}/"
            return (
                await fetch(guard({NAME: [OUTSIDE]}), url),
                outer.requests,
                outer.port,
            )

    text, hosts, port = asyncio.run(main())
    assert text == "here"
    assert hosts == [f"{NAME}:{port}"]


@both
def test_the_second_address_of_a_name_is_tried_if_the_first_does_not_answer(fetch):
    async def main() -> str:
        async with site(OUTSIDE) as outer:
            checked = guard({NAME: ["127.0.0.3", OUTSIDE]}, "127.0.0.2/31")
            return await fetch(checked, f"http://{NAME}:{outer.port}/")

    assert asyncio.run(main()) == "here"


def test_a_name_that_moves_inside_is_refused_at_the_next_connection():
    async def main() -> tuple[list[str], list[str]]:
        names = {NAME: [OUTSIDE]}
        async with site(OUTSIDE) as outer, site(INSIDE, outer.port) as inner:
            url = f"http://{NAME}:{outer.port}/"
            async with http_client(guard(names)) as client:
                assert (await client.get(url)).text == "here"
                names[NAME] = [INSIDE]
                with pytest.raises(httpx2.ConnectError):
                    await client.get(url)
            return outer.requests, inner.requests

    outer_requests, inner_requests = asyncio.run(main())
    assert len(outer_requests) == 1
    assert inner_requests == []


def test_a_name_that_moves_inside_is_refused_at_the_next_socket():
    async def main() -> list[str]:
        names = {NAME: [OUTSIDE]}
        async with site(OUTSIDE) as outer, site(INSIDE, outer.port) as inner:
            url = f"ws://{NAME}:{outer.port}/"
            async with realtime_http(guard(names)) as session:
                async with session.ws_connect(url) as socket:
                    await socket.receive_str()
                names[NAME] = [INSIDE]
                with pytest.raises(aiohttp.ClientConnectionError):
                    await session.ws_connect(url)
            return inner.requests

    assert asyncio.run(main()) == []


@both
@pytest.mark.parametrize("checked", [True, False])
def test_a_redirect_is_not_followed(fetch, checked):
    async def main() -> list[str]:
        async with site(OUTSIDE) as outer, site(OUTSIDE) as target:
            outer.redirect = f"http://{OUTSIDE}:{target.port}/"
            with pytest.raises(
                (aiohttp.WSServerHandshakeError, AssertionError)
            ) as caught:
                await fetch(
                    guard({NAME: [OUTSIDE]}) if checked else None,
                    f"http://{NAME if checked else OUTSIDE}:{outer.port}/",
                )
            assert "307" in str(caught.value)
            return target.requests

    assert asyncio.run(main()) == []


@both
def test_proxies_of_the_environment_are_not_used(fetch, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "WS_PROXY"):
        monkeypatch.setenv(name, f"http://{INSIDE}:9")
        monkeypatch.setenv(name.lower(), f"http://{INSIDE}:9")

    async def main() -> str:
        async with site(OUTSIDE) as outer:
            checked = guard({NAME: [OUTSIDE]})
            return await fetch(checked, f"http://{NAME}:{outer.port}/")

    assert asyncio.run(main()) == "here"


@both
def test_a_service_of_the_operator_may_be_inside(fetch):
    async def main() -> str:
        async with site(INSIDE) as inner:
            return await fetch(None, f"http://{INSIDE}:{inner.port}/")

    assert asyncio.run(main()) == "here"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificate for `NAME`, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    begin = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=36500))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + built.public_bytes(serialization.Encoding.PEM)
    )
    return path


@both
def test_the_certificate_must_be_for_the_name(fetch, certificate):
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=certificate)
    names = {NAME: [OUTSIDE], "other.example": [OUTSIDE]}

    async def main() -> list[str | None]:
        async with site(OUTSIDE, tls=server) as outer:
            url = f"https://{NAME}:{outer.port}/"
            assert await fetch(guard(names), url, trusting) == "here"
            with pytest.raises((aiohttp.ClientConnectorError, httpx2.ConnectError)):
                await fetch(
                    guard(names), f"https://other.example:{outer.port}/", trusting
                )
            # Without the test's authority nothing is trusted.
            with pytest.raises((aiohttp.ClientConnectorError, httpx2.ConnectError)):
                await fetch(guard(names), url)
            return outer.tls_names

    assert asyncio.run(main()) == [NAME, "other.example", NAME]


def test_the_openai_client_tells_an_address_that_is_not_allowed_from_an_answer(
    counterpart,
):
    async def ask(addresses: AddressGuard | None) -> None:
        async with openai.AsyncClient(
            api_key="sk-guarded",
            base_url=counterpart.url,
            max_retries=0,
            http_client=http_client(addresses),
        ) as client:
            await client.models.list()

    asyncio.run(ask(guard({}, "127.0.0.0/8")))
    with pytest.raises(openai.APIConnectionError) as caught:
        asyncio.run(ask(guard()))
    assert "no public address" in str(caught.value.__cause__)
    assert len(counterpart.requests("models")) == 1


def test_the_addresses_of_a_host_are_all_checked():
    async def main() -> list[str]:
        checked = guard({NAME: ["93.184.216.34", "2606:2800:220:1::1"]})
        return [str(each) for each in await checked.addresses(NAME, 443)]

    found = asyncio.run(main())
    assert found == ["93.184.216.34", "2606:2800:220:1::1"]
    assert all(ipaddress.ip_address(each).is_global for each in found)


@pytest.mark.parametrize("size", [MAX_BODY, MAX_BODY + 1])
def test_an_answer_breaks_off_when_it_is_too_long(size):
    async def main() -> str:
        async with site(OUTSIDE) as here:
            here.body = b"x" * size
            return await by_http(guard(), f"http://{OUTSIDE}:{here.port}/")

    if size <= MAX_BODY:
        assert len(asyncio.run(main())) == size
    else:
        with pytest.raises(NotAnAnswer, match="more than"):
            asyncio.run(main())


def test_an_answer_that_was_compressed_unasked_is_not_unpacked():
    async def main() -> str:
        async with site(OUTSIDE) as here:
            here.body, here.encoding = gzip.compress(b"x" * 1_000_000), "gzip"
            return await by_http(guard(), f"http://{OUTSIDE}:{here.port}/")

    with pytest.raises(NotAnAnswer, match="compresses"):
        asyncio.run(main())
