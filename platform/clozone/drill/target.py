"""The platform under test: a local bundle, its addresses and keys, and whether it may be drilled."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from clozone.drill.errors import DrillError
from clozone.drill.surroundings import shared_environment
from clozone.local.environment import setting
from clozone.local.home import Home
from clozone.local.keys import load_keys
from clozone.local.nginx_configuration import CURRENT
from clozone.local.options import Options
from clozone.local.plan import Plan
from clozone.local.state import BundleState, read_state

_LISTEN = re.compile(r"^\s*listen\s+(\S+?):\d+\s*;", re.MULTILINE)


class _Vapi(BaseModel):
    header: str
    secret: SecretStr


class _Credentials(BaseModel):
    vapi: _Vapi


@dataclass(frozen=True, slots=True)
class Target:
    """A running bundle. `environment` is what its worker runs with."""

    home: Home
    plan: Plan
    environment: Mapping[str, str]
    vapi_header: str
    vapi_secret: str

    @property
    def url(self) -> str:
        """The address of nginx."""
        return f"http://127.0.0.1:{self.plan.public_port}"

    @property
    def model_url(self) -> str:
        """The address of the offline model."""
        return f"http://{self.plan.address('offline-model')}"

    def setting(self, name: str) -> str:
        """A setting, such as `LLM_MODEL`, as the bundle's processes have it."""
        return setting(self.environment, name)

    @property
    def lease_seconds(self) -> float:
        """After how much silence a worker loses its job."""
        return float(self.setting("JOB_LEASE_SECONDS"))

    @property
    def spool(self) -> Path:
        """Where webhooks wait that came while PostgreSQL was away; made when the first one does."""
        return Path(self.environment.get("SPOOL_DIR") or self.home.folder("spool"))

    def state(self) -> BundleState:
        """What the supervisor says of its processes now. Raises DrillError when it is gone."""
        state = read_state(self.home.state)
        if state is None or not state.supervisor_lives:
            raise DrillError(f"The Clozone in {self.home.root} ended while it was drilled.")
        return state


def find_target(folder: Path) -> Target:
    """The bundle that runs in `folder`, to be drilled.

    Raises DrillError for whatever is not a local bundle on the loopback whose processes ask the
    offline model: the drill kills processes and counts what the model was asked, so it must own both.
    """
    home = Home.at(folder)
    state = read_state(home.state)
    if state is None or not state.supervisor_lives or state.phase != "ready":
        raise DrillError(
            f"No Clozone runs in {home.root}. Start it by `clozone up`, or leave --home out: the "
            "drill then starts one of its own."
        )
    _refuse_outside(home, state)
    ports = json.loads(home.ports.read_text())
    environment = shared_environment(
        state.processes, f"http://127.0.0.1:{ports['offline-model']}/v1"
    )
    plan = Plan(
        home=home,
        keys=load_keys(home.keys),
        ports=ports,
        public_port=urlsplit(state.url).port or 80,
        options=Options.from_environment({}),
        env=environment,
    )
    try:
        vapi = _Credentials.model_validate_json(home.credentials.read_bytes()).vapi
    except (OSError, ValueError) as error:
        raise DrillError(f"{home.credentials} does not say how webhooks are signed.") from error
    return Target(home, plan, environment, vapi.header, vapi.secret.get_secret_value())


def _refuse_outside(home: Home, state: BundleState) -> None:
    names = {record.name for record in state.processes}
    if missing := {"postgres", "valkey", "s3", "nginx", "worker", "offline-model"} - names:
        raise DrillError(
            f"The bundle in {home.root} runs without {', '.join(sorted(missing))}. The drill needs "
            "all its own servers, the offline model among them: with a real model it would cost "
            "money, and nobody could count what was paid."
        )
    try:
        found = _LISTEN.search((home.folder("nginx") / CURRENT / "clozone.conf").read_text())
        loopback = found is not None and ip_address(found[1].strip("[]")).is_loopback
    except (OSError, ValueError):
        loopback = False
    if not loopback:
        raise DrillError(
            f"The bundle in {home.root} is not on the loopback only, so somebody may be using it. "
            "The drill kills what runs there; start it with CLOZONE_BIND=127.0.0.1 first."
        )
