"""Another configuration for a running nginx: taken as a whole, or not at all."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.integration.local.conftest import PLAIN

from clozone.local.bundle import Bundle
from clozone.local.reload_request import request_reload
from clozone.local.starting import unheard

# More than nginx can count.
UNSOUND = {"NGINX_RATE_API": "99999999999999999999r/s"}


def frontend(folder: Path, text: str) -> dict[str, str]:
    """The setting for a frontend that says `text`."""
    folder.mkdir(parents=True)
    (folder / "index.html").write_text(text)
    return {"CLOZONE_FRONTEND": str(folder)}


@pytest.fixture
def bundle(tmp_path: Path) -> Iterator[Bundle]:
    env = PLAIN | frontend(tmp_path / "old", "old")
    bundle = Bundle(tmp_path / "a home", 0, env, {"nginx"})
    bundle.start()
    yield bundle
    bundle.destroy()


def _page(bundle: Bundle) -> str:
    return httpx2.get(bundle.url.replace("localhost", "127.0.0.1")).text


def _reload(bundle: Bundle, changes: dict[str, str]) -> list[str]:
    """What was said about nginx."""
    said: list[str] = []
    bundle.reload(["nginx"], changes, lambda news: said.append(news.state))
    return said


def test_a_request_that_an_earlier_life_left_is_not_obeyed(bundle: Bundle, tmp_path: Path) -> None:
    bundle.stop()
    left = {"id": "0", "only": ["nginx"], "changes": frontend(tmp_path / "new", "new")}
    (bundle.home.run / "reload-0.request").write_text(json.dumps(left))
    bundle.start()
    waiting = threading.Thread(target=bundle.wait)
    waiting.start()
    request_reload(bundle.home, ["nginx"], {}, unheard)
    bundle.request_stop()
    waiting.join()
    assert _page(bundle) == "old"
