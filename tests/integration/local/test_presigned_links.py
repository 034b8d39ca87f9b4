"""Links that browsers follow: signed by the platform, through nginx, checked by the S3 server."""

from collections.abc import Iterator

import httpx2
import pytest
from tests.integration.local.conftest import PLAIN

from clozone.infra.object_storage import ObjectStorage
from clozone.local.bundle import Bundle
from clozone.settings import Settings


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStorage]:
    bundle = Bundle(tmp_path_factory.mktemp("links") / "a home", 0, PLAIN, {"s3", "nginx"})
    bundle.start()
    env = bundle.environment()
    known = {name: env[name.upper()] for name in Settings.model_fields if name.upper() in env}
    yield ObjectStorage.from_settings(Settings.model_validate(known))
    bundle.destroy()


def _link(storage: ObjectStorage, key: str) -> str:
    storage.put(key, b"%PDF-", "application/pdf")
    return storage.presigned_get(key, 60, "Süd & Co.pdf", "application/pdf")


def test_a_link_opens_the_file(storage: ObjectStorage) -> None:
    response = httpx2.get(_link(storage, "org/scorecards/a b+c.pdf"))
    assert (response.status_code, response.content) == (200, b"%PDF-")
    assert response.headers["content-type"] == "application/pdf"
    assert "S%C3%BCd" in response.headers["content-disposition"]


def test_a_link_does_not_open_another_file(storage: ObjectStorage) -> None:
    link = _link(storage, "org/one.pdf")
    storage.put("org/two.pdf", b"secret", "application/pdf")
    assert httpx2.get(link.replace("one.pdf", "two.pdf")).status_code == 403


def test_nothing_opens_without_a_signature(storage: ObjectStorage) -> None:
    link = _link(storage, "org/one.pdf")
    assert httpx2.get(link.partition("?")[0]).status_code == 403
    assert httpx2.get(link.partition("org/")[0]).status_code == 404


def test_a_link_to_a_missing_file_says_so(storage: ObjectStorage) -> None:
    link = storage.presigned_get("org/none.pdf", 60, "a.pdf", "application/pdf")
    assert httpx2.get(link).status_code == 404
