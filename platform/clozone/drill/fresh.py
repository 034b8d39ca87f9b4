"""A bundle for one drill, in a home of its own that goes with it."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from clozone.drill.errors import DrillError
from clozone.local.bundle import Bundle
from clozone.local.errors import BundleError
from clozone.local.home import Home
from clozone.local.postgres_place import remove_data
from clozone.local.starting import Listener

# What a drill needs to be quick and to the point; a bundle that runs already keeps its own.
CHOICES = {
    "VAPI_WEBHOOK_AUTH": "hmac",
    # Above twice the lease: answers that take so long must not cost a job its lease.
    "LLM_TIMEOUT_SECONDS": "20",
    "RATE_LIMIT_API": "1000000 per minute",
    "RATE_LIMIT_USER": "1000000 per minute",
    "RATE_LIMIT_LOGIN": "1000000 per minute",
    "CLOZONE_BIND": "127.0.0.1",
}
# A person's own accounts and folders are none of the drill's business.
_NOT_PASSED_ON = frozenset(
    {"OPENAI_API_KEY", "OPENAI_BASE_URL", "LLM_MODEL", "CLOZONE_PORT", "LOG_DIR", "SPOOL_DIR"}
)
_NOT_PASSED_ON_PREFIX = "VAPI_"


@contextmanager
def fresh_bundle(
    env: Mapping[str, str], progress: Listener, kept: Callable[[Path], None] | None = None
) -> Iterator[Path]:
    """Start a bundle; yields its home, and ends it after.

    The home is deleted, unless `kept` is given, which is told where it is, however all ends. Raises
    DrillError when the bundle cannot start.
    """
    home = Path(tempfile.mkdtemp(prefix="clozone-drill-"))
    # PostgreSQL may run as another user, who has to pass through.
    home.chmod(0o755)
    own = {name: value for name, value in env.items() if _is_passed_on(name)} | CHOICES
    try:
        with _running(home / "home", own, progress) as bundle:
            yield bundle.home.root
    finally:
        if kept is not None:
            kept(home / "home")
        else:
            remove_data(Home.at(home / "home"))
            shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _running(home: Path, env: Mapping[str, str], progress: Listener) -> Iterator[Bundle]:
    try:
        bundle = Bundle(home, port=0, env=env)
        bundle.start(progress)
    except BundleError as error:
        raise DrillError(f"The drill's own bundle failed: {error}") from error
    try:
        yield bundle
    finally:
        bundle.stop()


def _is_passed_on(name: str) -> bool:
    return name not in _NOT_PASSED_ON and not name.startswith(_NOT_PASSED_ON_PREFIX)
