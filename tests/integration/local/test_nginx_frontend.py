"""A built frontend as nginx serves it: how long each file may be kept, and how it is compressed."""

import gzip
import os
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from types import MappingProxyType

import httpx2
import pytest
from tests.integration.local.conftest import PLAIN

from clozone.local.bundle import Bundle

YEAR = "public, max-age=31536000, immutable"
HOUR = "public, max-age=3600"
REVALIDATED = "no-cache"
LONG = "const answer = 42; // " + "x" * 3000
PRECOMPRESSED = {"": b"plain;", ".gz": gzip.compress(b"gzip;"), ".br": b"as brotli would write it"}

NAMED_BY_PEOPLE = (
    "assets/og-1200x630.png",
    "assets/team-Portrait.png",
    "assets/logo-DarkMode.svg",
    "assets/photo-iphone15.png",
    "assets/lib-MyTabBar.js",
    "assets/intro-Web3Logo.png",
    "img/team-IMG_0042.jpg",
    "img/facade01.png",
    "docs/pricelist-2026-Nov.pdf",
    "docs/pricelist-2026dec1.pdf",
    "docs/plan-1-2-2026.pdf",
)
NAMED_BY_BUILDS = (
    "app.0a1b2c3d.js",
    "assets/index-Bx4_kT9q.js",
    "assets/index-0a1b2c3d.css",
    "_app/immutable/entry/start.js",
)
FILES = {
    "index.html": f"<p>the first page</p><!--{'x' * 3000}-->",
    "about/index.html": "<p>about</p>",
    "LICENSE": "do as you like",
    "sw.js": "1",
    "asset-manifest.json": "{}",
    "manifest.webmanifest": "{}",
    "robots.txt": "all",
    "logo.png": "png",
    "report.20261124.pdf": "a date is not a hash",
    "main.0a1b2c3d.js": LONG,
    "static/js/2.0a1b2c3d.chunk.js": "1",
    "static/js/main.0a1b2c3d4e5f6071.js.map": "{}",
    "assets/index-B4xY12ab.css": "p {}",
    "assets/index-b4xy12ab.js": "1",
    "assets/inter-B4xY12ab.woff2": "font",
    "assets/hero-portrait.png": "copied, not built",
    "assets/settings-page.js": "copied, not built",
    "_next/static/chunks/webpack.js": "1",
    **dict.fromkeys(NAMED_BY_PEOPLE, "copied, not built"),
    **dict.fromkeys(NAMED_BY_BUILDS, "1"),
    "fonts/inter.ttf": "font",
    "caf\N{LATIN SMALL LETTER E WITH ACUTE} au lait.txt": "with milk",
    ".env": "SECRET=1",
    ".git/config": "[core]",
    "assets/.vite/manifest.json": "{}",
    ".well-known/security.txt": "Contact: mailto:a@b.example",
    ".well-known/apple-app-site-association": "{}",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an nginx that serves FILES, three compressed siblings, and links to outside."""
    folder = tmp_path_factory.mktemp("frontend")
    folder.chmod(0o755)
    outside = folder / "outside"
    _write(outside / "secret.txt", b"secret")
    dist = folder / "my dist"
    for name, text in FILES.items():
        _write(dist / name, text.encode())
    for name in ("app.js", "docs/index.html"):
        for suffix, content in PRECOMPRESSED.items():
            _write(dist / f"{name}{suffix}", content)
    _write(dist / "only-gzip.css", b"plain;")
    _write(dist / "only-gzip.css.gz", PRECOMPRESSED[".gz"])
    (dist / "link.txt").symlink_to(outside / "secret.txt")
    (dist / "linked").symlink_to(outside)
    link = folder / "release"
    link.symlink_to(dist)
    env = PLAIN | {"CLOZONE_FRONTEND": str(link)}
    bundle = Bundle(tmp_path_factory.mktemp("nginx") / "a home", 0, env, {"nginx"})
    bundle.start()
    yield bundle.url.replace("localhost", "127.0.0.1")
    bundle.destroy()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (1_700_000_000, 1_700_000_000))


@pytest.fixture
def client(site: str) -> Iterator[httpx2.Client]:
    """One that takes no encoding unless told so."""
    with httpx2.Client(base_url=site, headers={"Accept-Encoding": "identity"}) as client:
        yield client


def _raw_get(
    client: httpx2.Client,
    path: str,
    encoding: str,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> tuple[httpx2.Response, bytes]:
    """The answer, and its body as it came over the wire."""
    sent = {"Accept-Encoding": encoding, **headers}
    with client.stream("GET", path, headers=sent) as response:
        return response, b"".join(response.iter_raw())


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/", REVALIDATED),
        ("/index.html", REVALIDATED),
        ("/about", REVALIDATED),
        ("/team/42", REVALIDATED),
        ("/sw.js", REVALIDATED),
        ("/asset-manifest.json", REVALIDATED),
        ("/manifest.webmanifest", REVALIDATED),
        ("/main.0a1b2c3d.js", YEAR),
        ("/static/js/2.0a1b2c3d.chunk.js", YEAR),
        ("/static/js/main.0a1b2c3d4e5f6071.js.map", YEAR),
        ("/assets/index-B4xY12ab.css", YEAR),
        ("/assets/index-b4xy12ab.js", YEAR),
        ("/assets/inter-B4xY12ab.woff2", YEAR),
        ("/_next/static/chunks/webpack.js", YEAR),
        ("/logo.png", HOUR),
        ("/robots.txt", HOUR),
        ("/app.js", HOUR),
        ("/report.20261124.pdf", HOUR),
        ("/assets/hero-portrait.png", HOUR),
        ("/assets/settings-page.js", HOUR),
        *((f"/{name}", HOUR) for name in NAMED_BY_PEOPLE),
        *((f"/{name}", YEAR) for name in NAMED_BY_BUILDS),
    ],
)
def test_each_file_may_be_kept_as_long_as_it_stays_true(
    client: httpx2.Client, path: str, kept: str
) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert response.headers.get_list("cache-control") == [kept]
    assert response.headers["etag"]


@pytest.mark.parametrize("path", ["/assets/index-B4xY12zz.js", "/main.9a9b9c9d.js", "/x.unknown"])
def test_a_missing_asset_is_missing_and_nobody_keeps_that(client: httpx2.Client, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert response.headers.get_list("cache-control") == ["no-store"]


@pytest.mark.parametrize(
    ("path", "encoding", "sent"),
    [
        ("/app.js", "gzip, deflate, br", ".br"),
        ("/app.js", "br;q=0.5, gzip", ".br"),
        ("/app.js", "gzip", ".gz"),
        ("/app.js", "br;q=0, gzip;q=1.0", ".gz"),
        ("/app.js", "br", ".br"),
        ("/app.js", "br;q=0.001", ".br"),
        ("/app.js", "br;q=1.000, gzip;q=.5", ".br"),
        ("/app.js", "br;q=0.000, gzip;q=0.00", ""),
        ("/app.js", "brotli, gzipped", ""),
        ("/app.js", "gzip;q=0", ""),
        ("/app.js", "identity", ""),
        ("/docs", "gzip, br", ".br"),
        ("/docs/", "gzip", ".gz"),
        ("/docs/index.html", "br", ".br"),
        ("/docs", "identity", ""),
        ("/only-gzip.css", "br, gzip", ".gz"),
        ("/only-gzip.css", "br", ""),
    ],
)
def test_the_compressed_file_beside_it_is_sent_as_it_lies(
    client: httpx2.Client, path: str, encoding: str, sent: str
) -> None:
    response, body = _raw_get(client, path, encoding)
    names = {".br": ["br"], ".gz": ["gzip"], "": []}
    assert body == PRECOMPRESSED[sent]
    assert response.headers.get_list("content-encoding") == names[sent]
    assert response.headers.get_list("vary") == ["Accept-Encoding"]
    assert response.headers["content-length"] == str(len(body))
    kind = {"js": "text/javascript", "ss": "text/css"}.get(path[-2:], "text/html")
    assert response.headers["content-type"] == f"{kind}; charset=utf-8"


@pytest.mark.parametrize("end", ["", "x"])
@pytest.mark.parametrize("encoding", ["br", "gzip"])
def test_a_weight_of_thousands_of_digits_is_none(
    client: httpx2.Client, encoding: str, end: str
) -> None:
    """It has three at most; more would be tried in every combination, for all others to wait."""
    for digits in ("9" * 7_900, "0" * 7_899 + "9"):
        response, body = _raw_get(client, "/app.js", f"{encoding};q=0.{digits}{end}")
        assert body == PRECOMPRESSED[""]
        assert "content-encoding" not in response.headers


def test_the_encodings_of_a_file_have_their_own_etags(client: httpx2.Client) -> None:
    tags = {_raw_get(client, "/app.js", name)[0].headers["etag"] for name in ("identity", "gzip")}
    assert len(tags) == 2
    response = client.get(
        "/app.js", headers={"Accept-Encoding": "gzip", "If-None-Match": tags.pop()}
    )
    other = client.get("/app.js", headers={"Accept-Encoding": "gzip", "If-None-Match": tags.pop()})
    assert sorted([response.status_code, other.status_code]) == [200, 304]


def test_asked_for_by_its_own_name_a_compressed_file_is_a_file(client: httpx2.Client) -> None:
    response, body = _raw_get(client, "/app.js.gz", "gzip")
    assert body == PRECOMPRESSED[".gz"]
    assert response.headers["content-type"] == "application/gzip"
    assert "content-encoding" not in response.headers


@pytest.mark.parametrize("path", ["/main.0a1b2c3d.js", "/", "/dashboard"])
def test_what_lies_there_plain_is_compressed_on_the_way(client: httpx2.Client, path: str) -> None:
    response, body = _raw_get(client, path, "gzip, br")
    assert response.headers.get_list("content-encoding") == ["gzip"]
    assert response.headers.get_list("vary") == ["Accept-Encoding"]
    assert gzip.decompress(body).decode() in (LONG, FILES["index.html"])


def test_pictures_and_fonts_are_not_compressed_again(client: httpx2.Client) -> None:
    for path in ("/logo.png", "/assets/inter-B4xY12ab.woff2"):
        response, _ = _raw_get(client, path, "gzip, br")
        assert not {"content-encoding", "vary"} & response.headers.keys()


@pytest.mark.parametrize("path", ["/assets/inter-B4xY12ab.woff2", "/fonts/inter.ttf"])
def test_fonts_are_open_to_pages_of_every_origin(client: httpx2.Client, path: str) -> None:
    response = client.get(path, headers={"Origin": "https://elsewhere.example"})
    assert response.headers.get_list("access-control-allow-origin") == ["*"]
    assert response.headers["content-type"].startswith("font/")
    script = client.get("/app.js", headers={"Origin": "https://elsewhere.example"})
    assert "access-control-allow-origin" not in script.headers


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ({"If-None-Match": "{etag}"}, 304),
        ({"If-None-Match": 'W/{etag}, "other"'}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-Modified-Since": "{modified}"}, 304),
        ({"If-Modified-Since": "Tue, 14 Nov 2017 22:13:20 GMT"}, 200),
        ({"If-Match": '"other"'}, 412),
        ({"Range": "bytes=2-4"}, 206),
        ({"Range": "bytes=2-4", "If-Range": '"other"'}, 200),
    ],
)
def test_conditions_and_ranges(
    client: httpx2.Client, condition: dict[str, str], status: int
) -> None:
    first = client.get("/app.js")
    facts = {"etag": first.headers["etag"], "modified": first.headers["last-modified"]}
    sent = {name: value.format(**facts) for name, value in condition.items()}
    response = client.get("/app.js", headers=sent)
    assert response.status_code == status
    if status == 304:
        assert response.headers["etag"] == facts["etag"]
        assert response.headers["cache-control"] == HOUR
        assert "content-encoding" not in response.headers
    elif status == 206:
        assert response.content == b"ain"
    elif status >= 400:
        assert response.headers["content-type"].startswith("application/problem+json")
        assert response.json()["status"] == status


@pytest.mark.parametrize("encoding", ["identity", "gzip, br"])
@pytest.mark.parametrize(
    "path", ["/app.js", "/assets/index-B4xY12ab.css", "/assets/inter-B4xY12ab.woff2", "/"]
)
def test_a_range_that_is_not_there_is_a_problem_that_nobody_keeps(
    client: httpx2.Client, path: str, encoding: str
) -> None:
    sent = {
        "Range": "bytes=100000-",
        "Accept-Encoding": encoding,
        "Origin": "https://elsewhere.example",
    }
    response = client.get(path, headers=sent)
    assert (response.status_code, response.json()["status"]) == (416, 416)
    assert response.headers["content-type"].startswith("application/problem+json")
    assert response.headers.get_list("cache-control") == ["no-cache"]
    assert "content-encoding" not in response.headers
    names = [name.lower() for name, _ in response.headers.multi_items()]
    assert sorted(names) == sorted({*names})
    assert {"x-request-id", "x-content-type-options"} <= {*names}


def test_a_part_is_one_of_the_file_as_it_lies_there_plain(client: httpx2.Client) -> None:
    response, body = _raw_get(client, "/app.js", "gzip, br", headers={"Range": "bytes=2-4"})
    assert (response.status_code, body) == (206, b"ain")
    assert "content-encoding" not in response.headers


def test_head_says_what_get_would(client: httpx2.Client) -> None:
    for encoding in ("identity", "gzip", "br"):
        headers = {"Accept-Encoding": encoding}
        head, get = client.head("/app.js", headers=headers), _raw_get(client, "/app.js", encoding)
        told = ("content-length", "content-type", "content-encoding", "etag", "vary")
        assert {k: head.headers.get(k) for k in told} == {k: get[0].headers.get(k) for k in told}
        assert head.content == b""


def test_nothing_can_be_written(client: httpx2.Client) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        response = client.request(method, "/app.js", content=b"x")
        assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
        assert response.headers["allow"] == "GET, HEAD"


def test_encoded_characters_name_the_same_file(client: httpx2.Client) -> None:
    for path in ("/caf%C3%A9%20au%20lait.txt", "/caf%c3%a9%20au%20lait%2Etxt"):
        assert client.get(path).text == "with milk"
    assert client.get("/assets/index%2DB4xY12ab.css").headers["cache-control"] == YEAR


@pytest.mark.parametrize(
    "path",
    [
        *("/../outside/secret.txt", "/..%2foutside/secret.txt", "/%2e%2e/outside/secret.txt"),
        *(
            "/assets/..%2f..%2foutside%2fsecret.txt",
            "/assets/../../outside/secret.txt",
            "/app.js%00",
        ),
    ],
)
def test_what_climbs_out_of_the_folder_is_refused(site: str, path: str) -> None:
    # As it stands: a browser would tidy the path up.
    connection = HTTPConnection("127.0.0.1", int(site.rsplit(":", 1)[1]), timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == 400
    assert b"secret" not in answer.read()
    connection.close()


@pytest.mark.parametrize("path", ["/link.txt", "/linked/secret.txt"])
def test_links_are_not_followed_out_of_the_folder(client: httpx2.Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code in (403, 404)
    assert "secret" not in response.text


@pytest.mark.parametrize(
    "path",
    ["/.env", "/.git/config", "/%2egit/config", "/assets/.vite/manifest.json", "/.well-known"],
)
def test_hidden_files_are_not_there(client: httpx2.Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_what_the_web_keeps_hidden_on_purpose_is_there(client: httpx2.Client) -> None:
    assert client.get("/.well-known/security.txt").text.startswith("Contact")
    assert client.get("/.well-known/apple-app-site-association").text == "{}"


def test_a_file_without_an_ending_is_itself_and_not_the_first_page(client: httpx2.Client) -> None:
    assert client.get("/LICENSE").text == "do as you like"
    assert client.get("/about").text == client.get("/about/").text == "<p>about</p>"
    assert client.get("/assets/").text == FILES["index.html"]


def test_pages_carry_a_policy_and_other_files_do_not(client: httpx2.Client) -> None:
    policy = "base-uri 'self'; object-src 'none'; frame-ancestors 'self'"
    for path in ("/", "/about", "/docs"):
        for encoding in ("identity", "gzip", "br"):
            sent = {"Accept-Encoding": encoding}
            page, _ = _raw_get(client, path, encoding)
            # Browsers put the headers of a 304 in place of those they have kept.
            kept = client.get(path, headers=sent | {"If-None-Match": page.headers["etag"]})
            assert (page.status_code, kept.status_code) == (200, 304)
            for answer in (page, kept):
                assert answer.headers.get_list("content-security-policy") == [policy]
    assert "content-security-policy" not in client.get("/app.js").headers
