"""A real server: `hookline serve` with all its processes, its files, and clients for it."""

import configparser
import fcntl
import functools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

import boto3
import psutil
from botocore.config import Config

from hookline.store import deliveries
from hookline.store.database import Database
from hookline.store.deliveries import Delivery

from .command_line import PROGRAM, run_hookline
from .ports import free_port

_READY_S, _STOP_S = 180.0, 60.0

# What systemd does for a service with sockets: they are 3 and the next descriptors.
_ACTIVATE = """
import os, sys
descriptors, names, *program = sys.argv[1:]
for number, descriptor in enumerate(descriptors.split(",")):
    os.dup2(int(descriptor), 3 + number)
    os.close(int(descriptor))
os.environ.update(
    LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(number + 1), LISTEN_FDNAMES=names
)
os.execv(program[0], program)
"""

T = TypeVar("T")


def until(condition: Callable[[], T], seconds: float = 60.0) -> T:
    """The first true value of `condition`; the last false one when the time is over."""
    deadline = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return value


def clean_environment() -> dict[str, str]:
    """This process's environment with nothing that points Hookline or an AWS client anywhere."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HOOKLINE_", "AWS_"))
    }


@functools.cache
def _session() -> Any:
    # One for all: each session loads the service model anew.
    return boto3.session.Session()


class Server:
    """A server on 127.0.0.1 with a data folder of its own; a restart keeps its port."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.data = folder / "data"
        self.log = folder / "serve.log"
        self.options: list[str] = []
        # Where standard error goes; to the log where it is not given.
        self.errors: int | None = None
        # Listening sockets, by name, that every start gets as from systemd.
        self.sockets: dict[str, socket.socket] = {}
        self._settings = {f"HOOKLINE_{name.upper()}": value for name, value in settings.items()}
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._database: Database | None = None
        self._clients: list[Any] = []
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of `hookline` for this server's data folder."""
        own = {"HOOKLINE_CONFIG": os.devnull, "HOOKLINE_DATA_DIR": str(self.data)}
        return {**clean_environment(), **own, **self._settings}

    @property
    def url(self) -> str:
        """The address of the API."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        """The port of the API."""
        return self._port

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The supervisor."""
        assert self._process is not None, "the server was not started"
        return self._process

    @property
    def output(self) -> str:
        """What the server has written so far, over all its starts."""
        return self.log.read_text(errors="replace")

    def start(self) -> Self:
        """Start it and wait until it says that it is ready."""
        begin = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log, self._descriptors() as descriptors:
            self._process = subprocess.Popen(
                [
                    *self._activation(descriptors),
                    *(PROGRAM, "serve", "--port", str(self._port), *self.options),
                ],
                env=self.environment,
                cwd=self.log.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log if self.errors is None else self.errors,
                pass_fds=descriptors,
            )

        def announced() -> list[str]:
            lines = self.output[begin:].splitlines()
            return [line for line in lines if line.startswith("Hookline listens on ")]

        until(lambda: announced() or self.process.poll() is not None, _READY_S)
        assert announced(), f"the server did not start:\n{self.output[begin:]}"
        self._port = int(announced()[0].rpartition(":")[2])
        return self

    @contextmanager
    def _descriptors(self) -> Iterator[list[int]]:
        """The sockets under numbers that are beyond those which they get in the server."""
        with ExitStack() as stack:
            found = [fcntl.fcntl(item, fcntl.F_DUPFD_CLOEXEC, 20) for item in self.sockets.values()]
            for descriptor in found:
                stack.callback(os.close, descriptor)
            yield found

    def _activation(self, descriptors: list[int]) -> list[str]:
        if not descriptors:
            return []
        numbers = ",".join(map(str, descriptors))
        return [sys.executable, "-c", _ACTIVATE, numbers, ":".join(self.sockets)]

    def __enter__(self) -> Self:
        """Start it for a while."""
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop, wait, and return its exit status."""
        self.process.send_signal(number)
        return self.process.wait(_STOP_S)

    def kill(self) -> None:
        """End every process at once, running commands too, as a loss of power would."""
        supervisor = psutil.Process(self.process.pid)
        doomed = [supervisor]
        supervisor.suspend()
        while new := [item for item in supervisor.children(recursive=True) if item not in doomed]:
            for process in new:
                with suppress(psutil.NoSuchProcess):
                    process.suspend()
            doomed += new
        for process in doomed:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()
        assert until(lambda: not any(is_alive(item) for item in doomed), 10)

    def children(self, role: str) -> list[psutil.Process]:
        """Its living processes of a role: `worker` or `engine`."""
        found = []
        for process in psutil.Process(self.process.pid).children():
            with suppress(psutil.Error):
                if " ".join(process.cmdline()).strip() == f"hookline: {role}":
                    found.append(process)
        return found

    def close(self) -> None:
        """End what still runs, and close all that was opened."""
        for client in self._clients:
            client.close()
        self._clients.clear()
        if self._process is not None and self._process.poll() is None:
            self.kill()
        if self._database is not None:
            self._database.close()

    def profile(self) -> dict[str, str]:
        """The two variables that point AWS clients at this server."""
        return {
            "AWS_SHARED_CREDENTIALS_FILE": str(self.data / "aws" / "credentials"),
            "AWS_CONFIG_FILE": str(self.data / "aws" / "config"),
        }

    def key(self) -> tuple[str, str]:
        """The first access key: its id and secret."""
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(self.profile()["AWS_SHARED_CREDENTIALS_FILE"])
        section = parser["default"]
        return section["aws_access_key_id"], section["aws_secret_access_key"]

    def client(
        self,
        region: str = "us-east-1",
        key: tuple[str, ...] | None = None,
        service: str = "codepipeline",
        **options: Any,
    ) -> Any:
        """A boto3 client that tries every call once; a third part of `key` is a session token."""
        access_key_id, secret, *token = key or self.key()
        client = _session().client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret,
            aws_session_token=token[0] if token else None,
            config=Config(retries={"total_max_attempts": 1}, max_pool_connections=50, **options),
        )
        self._clients.append(client)
        return client

    def hookline(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command beside the server, in this process."""
        return run_hookline(*arguments, environment=self.environment, folder=self.log.parent)

    @property
    def database(self) -> Database:
        """The server's database, opened from outside."""
        if self._database is None:
            default = f"sqlite:///{self.data / 'hookline.db'}"
            self._database = Database(self._settings.get("HOOKLINE_DATABASE_URL") or default)
        return self._database

    def delivery(self, delivery_id: str, seconds: float = 1.0) -> Delivery:
        """A recorded delivery; it must be there within a second (contract T14)."""

        def find() -> Delivery | None:
            with self.database.read() as connection:
                return deliveries.find(connection, delivery_id)

        found = until(find, seconds)
        assert found is not None, f"delivery {delivery_id} was not recorded within {seconds} s"
        return found

    def deliveries(self, delivery_id: str) -> list[Delivery]:
        """All recorded deliveries of the webhook that had this one, the newest first."""
        webhook_id = self.delivery(delivery_id).webhook_id
        with self.database.read() as connection:
            return deliveries.newest(connection, webhook_id, 100_000)


def is_alive(process: psutil.Process) -> bool:
    """Whether a process runs; one that awaits its parent's notice does not."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def running_with(mark: str) -> list[psutil.Process]:
    """The living processes that have `mark` as an argument, in whatever namespace."""
    found = psutil.process_iter(["cmdline"])
    return [
        process
        for process in found
        if mark in (process.info["cmdline"] or ()) and is_alive(process)
    ]
