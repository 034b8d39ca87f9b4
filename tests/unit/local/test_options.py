import pytest

from clozone.local.errors import BundleError
from clozone.local.options import VARIABLES, Options


def test_the_documented_defaults_are_the_defaults() -> None:
    documented = {variable.name: variable.default for variable in VARIABLES}
    assert Options.from_environment({}) == Options.from_environment(documented)
    assert Options.from_environment({}).port == 8080


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
    assert Options.from_environment({"CLOZONE_PORT": " "}).port == 8080


def test_no_instances_are_too_few() -> None:
    with pytest.raises(BundleError, match="CLOZONE_WEB_INSTANCES"):
        Options.from_environment({"CLOZONE_WEB_INSTANCES": "0"})


@pytest.mark.parametrize("value", ["50", "0r/s", "50r/h", "1;return 200"])
def test_a_wrong_rate_is_refused_by_name(value: str) -> None:
    with pytest.raises(BundleError, match="NGINX_RATE_API"):
        Options.from_environment({"NGINX_RATE_API": value})


def test_networks_of_proxies_are_read_and_checked() -> None:
    read = Options.from_environment({"NGINX_REAL_IP_FROM": "10.0.0.0/8, 192.0.2.1,fd00::/8"})
    assert read.nginx_real_ip_from == ("10.0.0.0/8", "192.0.2.1/32", "fd00::/8")
    with pytest.raises(BundleError, match="NGINX_REAL_IP_FROM"):
        Options.from_environment({"NGINX_REAL_IP_FROM": "all; return 200"})


def test_the_policy_of_the_frontend_is_read_and_cannot_leave_its_quotes() -> None:
    assert "frame-ancestors 'self'" in Options.from_environment({}).nginx_frontend_csp
    policy = "default-src 'self'; connect-src 'self' wss://*.vapi.ai:443"
    read = Options.from_environment({"NGINX_FRONTEND_CSP": policy})
    assert read.nginx_frontend_csp == policy
    for wrong in ('default-src "a"', "default-src $host", "a {}", "a\\b", "a\nb"):
        with pytest.raises(BundleError, match="NGINX_FRONTEND_CSP"):
            Options.from_environment({"NGINX_FRONTEND_CSP": wrong})


@pytest.mark.parametrize("name", ["NGINX_RATE_STRICT", "NGINX_RATE_FILES", "NGINX_RATE_HEALTH"])
def test_every_rate_is_checked_and_named(name: str) -> None:
    with pytest.raises(BundleError, match=name):
        Options.from_environment({name: "1r/s; return 200"})


@pytest.mark.parametrize("value", ["127.0.0.1; }", "nohost.invalid", "127.0.0.1:80", "*"])
def test_an_address_to_listen_on_that_is_none_is_refused_by_name(value: str) -> None:
    with pytest.raises(BundleError, match="CLOZONE_BIND"):
        Options.from_environment({"CLOZONE_BIND": value})


@pytest.mark.parametrize("value", ["127.0.0.1", "0.0.0.0", "::1", "::", "localhost"])
def test_addresses_to_listen_on(value: str) -> None:
    assert Options.from_environment({"CLOZONE_BIND": value}).bind == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NGINX_CONNECTIONS", "65536"),
        ("NGINX_STREAMS", "65536"),
        ("NGINX_BURST_API", "9" * 5_000),
        ("NGINX_RATE_API", "1000001r/s"),
        ("NGINX_RATE_API", "9" * 5_000 + "r/m"),
    ],
)
def test_what_nginx_would_not_take_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(BundleError, match=name):
        Options.from_environment({name: value})


@pytest.mark.parametrize("value", ["0.0.0.0/0", "10.0.0.0/8,::/0"])
def test_the_whole_world_is_no_proxy_of_ours(value: str) -> None:
    with pytest.raises(BundleError, match=r"NGINX_REAL_IP_FROM.*everybody"):
        Options.from_environment({"NGINX_REAL_IP_FROM": value})
