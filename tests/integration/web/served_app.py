"""A web process as `clozone web` runs it, with the dummy slice. Argument: the address."""

import sys

import dummy_api

from clozone import app
from clozone.settings import load_settings

if __name__ == "__main__":
    app.BLUEPRINTS += (dummy_api.blueprint,)
    app.serve(load_settings(), sys.argv[1])
