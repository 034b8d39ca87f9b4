"""Object storage against MinIO's server, as `juicefs gateway` brings it."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
import urllib3
from pydantic import SecretStr

from clozone.infra.object_storage import ObjectStorage, content_disposition, scorecard_key
from clozone.kit.errors import NotFound, Permanent, Retryable
from clozone.settings import Settings

JUICEFS = Path(sys.executable).parent / "juicefs"
ACCESS_KEY = "clozone-test"
SECRET_KEY = "only-for-this-test"
KEY = "0192f0c8/scorecards/0192f0c9/abcdef12.pdf"


@dataclass(frozen=True)
class Server:
    address: str
    process: subprocess.Popen[bytes]

    def settings(self, **changes: object) -> Settings:
        values: dict[str, object] = {
            "s3_endpoint": self.address,
            "s3_public_url": self.address,
            "s3_access_key": ACCESS_KEY,
            "s3_secret_key": SecretStr(SECRET_KEY),
            "s3_bucket": "clozone-test",
        }
        return Settings(**(values | changes))

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_server(folder: Path) -> Server:
    meta = f"sqlite3://{folder}/meta.db"
    subprocess.run(
        [JUICEFS, "format", "--storage", "file", "--bucket", f"{folder}/data/", meta, "clozone"],
        check=True,
        capture_output=True,
    )
    port = free_port()
    with (folder / "gateway.out").open("wb") as out:
        process = subprocess.Popen(
            [
                JUICEFS,
                "gateway",
                "--multi-buckets",
                "--no-usage-report",
                "--cache-dir",
                folder / "cache",
                "--log",
                folder / "gateway.log",
                meta,
                f"127.0.0.1:{port}",
            ],
            env=os.environ
            | {
                "MINIO_ROOT_USER": ACCESS_KEY,
                "MINIO_ROOT_PASSWORD": SECRET_KEY,
                "HOME": str(folder),
            },
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    server = Server(f"http://127.0.0.1:{port}", process)
    wait_until_up(server, folder / "gateway.out")
    return server


def wait_until_up(server: Server, output: Path) -> None:
    for _ in range(200):
        if server.process.poll() is not None:
            break
        try:
            if (
                urllib3.request("GET", f"{server.address}/minio/health/live", retries=False).status
                == 200
            ):
                return
        except urllib3.exceptions.HTTPError:
            pass
        time.sleep(0.1)
    server.stop()
    raise RuntimeError(output.read_text(errors="replace"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start_server(tmp_path_factory.mktemp("s3"))
    yield server
    server.stop()


@pytest.fixture
def storage(server: Server) -> Iterator[ObjectStorage]:
    storage = ObjectStorage.from_settings(server.settings())
    storage.ensure_bucket()
    yield storage
    storage.close()


def test_what_is_put_can_be_read_and_overwritten(storage: ObjectStorage):
    first = storage.put(KEY, b"%PDF one", "application/pdf")
    again = storage.put(KEY, b"%PDF one", "application/pdf")
    assert first == again
    assert (first.size, first.sha256) == (8, sha256(b"%PDF one").hexdigest())
    assert storage.get(KEY) == b"%PDF one"

    storage.put(KEY, b"%PDF second", "application/pdf")
    assert storage.get(KEY) == b"%PDF second"
    assert storage.stat(KEY).size == 11
    assert storage.stat(KEY).modified_at.tzinfo is not None


@pytest.mark.parametrize("data", [b"", bytes(range(256)) * 40_000], ids=["empty", "10 MB"])
def test_any_size_comes_back_whole(storage: ObjectStorage, data: bytes):
    storage.put("size", data, "application/octet-stream")
    assert storage.get("size") == data


def test_delete_is_idempotent_and_a_missing_key_is_not_found(storage: ObjectStorage):
    storage.put("gone", b"x", "text/plain")
    assert storage.exists("gone")
    storage.delete("gone")
    storage.delete("gone")
    assert not storage.exists("gone")
    with pytest.raises(NotFound):
        storage.get("gone")
    with pytest.raises(NotFound):
        storage.stat("gone")


def test_a_link_downloads_under_its_file_name_and_only_unchanged(storage: ObjectStorage):
    storage.put(KEY, b"%PDF linked", "application/octet-stream")
    link = storage.presigned_get(KEY, 60, "Résumé 7.pdf", "application/pdf")

    answer = urllib3.request("GET", link)
    assert (answer.status, answer.data) == (200, b"%PDF linked")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == content_disposition("Résumé 7.pdf")

    assert urllib3.request("GET", link.replace("abcdef12", "abcdef13")).status == 403
    assert urllib3.request("GET", urlsplit(link)._replace(query="").geturl()).status == 403


def test_an_expired_link_is_refused(storage: ObjectStorage):
    storage.put(KEY, b"x", "application/pdf")
    link = storage.presigned_get(KEY, 1, "card.pdf", "application/pdf")
    for _ in range(50):
        if urllib3.request("GET", link).status == 403:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the link outlived its time")


def test_a_link_is_made_for_the_public_address_without_a_request(server: Server):
    settings = server.settings(
        s3_endpoint="http://127.0.0.1:9", s3_public_url="https://train.example.com/"
    )
    link = urlsplit(
        ObjectStorage.from_settings(settings).presigned_get(KEY, 90, "a.pdf", "application/pdf")
    )
    assert (link.scheme, link.netloc) == ("https", "train.example.com")
    assert link.path == f"/clozone-test/{KEY}"
    assert parse_qs(link.query)["X-Amz-Expires"] == ["90"]


def test_ensuring_the_bucket_twice_is_fine_and_ping_answers(server: Server):
    storage = ObjectStorage.from_settings(server.settings(s3_bucket="another-bucket"))
    with pytest.raises(Permanent, match="S3_BUCKET"):
        storage.ping()
    with pytest.raises(Permanent, match="S3_BUCKET"):
        storage.put(KEY, b"x", "application/pdf")
    storage.ensure_bucket()
    storage.ensure_bucket()
    storage.ping()


@pytest.mark.parametrize(
    ("wrong", "setting"),
    [
        ({"s3_secret_key": SecretStr("not-the-secret")}, "S3_SECRET_KEY"),
        ({"s3_access_key": "nobody"}, "S3_ACCESS_KEY"),
    ],
)
def test_wrong_keys_are_refused_for_good_and_name_the_setting(server: Server, wrong, setting):
    storage = ObjectStorage.from_settings(server.settings(**wrong))
    for call in (
        storage.ping,
        storage.ensure_bucket,
        lambda: storage.put(KEY, b"x", "application/pdf"),
        lambda: storage.get(KEY),
    ):
        with pytest.raises(Permanent, match=setting) as refusal:
            call()
        assert "not-the-secret" not in str(refusal.value)


def test_a_dead_server_is_retryable(tmp_path: Path):
    server = start_server(tmp_path)
    storage = ObjectStorage.from_settings(server.settings())
    storage.ensure_bucket()
    storage.put(KEY, b"x", "application/pdf")
    server.stop()
    for call in (
        storage.ping,
        storage.ensure_bucket,
        lambda: storage.put(KEY, b"x", "application/pdf"),
        lambda: storage.get(KEY),
        lambda: storage.exists(KEY),
        lambda: storage.delete(KEY),
    ):
        with pytest.raises(Retryable):
            call()


def test_a_server_that_is_not_s3_is_retryable(server: Server, tmp_path: Path):
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as other:
        Thread(target=other.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{other.server_port}"
        storage = ObjectStorage.from_settings(server.settings(s3_endpoint=address))
        for call in (
            lambda: storage.put(KEY, b"x", "application/pdf"),
            lambda: storage.get(KEY),
        ):
            with pytest.raises(Retryable, match="as S3 does"):
                call()
        other.shutdown()


@pytest.mark.parametrize("address", ["127.0.0.1:9000", "ftp://host", "http://host/s3", "http://"])
def test_an_address_that_is_none_is_refused_at_once(server: Server, address: str):
    with pytest.raises(ValueError, match="no S3 address"):
        ObjectStorage.from_settings(server.settings(s3_endpoint=address))


def test_keys_start_with_the_organisation_and_hold_no_free_text():
    org, session = UUID(int=1), UUID(int=2)
    assert scorecard_key(org, session, "ab" * 32) == f"{org}/scorecards/{session}/{'ab' * 32}.pdf"
    with pytest.raises(ValueError, match="hexadecimal"):
        scorecard_key(org, session, "../../etc/passwd")


@pytest.mark.parametrize(
    ("filename", "ascii_name"),
    [
        ("Scorecard Maya Chen.pdf", "Scorecard Maya Chen.pdf"),
        ("Íñigo.pdf", "Inigo.pdf"),
        ('a"b\r\nX-Evil: 1;/../c\\d.pdf', "a b X-Evil 1 .. c d.pdf"),
        ("田中.pdf", "download.pdf"),
        ("\ud800", "download"),
        ("", "download"),
        ("x" * 300 + ".pdf", "x" * 96 + ".pdf"),
    ],
)
def test_file_names_cannot_break_the_header(filename: str, ascii_name: str):
    header = content_disposition(filename)
    assert f'filename="{ascii_name}"' in header
    assert re.fullmatch(
        r"attachment; filename=\"[ !#-~]+\"; filename\*=UTF-8''[A-Za-z0-9._~%-]+", header
    )
