"""A real PostgreSQL cluster in a temporary folder, and fresh databases of it."""

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from hookline.store.database import Database

from .ports import free_port
from .programs import program

_OWNER = "postgres"
_TEMPLATE = "migrated"


class Cluster:
    """A running cluster. PostgreSQL refuses root, so as root it runs as the user postgres.

    It survives a loss of power only with `fsync`; the death of its processes it survives anyway.
    """

    def __init__(self, *, fsync: bool = True) -> None:
        self._fsync = "on" if fsync else "off"
        self._initdb, self._control = program("initdb"), program("pg_ctl")
        self._folder = Path(tempfile.mkdtemp(prefix="hookline-pg-"))
        self._port = free_port()
        self._numbers = itertools.count(1)
        if os.geteuid() == 0:
            owner = pwd.getpwnam(_OWNER)
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
        self._run(
            self._initdb, "-D", self._data, "-U", _OWNER, "-A", "trust", "-E", "UTF8", "--no-sync"
        )
        self.start()
        self._migrate(self._create(_TEMPLATE))

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def start(self) -> None:
        """Start it."""
        options = (
            f"-p {self._port} -k {self._folder} -c listen_addresses=127.0.0.1 "
            f"-c fsync={self._fsync} -c max_connections=300"
        )
        log = str(self._folder / "log")
        self._run(self._control, "-D", self._data, "-l", log, "-w", "-o", options, "start")

    def stop(self) -> None:
        """Stop it at once."""
        self._run(self._control, "-D", self._data, "-m", "immediate", "-w", "stop")

    def close(self) -> None:
        """Stop it and remove it."""
        self.stop()
        shutil.rmtree(self._folder)

    def create_database(self) -> str:
        """A new database with Hookline's schema; its SQLAlchemy address."""
        return self._create(f"hookline{next(self._numbers)}", _TEMPLATE)

    def create_empty_database(self) -> str:
        """A new database without a schema; its SQLAlchemy address."""
        return self._create(f"hookline{next(self._numbers)}")

    def _create(self, name: str, template: str = "template1") -> str:
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return self._address(name)

    @staticmethod
    def _migrate(address: str) -> None:
        database = Database(address)
        database.migrate()
        database.close()

    @contextmanager
    def read_only(self, database: str) -> Iterator[None]:
        """Let a database take no writes for a while, as a primary does that gave way to another.

        All connections to it are ended at the begin, and none at the end.
        """
        # The setting of this connection is stronger than that of its database.
        options = "-c default_transaction_read_only=off"
        with psycopg.connect(self._address("postgres"), autocommit=True, options=options) as own:
            setting = f"ALTER DATABASE {database} SET default_transaction_read_only = "
            own.execute(f"{setting} on".encode())
            own.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [database],
            )
            try:
                yield
            finally:
                own.execute(f"{setting} off".encode())

    def _address(self, database: str) -> str:
        return f"postgresql://{_OWNER}@127.0.0.1:{self._port}/{database}"

    def _run(self, *command: str) -> None:
        as_owner = ("runuser", "-u", _OWNER, "--") if os.geteuid() == 0 else ()
        # Not captured by pipes: the server would inherit them and hold them open.
        with (self._folder / "output").open("ab") as output:
            done = subprocess.run(
                [*as_owner, *command],
                cwd=self._folder,
                stdout=output,
                stderr=output,
                check=False,
            )
        assert done.returncode == 0, (self._folder / "output").read_text()
