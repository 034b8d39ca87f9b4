import os
from collections.abc import Iterator

import pytest
from tests.conftest import GENEROUS
from tests.support.platform import Platform

from clozone.local.bundle import Bundle


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The whole platform, on a home of its own."""
    home = tmp_path_factory.mktemp("platform") / "home"
    bundle = Bundle(home, port=0, env=os.environ | GENEROUS)
    bundle.start()
    try:
        yield Platform(bundle)
    finally:
        bundle.destroy()
