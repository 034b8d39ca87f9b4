"""How asking a foreign address can fail, and what that means for whoever asked."""

from collections.abc import Iterator
from contextlib import contextmanager

from urllib3.exceptions import HTTPError, SSLError
from urllib3.exceptions import TimeoutError as HTTPTimeoutError
from urllib3.util import parse_url

from clozone.kit.errors import Permanent, Retryable


class OutboundRefused(Permanent):
    """The address or the answer is not acceptable, and will not be. `code` says why in a word."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class OutboundFailed(Retryable):
    """The other side is away, too slow or broke off. `code` says how in a word."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Turn what urllib3 raises into OutboundFailed, without the URL's path, which may be secret."""
    host = parse_url(url).host
    try:
        yield
    except (HTTPTimeoutError, TimeoutError) as error:
        raise OutboundFailed("timeout", f"{host} did not answer in time") from error
    except SSLError as error:
        raise OutboundFailed("tls", f"{host} has no valid certificate: {error}") from error
    except (HTTPError, OSError) as error:
        raise OutboundFailed("connection", f"{host} broke the connection off") from error
