"""From a shell to the platform: for the commands that work on its database.

Where `DATABASE_URL` is set, the environment is meant. Otherwise the bundle that runs in
`CLOZONE_HOME` is: its ports and secrets lie in its home.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from clozone.infra.postgres import OperationalError, close_database, init_database
from clozone.local.environment import platform_settings
from clozone.local.errors import BundleError
from clozone.local.home import Home
from clozone.local.keys import load_keys
from clozone.local.options import Options, home_from_environment
from clozone.local.plan import Plan
from clozone.local.state import read_state
from clozone.settings import Settings, load_settings


@contextmanager
def connected(env: Mapping[str, str] = os.environ) -> Iterator[Settings]:
    """The platform's settings, with its database open for one thread until the block ends.

    Raises BundleError, one sentence, when nothing says which platform is meant, or when its
    database does not answer.
    """
    settings = load_settings() if env.get("DATABASE_URL") else attach(env)
    init_database(settings, pool_size=1)
    try:
        yield settings
    except OperationalError as error:
        reason = str(error).strip().partition("\n")[0]
        raise BundleError(f"The database does not answer as it should: {reason}") from error
    finally:
        close_database()


def attach(env: Mapping[str, str]) -> Settings:
    """The settings of the bundle that runs in the home that `env` names.

    As for its own processes, what is in `env` wins where the bundle leaves the choice. Raises
    BundleError when no bundle runs there.
    """
    home = Home.at(home_from_environment(env))
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
        ports=json.loads(home.ports.read_text()),
        public_port=urlsplit(state.url).port or 80,
        options=Options.from_environment(env),
        env=env,
    )
    return platform_settings(plan)
