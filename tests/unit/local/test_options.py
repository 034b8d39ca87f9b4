import pytest

from clozone.local.errors import BundleError
from clozone.local.options import Options


def test_defaults_without_any_variable() -> None:
    assert Options.from_environment({}) == Options()


def test_variables_are_read() -> None:
    options = Options.from_environment(
        {"CLOZONE_PORT": "9000", "CLOZONE_WEB_INSTANCES": "3", "NGINX_RATE_API": "9r/s"}
    )
    assert (options.port, options.web_instances, options.nginx_rate_api) == (9000, 3, "9r/s")


@pytest.mark.parametrize("value", ["eighty", "-1", "65536", "80.0", "٨٠"])
def test_a_wrong_port_is_refused_by_name(value: str) -> None:
    with pytest.raises(BundleError, match="CLOZONE_PORT"):
        Options.from_environment({"CLOZONE_PORT": value})


def test_an_empty_variable_is_as_good_as_none() -> None:
    assert Options.from_environment({"CLOZONE_PORT": " "}).port == Options().port


def test_no_instances_are_too_few() -> None:
    with pytest.raises(BundleError, match="CLOZONE_WEB_INSTANCES"):
        Options.from_environment({"CLOZONE_WEB_INSTANCES": "0"})
