"""Another issuer: publishes its keys over HTTP and signs tokens with them."""

import base64
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from clozone.kit.clock import now


class Issuer:
    """Keys by id, of which those in `published` are in the key set."""

    def __init__(self) -> None:
        self.url = ""
        self.keys: dict[str, tuple[str, Any]] = {
            "rsa": ("RS256", rsa.generate_private_key(65537, 2048)),
            "ec": ("ES256", ec.generate_private_key(ec.SECP256R1())),
            "ed": ("EdDSA", ed25519.Ed25519PrivateKey.generate()),
            "later": ("RS256", rsa.generate_private_key(65537, 2048)),
        }
        self.published = {"rsa", "ec", "ed"}
        self.requests = 0
        self.body: bytes | None = None

    def key_set(self) -> bytes:
        if self.body is not None:
            return self.body
        kinds = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}
        keys = []
        for kid in sorted(self.published):
            algorithm, key = self.keys[kid]
            jwk = kinds[algorithm].to_jwk(key.public_key(), as_dict=True)
            keys.append({**jwk, "kid": kid, "use": "sig", "alg": algorithm})
        return json.dumps({"keys": keys}).encode()

    def token(self, kid: str = "rsa", signed_by: str | None = None, **changes: Any) -> str:
        """A good token, unless `changes` say otherwise; None leaves a claim out."""
        claims = {
            "iss": self.url,
            "aud": "clozone",
            "sub": "subject-1",
            "iat": now(),
            "exp": now() + timedelta(minutes=5),
        } | changes
        algorithm, key = self.keys[signed_by or kid]
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(kept, key, algorithm, headers={"kid": kid})

    def token_signed_with_public_key(self, subject: str) -> str:
        """The classic forgery: what everybody can fetch, used as an HMAC secret."""
        expires = int(now().timestamp()) + 60
        claims = {"iss": self.url, "aud": "clozone", "sub": subject, "exp": expires}
        header = {"alg": "HS256", "kid": "rsa", "typ": "JWT"}
        signed = b".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
        _, key = self.keys["rsa"]
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        signature = hmac.digest(pem, signed, "sha256")
        return b".".join((signed, _base64(signature))).decode()


def _base64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


@contextmanager
def serving(issuer: Issuer) -> Iterator[None]:
    """The issuer's key set at its well-known address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.requests += 1
            known = self.path == "/.well-known/jwks.json"
            body = issuer.key_set() if known else b""
            self.send_response(200 if known else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
