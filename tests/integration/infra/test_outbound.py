"""HTTP to foreign addresses, against servers that mean harm."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from outbound_probe import DRIPS, OK, at, client, streamed
from tests.support.foreign_server import ForeignServer, Script, answer, certificate

from clozone.infra.outbound import OutboundFailed, OutboundRefused


def test_a_request_reaches_its_server_and_the_answer_comes_back(server: ForeignServer):
    came = client().request("POST", at(server), headers={"X-Id": "7"}, body=b'{"a":1}')
    assert (came.status, came.body, came.truncated) == (200, b"hello", False)
    assert came.headers["x-who"] == "foreign"
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /hook?x=1 HTTP/1.1\r\n")
    assert b"X-Id: 7" in head
    assert body == b'{"a":1}'


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://example.com/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("gopher://127.0.0.1/", "scheme"),
        ("//example.com/", "scheme"),
        ("example.com/hook", "scheme"),
        ("http://", "url"),
        ("http:///path", "url"),
        ("http://user:pass@example.com/", "credentials"),
        ("http://user@example.com/", "credentials"),
        ("http://example.com\\@127.0.0.1/", "url"),
        ("http://example.com/a b", "url"),
        ("http://example.com/\r\nX-Evil: 1", "url"),
        ("http://exa%2fmple.com/", "url"),
        ("http://[fe80::1%25eth0]/", "url"),
        ("http://example.com:99999/", "url"),
        ("http://example.com:abc/", "url"),
        ("http://" + "a" * 5_000, "url"),
        ("http://2130706433/", "url"),
        ("http://0x7f000001/", "url"),
        ("http://0177.0.0.1/", "url"),
        ("http://127.1/", "url"),
        ("http://0x7f.0.0.1/", "url"),
    ],
)
def test_an_address_that_is_none_is_refused(url: str, code: str):
    with pytest.raises(OutboundRefused) as refusal:
        client().request("GET", url)
    assert refusal.value.code == code
    assert str(refusal.value)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "169.254.169.254",
        "[::1]",
        "[::]",
        "[::ffff:10.0.0.1]",
        "[::ffff:a00:1]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:7f00:1::]",
        "10.0.0.1",
        "0.0.0.0",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_address_inside_is_refused(scheme: str, host: str):
    with pytest.raises(OutboundRefused) as refusal:
        client(networks=[]).request("GET", f"{scheme}://{host}/")
    assert refusal.value.code == "private_address"
    assert "SOME_ALLOWED_NETWORKS" in str(refusal.value)


def test_plain_http_needs_the_operators_leave(server: ForeignServer):
    with pytest.raises(OutboundRefused, match="https://"):
        client(plain_http=False).request("GET", at(server))
    assert server.requests == []


def test_one_address_inside_among_public_ones_is_enough_to_refuse():
    mixed = client(lambda host, port: ["93.184.216.34", "10.0.0.1"])
    with pytest.raises(OutboundRefused) as refusal:
        mixed.request("GET", "http://mixed.example/")
    assert refusal.value.code == "private_address"


@pytest.mark.parametrize("port", [22, 25, 5432, 6379, 9000])
def test_ports_of_other_protocols_are_refused(port: int):
    with pytest.raises(OutboundRefused) as refusal:
        client(lambda host, _: ["93.184.216.34"]).request("GET", f"http://name.example:{port}/")
    assert refusal.value.code == "port"


def test_the_connection_goes_to_the_address_that_was_checked(server: ForeignServer):
    # A name that answers differently the second time: it must not be asked a second time.
    answers = iter([["127.0.0.1"]])
    came = client(lambda host, port: next(answers)).request(
        "GET", at(server, host="rebinding.example")
    )
    assert came.status == 200
    assert f"Host: rebinding.example:{server.port}".encode() in server.requests[0]


def test_a_name_that_rebinds_between_two_requests_is_checked_each_time(server: ForeignServer):
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    rebinding = client(lambda host, port: next(answers))
    rebinding.request("GET", at(server, host="rebinding.example"))
    with pytest.raises(OutboundRefused):
        rebinding.request("GET", at(server, host="rebinding.example"))
    assert len(server.requests) == 1


def test_the_next_address_is_tried_when_the_first_takes_no_connection(server: ForeignServer):
    two = client(lambda host, port: ["127.0.0.2", "127.0.0.1"])
    assert two.request("GET", at(server, host="two.example")).status == 200


def test_a_name_that_is_not_found_or_not_in_time_is_retryable():
    def missing(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    def slow(host: str, port: int) -> list[str]:
        time.sleep(5)
        return []

    for resolve, code in ((missing, "name"), (lambda h, p: [], "name"), (slow, "timeout")):
        with pytest.raises(OutboundFailed) as failure:
            client(resolve).request("GET", "http://name.example/", timeout=0.3)
        assert failure.value.code == code


def test_the_environments_proxy_is_not_used(server: ForeignServer, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert client().request("GET", at(server)).status == 200


def test_a_request_follows_no_redirect(server: ForeignServer):
    server.script = answer("302 Found", f"Location: {at(server, '/elsewhere')}")
    assert client().request("POST", at(server), body=b"x").status == 302
    assert len(server.requests) == 1


def redirecting(*targets: str) -> Script:
    hops = iter(targets)

    def script(request: bytes) -> Iterator[bytes]:
        target = next(hops, None)
        if target is None:
            return OK(request)
        return answer("302 Found", f"Location: {target}")(request)

    return script


def test_a_stream_follows_three_redirects_and_no_more(server: ForeignServer):
    server.script = redirecting("/two", at(server, "/three"), "four")
    assert streamed(client(), at(server, "/one")) == (200, b"hello")
    assert [r.split()[1] for r in server.requests] == [b"/one", b"/two", b"/three", b"/four"]

    server.script = redirecting("/2", "/3", "/4", "/5")
    assert streamed(client(), at(server, "/1"))[0] == 302


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://0x7f.1/",
        "http://localhost/",
        "//10.0.0.1/",
        "file:///etc/passwd",
        "http://name@127.0.0.2/",
        "http://exa\\mple.com/",
        "http://[bad/",
    ],
)
def test_each_redirect_is_checked_anew(target: str):
    # Only the redirecting server's own address is allowed here, not 127.0.0.1.
    outbound = client(
        lambda host, port: ["127.0.0.1"] if host == "localhost" else ["127.0.9.9"],
        networks=["127.0.9.9/32"],
    )
    with ForeignServer(redirecting(target), host="127.0.9.9") as outer:
        with pytest.raises(OutboundRefused):
            streamed(outbound, f"http://outer.example:{outer.port}/")
        assert len(outer.requests) == 1


def test_secrets_stay_with_the_server_they_are_for(server: ForeignServer):
    with ForeignServer(OK) as other:
        server.script = redirecting("/same", at(other))
        secret = {"Authorization": "Bearer s", "X-Plain": "p"}
        streamed(client(), at(server), headers=secret)
        assert [b"Bearer s" in request for request in server.requests] == [True, True]
        assert b"Bearer s" not in other.requests[0]
        assert b"X-Plain: p" in other.requests[0]


def test_an_offset_asks_for_the_rest(server: ForeignServer):
    server.script = answer("206 Partial Content", "Content-Range: bytes 3-4/5", body=b"lo")
    with client().stream(at(server), offset=3, max_bytes=10) as stream:
        assert (stream.status, stream.headers["content-range"]) == (206, "bytes 3-4/5")
        assert b"".join(stream.chunks) == b"lo"
    assert b"Range: bytes=3-" in server.requests[0]


def test_nobody_at_the_port_is_retryable():
    with ForeignServer(OK) as gone:
        url = at(gone)
    with pytest.raises(OutboundFailed) as failure:
        client().request("GET", url)
    assert failure.value.code == "connection"


def test_over_tls_the_name_is_sent_and_the_certificate_checked(tmp_path: Path):
    trusted, context = certificate(tmp_path, "hooks.example")
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    resolve = lambda host, port: ["127.0.0.1"]  # noqa: E731
    with ForeignServer(OK, context) as server:
        url = f"https://hooks.example:{server.port}/"
        good = client(resolve, trusted, plain_http=False)
        assert good.request("GET", url).body == b"hello"
        assert names == ["hooks.example"]
        for outbound, address in (
            (good, url.replace("hooks.example", "other.example")),
            (good, url.replace("hooks.example", "127.0.0.1")),
            (client(resolve), url),
        ):
            with pytest.raises(OutboundFailed) as failure:
                outbound.request("GET", address)
            assert failure.value.code == "tls"
        assert len(server.requests) == 1


def test_what_trickles_in_over_tls_has_an_end_too(tmp_path: Path):
    trusted, context = certificate(tmp_path, "127.0.0.1")
    with ForeignServer(DRIPS["body"], context) as server:
        with pytest.raises(OutboundFailed) as failure:
            streamed(client(ca_file=trusted), f"https://127.0.0.1:{server.port}/", timeout=0.5)
        assert failure.value.code == "timeout"


def test_checking_an_address_sends_nothing(server: ForeignServer):
    client().check(at(server))
    with pytest.raises(OutboundRefused):
        client(networks=[]).check(at(server))
    assert server.requests == []


def test_an_error_does_not_tell_the_path_which_may_be_a_secret(server: ForeignServer):
    server.script = answer("200 OK", body=b"short", length=50)
    with pytest.raises(OutboundFailed) as failure:
        streamed(client(), at(server, "/T0/secret-path"))
    assert "secret-path" not in str(failure.value)
