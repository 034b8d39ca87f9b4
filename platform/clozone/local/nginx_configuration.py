"""nginx's configuration on disk: each a folder of its own, put in force as a whole by one link.

nginx/current -> configuration-…/    nginx.conf, clozone.conf, frontend -> the built frontend
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clozone.kit.ids import new_id

CURRENT = "current"
FRONTEND = "frontend"
_PREFIX = "configuration-"


@dataclass(frozen=True, slots=True)
class Configuration:
    """What nginx is to do: its files by name, and the folder of the frontend that it serves."""

    files: Mapping[str, str]
    frontend: Path


def write_configuration(folder: Path, configuration: Configuration) -> str:
    """Lay a configuration into nginx's `folder`, beside the one in force; the name it has there."""
    name = f"{_PREFIX}{new_id()}"
    place = folder / name
    # As root, workers that are somebody else pass through it to the frontend.
    place.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700)
    for file, text in configuration.files.items():
        (place / file).write_text(text)
    (place / FRONTEND).symlink_to(configuration.frontend)
    return name


def put_in_force(folder: Path, name: str) -> None:
    """Make it the one that nginx reads from now on, in one step."""
    draft = folder / f"{CURRENT}.new"
    draft.unlink(missing_ok=True)
    draft.symlink_to(name)
    draft.replace(folder / CURRENT)


def in_force(folder: Path) -> str:
    """The name of the configuration that nginx reads. Raises OSError when there is none."""
    return str((folder / CURRENT).readlink())


def is_written(folder: Path, name: str, configuration: Configuration) -> bool:
    """Whether what `name` holds is `configuration`."""
    place = folder / name
    try:
        files = {file: (place / file).read_text() for file in configuration.files}
        return files == configuration.files and (
            (place / FRONTEND).readlink() == configuration.frontend
        )
    except OSError:
        return False


def remove_superseded(folder: Path) -> None:
    """Remove every configuration but the one in force."""
    kept = in_force(folder)
    for place in folder.glob(f"{_PREFIX}*"):
        if place.name != kept:
            shutil.rmtree(place, ignore_errors=True)
