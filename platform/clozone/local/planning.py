"""Deciding on one start: secrets, ports, addresses."""

from collections.abc import Iterable, Mapping

from clozone.local.home import Home
from clozone.local.keys import load_keys
from clozone.local.options import Options
from clozone.local.parts import with_ports
from clozone.local.plan import Plan
from clozone.local.ports import choose_ports, require_free


def make_plan(home: Home, options: Options, env: Mapping[str, str], parts: Iterable[str]) -> Plan:
    """Decide everything that a start needs; makes what has to be made once, and saves it.

    Raises BundleError when the public port is taken and nginx is among `parts`.
    """
    parts = frozenset(parts)
    names = with_ports(options, parts)
    if options.port == 0:
        names.append("nginx")
    ports = choose_ports(home.ports, names)
    public_port = options.port or ports["nginx"]
    if "nginx" in parts:
        require_free(public_port, options.bind)
    return Plan(
        home=home,
        keys=load_keys(home.keys),
        ports=ports,
        public_port=public_port,
        options=options,
        env=env,
    )
