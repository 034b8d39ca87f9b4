"""What PostgreSQL reads when it starts: the same for the primary and for its standby."""

from clozone.local.postgres_place import PostgresPlace

# In the file, not on the command line: a standby must find the same values.
_CONFIGURATION = """\
# Written by `clozone up` at every start. Your own settings belong in postgresql.local.conf.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
max_connections = 100

shared_buffers = 64MB
work_mem = 4MB
maintenance_work_mem = 32MB
io_workers = 1
jit = off

wal_level = replica
max_wal_senders = 5
max_replication_slots = 5
# A standby that stays away must not fill the disk; past this it is made anew.
max_slot_wal_keep_size = 512MB
hot_standby = on
fsync = on
synchronous_commit = on
min_wal_size = 80MB
max_wal_size = 256MB

shared_preload_libraries = 'pg_stat_statements'
pg_stat_statements.max = 2000
pg_stat_statements.track_utility = off

timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %a '
# Rows and parameters hold transcripts; they do not belong in a log.
log_error_verbosity = terse
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
{more}
include = 'postgresql.local.conf'
"""

_ACCESS = """\
# Written by `clozone up` at every start.
host all         all 127.0.0.1/32 scram-sha-256
host replication all 127.0.0.1/32 scram-sha-256
"""


def write_configuration(place: PostgresPlace, port: int, more: str = "") -> None:
    """Write the files of the server in `place`; the person's own are left as they are."""
    text = _CONFIGURATION.format(port=port, more=more)
    place.write(place.data / "postgresql.conf", text)
    place.write(place.data / "pg_hba.conf", _ACCESS)
    own = place.data / "postgresql.local.conf"
    if not own.exists():
        place.write(own, "# Your own settings; they win over those of postgresql.conf.\n")
