"""The pipelined client against the real server, and against servers that misbehave."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from redis import exceptions as redis_errors
from tests.support.processes import free_port

from clozone.infra.redis_pipeline import PipelinedRedis
from clozone.kit.clock import now
from clozone.kit.ids import new_id
from clozone.settings import Settings

PATIENT_SECONDS = 30
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[PipelinedRedis]:
    client = PipelinedRedis(settings.redis_url, timeout_seconds=PATIENT_SECONDS)
    yield client
    await client.close()


@pytest.fixture
def key() -> str:
    return f"test:{new_id()}"


@asynccontextmanager
async def serving(serve: Serve, **options: float) -> AsyncIterator[PipelinedRedis]:
    """A client of a server that does what `serve` says to each connection."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = PipelinedRedis(
        f"redis://127.0.0.1:{port}", **{"timeout_seconds": PATIENT_SECONDS, **options}
    )
    try:
        yield client
    finally:
        await client.close()
        server.close()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read, and never answer."""
    while await reader.read(1024):
        pass
    writer.close()


async def test_replies_are_those_of_redis(client, key):
    assert await client.execute("SET", key, b"\x00bytes", "PX", 60_000) == b"OK"
    assert await client.execute("GET", key) == b"\x00bytes"
    assert await client.execute("MGET", key, f"{key}:none") == [b"\x00bytes", None]
    assert await client.execute("DEL", key) == 1


async def test_each_of_many_at_once_gets_its_own_reply(client):
    numbers = [str(number).encode() for number in range(2_000)]
    assert await asyncio.gather(*(client.execute("ECHO", n) for n in numbers)) == numbers


async def test_a_reply_larger_than_a_read_arrives_whole(client):
    large = b"x" * 3_000_000
    assert await client.execute("ECHO", large) == large


async def test_commands_of_one_turn_leave_in_one_write():
    reads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reads.append(await reader.read(65_536))
        writer.write(b"+PONG\r\n" * 3)

    async with serving(serve) as client:
        replies = await asyncio.gather(*(client.execute("PING") for _ in range(3)))
    assert replies == [b"PONG"] * 3
    assert reads == [b"*1\r\n$4\r\nPING\r\n" * 3]


async def test_an_error_reply_is_its_callers_alone(client, key):
    await client.execute("SET", key, "text")
    good, bad, unknown, also_good = await asyncio.gather(
        client.execute("ECHO", "1"),
        client.execute("LPUSH", key, "1"),
        client.execute("EVALSHA", "0" * 40, 0),
        client.execute("ECHO", "2"),
        return_exceptions=True,
    )
    assert (good, also_good) == (b"1", b"2")
    assert isinstance(bad, redis_errors.ResponseError)
    assert "WRONGTYPE" in str(bad)
    assert isinstance(unknown, redis_errors.NoScriptError)


async def test_who_leaves_does_not_shift_the_replies(client):
    await client.execute("PING")
    tasks = [client.execute("ECHO", str(n)) for n in range(6)]
    tasks[0].cancel()  # not sent yet
    await asyncio.sleep(0)
    tasks[1].cancel()  # sent, and not answered
    tasks[4].cancel()
    replies = await asyncio.gather(*tasks, return_exceptions=True)
    left = [n for n, reply in enumerate(replies) if isinstance(reply, asyncio.CancelledError)]
    assert left == [0, 1, 4]
    assert [replies[n] for n in (2, 3, 5)] == [b"2", b"3", b"5"]
    assert await client.execute("ECHO", "after") == b"after"


async def test_password_and_database_of_the_address_hold(client, settings):
    assert await client.execute("PING") == b"PONG"
    information = await client.execute("CLIENT", "INFO")
    assert f" db={settings.redis_url.rsplit('/', 1)[1]} ".encode() in information


async def test_a_wrong_password_is_refused_and_nothing_is_sent(settings):
    _, at, place = settings.redis_url.partition("@")
    client = PipelinedRedis(f"redis://:wrong{at}{place}", timeout_seconds=PATIENT_SECONDS)
    with pytest.raises(redis_errors.ConnectionError, match="refused the connection"):
        await client.execute("PING")
    await client.close()


async def test_a_database_that_is_not_there_is_refused(settings):
    client = PipelinedRedis(
        settings.redis_url.rsplit("/", 1)[0] + "/9999", timeout_seconds=PATIENT_SECONDS
    )
    with pytest.raises(redis_errors.ConnectionError, match="refused the connection"):
        await client.execute("SET", "never", "written")
    await client.close()


async def test_where_nobody_listens_every_caller_hears_it():
    client = PipelinedRedis(f"redis://127.0.0.1:{free_port()}", timeout_seconds=PATIENT_SECONDS)
    replies = await asyncio.gather(
        *(client.execute("PING") for _ in range(3)), return_exceptions=True
    )
    assert [type(reply) for reply in replies] == [redis_errors.ConnectionError] * 3


async def test_a_lost_connection_fails_who_waits_and_is_made_anew(client, settings):
    me = await client.execute("CLIENT", "ID")
    waiting = asyncio.ensure_future(client.execute("BLPOP", f"test:{new_id()}", 0))
    other = PipelinedRedis(settings.redis_url, timeout_seconds=PATIENT_SECONDS)
    while b"cmd=blpop" not in await other.execute("CLIENT", "LIST", "ID", me):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert await other.execute("CLIENT", "KILL", "ID", me) == 1
    with pytest.raises(redis_errors.ConnectionError, match="lost"):
        await waiting
    assert await client.execute("CLIENT", "ID") != me
    await other.close()


async def test_no_reply_in_time_fails_all_who_wait_and_the_next_connects_anew():
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections == 1:
            await silent(reader, writer)
        else:
            await reader.read(1024)
            writer.write(b"+PONG\r\n")

    async with serving(serve, timeout_seconds=0.05) as client:
        first = asyncio.gather(*(client.execute("PING") for _ in range(3)), return_exceptions=True)
        assert [type(reply) for reply in await first] == [redis_errors.TimeoutError] * 3
        assert await client.execute("PING") == b"PONG"
    assert connections == 2


async def test_what_is_not_redis_fails_who_waits():
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(serve) as client:
        with pytest.raises(redis_errors.ConnectionError, match="not the Redis protocol"):
            await client.execute("PING")


async def test_a_reply_too_many_ends_the_connection():
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read(1024)
        writer.write(b"+PONG\r\n+PONG\r\n")
        await silent(reader, writer)

    async with serving(serve) as client:
        assert await client.execute("PING") == b"PONG"
        assert await client.execute("PING") == b"PONG"
    assert connections == 2


async def test_a_loading_redis_counts_as_away():
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(b"-LOADING Redis is loading the dataset in memory\r\n")

    async with serving(serve) as client:
        with pytest.raises(redis_errors.BusyLoadingError):
            await client.execute("PING")


async def test_past_the_bound_nobody_is_let_in():
    async with serving(silent, most_waiting=2) as client:
        waiting = [asyncio.ensure_future(client.execute("PING")) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(redis_errors.ConnectionError, match="busy"):
            await client.execute("PING")
        await client.close()
        replies = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(reply) for reply in replies] == [redis_errors.ConnectionError] * 2


async def test_a_closed_client_stays_closed(client):
    await client.execute("PING")
    await client.close()
    with pytest.raises(redis_errors.ConnectionError, match="closed"):
        await client.execute("PING")


async def pong(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(1024):
        writer.write(b"+PONG\r\n")
    writer.close()


async def test_a_socket_file_will_do(tmp_path):
    server = await asyncio.start_unix_server(pong, tmp_path / "redis.sock")
    client = PipelinedRedis(f"unix://{tmp_path}/redis.sock", timeout_seconds=PATIENT_SECONDS)
    assert await client.execute("PING") == b"PONG"
    await client.close()
    server.close()


async def test_over_tls_the_certificate_is_checked(tmp_path):
    certificate, context = self_signed(tmp_path)
    server = await asyncio.start_server(pong, "127.0.0.1", 0, ssl=context)
    url = f"rediss://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    knowing = PipelinedRedis(f"{url}?ssl_ca_certs={certificate}", timeout_seconds=PATIENT_SECONDS)
    assert await knowing.execute("PING") == b"PONG"
    strange = PipelinedRedis(url, timeout_seconds=PATIENT_SECONDS)
    with pytest.raises(redis_errors.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        await strange.execute("PING")
    await knowing.close()
    await strange.close()
    server.close()


def self_signed(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1, and the context of a server that has it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now() - timedelta(days=1))
        .not_valid_after(now() + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    file, key_file = folder / "certificate.pem", folder / "key.pem"
    file.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key_file)
    return file, context
