"""From a shell to the platform: for the commands that work on its database.

Where `DATABASE_URL` is set, the environment is meant. Otherwise the bundle that runs in
`CLOZONE_HOME` is: its ports and secrets lie in its home.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from pydantic import SecretStr

from clozone.infra.postgres import OperationalError, close_database, init_database
from clozone.local.environment import platform_environment
from clozone.local.errors import BundleError
from clozone.local.home import Home
from clozone.local.keys import load_keys
from clozone.local.options import Options
from clozone.local.plan import Plan
from clozone.local.postgres_place import REPLICA
from clozone.local.state import BundleState, read_state
from clozone.settings import Settings, load_settings


@contextmanager
def connected() -> Iterator[Settings]:
    """The platform's settings, with its database open for one thread until the block ends.

    Raises BundleError, one sentence, when nothing says which platform is meant, or when its
    database does not answer.
    """
    given = load_settings()
    settings = given if "DATABASE_URL" in _set(given) else attach(given)
    init_database(settings, pool_size=1)
    try:
        yield settings
    except OperationalError as error:
        reason = str(error).strip().partition("\n")[0]
        raise BundleError(f"The database does not answer as it should: {reason}") from error
    finally:
        close_database()


def attach(given: Settings) -> Settings:
    """The settings of the bundle that runs in the home of `given`, the environment's settings.

    As for the bundle's own processes, what is set in the environment wins where the bundle leaves
    the choice. Raises BundleError when no bundle runs there.
    """
    home = Home.at(given.clozone_home)
    state = read_state(home.state)
    if state is None or not state.supervisor_lives or state.phase in ("stopped", "failed"):
        raise BundleError(
            f"No Clozone runs in {home.root}. Start it by `clozone up`, or say which one is meant: "
            "by CLOZONE_HOME, or by DATABASE_URL and the other settings."
        )
    if state.phase != "ready":
        raise BundleError(f"The Clozone in {home.root} is {state.phase}. Try again in a moment.")
    plan = Plan(
        home=home,
        keys=load_keys(home.keys),
        ports=_ports(home, state),
        public_port=urlsplit(state.url).port or 80,
        options=Options.from_environment({}),
        env=_set(given),
    )
    bundles = {name.lower(): value for name, value in platform_environment(plan).items()}
    return Settings.model_validate(
        {name: value for name, value in bundles.items() if name in Settings.model_fields}
    )


def _ports(home: Home, state: BundleState) -> dict[str, int]:
    """The remembered ports, without that of a standby which this time was not asked for."""
    ports: dict[str, int] = json.loads(home.ports.read_text())
    running = {record.name for record in state.processes}
    return {name: port for name, port in ports.items() if name != REPLICA or name in running}


def _set(given: Settings) -> dict[str, str]:
    """The variables that were set, and not to nothing."""
    values = {name.upper(): getattr(given, name) for name in given.model_fields_set}
    plain = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in values.items()
        if value is not None
    }
    return {name: value for name, value in plain.items() if value}
