"""The head of a plain request, read by httptools: the line and the header fields, strictly."""

from dataclasses import dataclass, field

import httptools

END = b"\r\n\r\n"
# Fields that may stand more than once without making a request ambiguous to us.
_LISTS = frozenset({b"accept", b"accept-encoding", b"accept-language", b"cookie", b"via"})
# A body, or a wish to speak otherwise.
_MORE_THAN_A_HEAD = frozenset({b"content-length", b"transfer-encoding", b"expect", b"upgrade"})


@dataclass(slots=True)
class RequestHead:
    """A request that consists of its head alone and leaves its connection open.

    `headers` by their names in lower case, values as sent.
    """

    path: bytes = b""
    query: bytes = b""
    headers: dict[bytes, bytes] = field(default_factory=dict)
    plain: bool = True

    # What httptools calls while it reads.

    def on_url(self, target: bytes) -> None:
        """The target, which may come in pieces."""
        self.path += target

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field."""
        name = name.lower()
        if name in _MORE_THAN_A_HEAD or (name in self.headers and name not in _LISTS):
            self.plain = False
        if name == b"connection" and value.strip().lower() != b"keep-alive":
            self.plain = False
        self.headers[name] = value.strip(b" \t")


def read_get(data: bytes) -> RequestHead | None:
    """The GET request that `data` is: one complete head, and nothing before, within or after.

    None for anything else, however valid: another method or version, a body, half a head, several
    requests, a connection that is to be closed, a field that should stand once and stands twice.
    """
    if not data.startswith(b"GET ") or data.find(END) != len(data) - len(END):
        return None
    if data.count(b" ", 0, data.find(b"\r\n")) != 2:
        # httptools overlooks further ones in the first line.
        return None
    head = RequestHead()
    parser = httptools.HttpRequestParser(head)
    try:
        parser.feed_data(data)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    if parser.get_http_version() != "1.1":
        return None
    head.path, _, head.query = head.path.partition(b"?")
    return head if head.plain and b"host" in head.headers else None
