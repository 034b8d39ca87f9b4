import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from clozone.local.errors import BundleError
from clozone.local.ports import choose_ports, is_free, require_free


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_each_name_gets_a_port_of_its_own(tmp_path: Path) -> None:
    ports = choose_ports(tmp_path / "ports.json", ["a", "b", "c"])
    assert len(set(ports.values())) == 3
    assert all(is_free(port) for port in ports.values())


def test_ports_stay_the_same_from_start_to_start(tmp_path: Path) -> None:
    first = choose_ports(tmp_path / "ports.json", ["a", "b"])
    assert choose_ports(tmp_path / "ports.json", ["b", "a"]) == first


def test_a_port_that_was_taken_meanwhile_is_chosen_anew(tmp_path: Path, taken: int) -> None:
    file = tmp_path / "ports.json"
    first = choose_ports(file, ["a", "b"])
    file.write_text(json.dumps(first | {"a": taken}))
    second = choose_ports(file, ["a", "b"])
    assert second["b"] == first["b"]
    assert second["a"] != taken
    assert choose_ports(file, ["a", "b"]) == second


def test_a_name_that_is_new_does_not_get_the_port_of_another(tmp_path: Path) -> None:
    first = choose_ports(tmp_path / "ports.json", ["a"])
    second = choose_ports(tmp_path / "ports.json", ["b"])
    assert first["a"] != second["b"]


def test_a_broken_file_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text("{")
    assert choose_ports(tmp_path / "ports.json", ["a"])["a"] > 0


def test_homes_begin_to_look_at_different_places(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one = choose_ports(tmp_path / "one" / "ports.json", ["a"])
    two = choose_ports(tmp_path / "two" / "ports.json", ["a"])
    assert one != two


def test_a_taken_public_port_is_named_with_its_variable(taken: int) -> None:
    with pytest.raises(BundleError, match=rf"Port {taken} .*CLOZONE_PORT"):
        require_free(taken, "127.0.0.1")


def test_an_address_of_another_machine_is_not_called_a_port_in_use() -> None:
    with pytest.raises(BundleError, match=r"CLOZONE_BIND.*not an address of this machine"):
        require_free(0, "203.0.113.1")
