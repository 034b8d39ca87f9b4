"""Another configuration for a running nginx: taken as a whole, or not at all."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.integration.local.conftest import PLAIN

from clozone.local import nginx_configuration, nginx_reload
from clozone.local.bundle import Bundle
from clozone.local.errors import BundleError
from clozone.local.reload_request import request_reload
from clozone.local.starting import unheard

# Longer than what nginx keeps in a map.
UNSOUND = {"CORS_ORIGINS": f"https://{'a' * 600}.example"}


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


def test_a_new_configuration_is_taken_once(bundle: Bundle, tmp_path: Path) -> None:
    changes = frontend(tmp_path / "new", "new")
    assert _reload(bundle, changes) == ["reloaded"]
    assert _page(bundle) == "new"
    assert _reload(bundle, changes) == ["unchanged"]


def test_one_that_nginx_refuses_changes_nothing(bundle: Bundle, tmp_path: Path) -> None:
    changes = frontend(tmp_path / "new", "new")
    with pytest.raises(BundleError, match="nginx does not take its new configuration"):
        _reload(bundle, changes | UNSOUND)
    assert _page(bundle) == "old"
    bundle.restart("nginx")
    assert _page(bundle) == "old"


def test_a_frontend_that_is_not_there_is_named(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"There is no index\.html in"):
        _reload(bundle, {"CLOZONE_FRONTEND": str(tmp_path / "nowhere")})
    assert _page(bundle) == "old"


@pytest.mark.parametrize("patience", ["_TEST_SECONDS", "_SWITCH_SECONDS"])
def test_one_that_was_not_taken_in_time_is_taken_when_asked_for_again(
    bundle: Bundle, tmp_path: Path, patience: str
) -> None:
    changes = frontend(tmp_path / "new", "new") | {"NGINX_CONNECTIONS": "78"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nginx_reload, patience, -1.0)
        with pytest.raises(BundleError, match="nginx"):
            _reload(bundle, changes)
    assert _page(bundle) == "old"
    assert _reload(bundle, changes) == ["reloaded"]
    assert _page(bundle) == "new"


def test_a_disk_that_cannot_be_written_changes_nothing(bundle: Bundle, tmp_path: Path) -> None:
    changes = frontend(tmp_path / "new", "new")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nginx_configuration, "_PREFIX", "no/such/folder/")
        with pytest.raises(BundleError, match="nginx keeps its configuration"):
            _reload(bundle, changes)
    assert _page(bundle) == "old"
    assert _reload(bundle, changes) == ["reloaded"]


def test_configurations_do_not_pile_up(bundle: Bundle) -> None:
    for number in (301, 302, 303):
        _reload(bundle, {"NGINX_CONNECTIONS": str(number)})
    folder = bundle.home.folder("nginx")
    assert len([each for each in folder.iterdir() if each.name.startswith("conf")]) == 1
    assert "clozone_connections 303;" in (folder / "current" / "clozone.conf").read_text()


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
