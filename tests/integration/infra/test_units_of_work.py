"""What a unit of work costs in round trips, and what it does when its connection is gone."""

import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pytest
from peewee import InternalError, OperationalError
from pydantic import SecretStr
from tests.support.practice import Practice

from clozone.infra.postgres import (
    Scope,
    close_database,
    database,
    init_database,
    one_statement,
    unit_of_work,
)
from clozone.kit.ids import new_id
from clozone.models.accounts import Organization
from clozone.settings import Settings


class Relay:
    """Stands between a client and a server; counts how often the client speaks and then listens."""

    def __init__(self, host: str, port: int) -> None:
        self.round_trips = 0
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        try:
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=pair, daemon=True).start()
        except OSError:
            return

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        to_server = target.getpeername() == self._server
        while data := source.recv(65_536):
            self.round_trips += to_server
            target.sendall(data)


@pytest.fixture
def relay(settings: Settings, platform_db: None) -> Iterator[Relay]:
    address = urlsplit(settings.database_url.get_secret_value())
    relay = Relay(str(address.hostname), int(address.port or 0))
    through = address._replace(netloc=address.netloc.replace(str(address.port), str(relay.port)))
    close_database()
    init_database(settings.model_copy(update={"database_url": SecretStr(through.geturl())}))
    yield relay
    close_database()
    init_database(settings)
    relay.close()


def test_a_unit_of_work_costs_two_round_trips_besides_its_statements(relay: Relay) -> None:
    scope = Scope.tenant(new_id())
    with unit_of_work(scope):
        _role()
    before = relay.round_trips
    with unit_of_work(scope):
        assert _role() == "clozone_tenant"
    assert relay.round_trips - before == 3


def test_one_statement_costs_one_round_trip(relay: Relay) -> None:
    one_statement("SELECT 1", {})
    before = relay.round_trips
    assert one_statement("SELECT 1", {}) == [(1,)]
    assert relay.round_trips - before == 1


def test_pooled_connections_that_were_cut_cost_no_unit_of_work(practice: Practice) -> None:
    with unit_of_work(practice.scope):
        pid = _pid()
    _terminate(pid)
    with unit_of_work(practice.scope):
        assert _pid() != pid


def test_a_connection_that_is_cut_once_it_was_taken_costs_no_unit_of_work(
    practice: Practice,
) -> None:
    with database.connection_context():
        pid = _pid()
        _terminate(pid)
        with unit_of_work(practice.scope):
            assert _pid() != pid
            assert _role() == "clozone_tenant"
            assert Organization.select().count() == 1


def test_a_connection_that_is_cut_later_fails_and_nothing_is_written(practice: Practice) -> None:
    with pytest.raises(OperationalError), unit_of_work(practice.scope):
        Organization.update(name="Changed").execute()
        _terminate(_pid())
        Organization.update(name="Changed again").execute()
    with unit_of_work(practice.scope):
        assert Organization.get().name == "Acme"


def test_a_write_in_a_read_only_unit_of_work_is_refused(practice: Practice) -> None:
    with unit_of_work(practice.scope, read_only=True):
        assert Organization.select().count() == 1
        with pytest.raises(InternalError, match="read-only"):
            Organization.update(name="Changed").execute()
    with unit_of_work(practice.scope):
        Organization.update(name="Written").execute()


def test_an_organisation_is_quoted(platform_db: None) -> None:
    quoted = Scope("clozone_tenant", UUID(int=0))
    object.__setattr__(quoted, "org_id", "'; SELECT pg_sleep(1); --")
    with unit_of_work(quoted):
        ((value,),) = database.execute_sql("SELECT current_setting('clozone.org_id')").fetchall()
    assert value == "'; SELECT pg_sleep(1); --"


def _role() -> str:
    return str(database.execute_sql("SELECT current_user").fetchone()[0])


def _pid() -> int:
    return int(database.execute_sql("SELECT pg_backend_pid()").fetchone()[0])


def _terminate(pid: int) -> None:
    with psycopg.connect(database.database, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
