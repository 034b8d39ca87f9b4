import re
from pathlib import Path

import pytest

from clozone.local.errors import BundleError
from clozone.local.nginx import (
    VARIABLES,
    cors_lines,
    render,
    require_bucket_apart,
    templates_folder,
)

SOURCES = ("nginx.conf.template", "templates/clozone.conf.template")
VALUES = {name: f"<{name}>" for name in VARIABLES}


def _template(source: str) -> str:
    return (templates_folder() / source).read_text()


def test_known_variables_are_filled_in_and_nginx_keeps_its_own() -> None:
    text = "listen ${NGINX_LISTEN}; set $host ${request_id} ${HOME};"
    rendered = render(text, VALUES)
    assert rendered == "listen <NGINX_LISTEN>; set $host ${request_id} ${HOME};"


def test_a_known_variable_without_a_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        render("${MAX_BODY}", {})


@pytest.mark.parametrize("source", SOURCES)
def test_nothing_in_capitals_is_left(source: str) -> None:
    assert re.findall(r"\$\{[A-Z0-9_]+\}", render(_template(source), VALUES)) == []


def test_every_known_variable_is_used() -> None:
    used = {
        name for source in SOURCES for name in re.findall(r"\$\{([A-Z0-9_]+)\}", _template(source))
    }
    assert used == VARIABLES


def test_no_location_drops_the_headers_of_the_server() -> None:
    """An add_header in a location, or in a block within, would silently replace all inherited ones."""
    server = _template("templates/clozone.conf.template").split("server {", 1)[1]
    inside_locations = server[server.index("\n    location ") :]
    # What is said about a range that is not there comes on top of what was said about the file.
    on_purpose = '        add_header Cache-Control "";\n'
    assert inside_locations.count(on_purpose) == 1
    assert "add_header" not in inside_locations.replace(on_purpose, "")


def test_each_allowed_origin_is_answered_with_itself() -> None:
    assert cors_lines(" https://a.example,http://localhost:5173,https://a.example,") == [
        '"https://a.example" "https://a.example";',
        '"http://localhost:5173" "http://localhost:5173";',
    ]
    assert cors_lines("") == []


def test_a_star_allows_whoever_names_an_origin() -> None:
    assert cors_lines("https://a.example,*") == ['"~." "*";']


@pytest.mark.parametrize("value", ["https://a.example/", 'https://a" 1; default "x', "a.example"])
def test_what_is_not_an_origin_is_refused_by_name(value: str) -> None:
    with pytest.raises(BundleError, match="CORS_ORIGINS"):
        cors_lines(value)


def test_origins_that_differ_in_capitals_are_one() -> None:
    line = '"https://app.example" "https://app.example";'
    assert cors_lines("https://App.example,https://app.example") == [line]


@pytest.mark.parametrize("bucket", ["api", "index.html", "a", "A-b-c", 'a"b', "x" * 64])
def test_a_bucket_whose_address_is_taken_is_refused_by_name(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="S3_BUCKET"):
        require_bucket_apart(bucket, tmp_path)


def test_a_bucket_is_not_a_folder_of_the_frontend(tmp_path: Path) -> None:
    require_bucket_apart("assets", tmp_path)
    (tmp_path / "assets").mkdir()
    with pytest.raises(BundleError, match=r"S3_BUCKET is 'assets'.*frontend"):
        require_bucket_apart("assets", tmp_path)
