"""The sockets that a server listens on: those that systemd hands over, or its own."""

import os
import socket
from collections.abc import Iterator
from dataclasses import replace

from hookline.config import Settings, check_loopback
from hookline.errors import SettingsError

_API, _RECEIVER = "api", "receiver"
# What sd_listen_fds(3) defines.
_FIRST_DESCRIPTOR = 3
_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
_BACKLOG = 2_048


def listen(settings: Settings) -> tuple[Settings, list[socket.socket]]:
    """The listening sockets, and the settings with the addresses that these have.

    Sockets from systemd keep what connects while no server runs. They win over the settings `host`,
    `port` and `receiver_port`. Raises SettingsError where one can't be used.
    """
    passed: dict[str, list[socket.socket]] = {_API: [], _RECEIVER: []}
    for name, listener in _passed():
        passed[name].append(listener)
    apis, receivers = passed.values()
    for listener in apis:
        host, port = listener.getsockname()[:2]
        check_loopback(replace(settings, host=host))
    if apis:
        host, port = apis[0].getsockname()[:2]
        settings = replace(settings, host=host, port=port)
    else:
        apis = [_open(settings, settings.port)]
        settings = replace(settings, port=apis[0].getsockname()[1])
    if receivers:
        settings = replace(settings, receiver_port=receivers[0].getsockname()[1])
    elif settings.receiver_port:
        receivers = [_open(settings, settings.receiver_port)]
    _check_ports(settings, apis, receivers)
    return settings, [*apis, *receivers]


def _passed() -> Iterator[tuple[str, socket.socket]]:
    """What systemd has passed to this process, by the names of its units."""
    given = {name: os.environ.pop(name, "") for name in _VARIABLES}
    if given["LISTEN_PID"] != str(os.getpid()) or not given["LISTEN_FDS"].isdigit():
        return
    names = given["LISTEN_FDNAMES"].split(":")
    for number in range(int(given["LISTEN_FDS"])):
        name = names[number] if number < len(names) else ""
        if name not in {_API, _RECEIVER}:
            raise SettingsError(
                f"A socket from systemd has the name {name!r}. Set FileDescriptorName={_API} or "
                f"FileDescriptorName={_RECEIVER} in its unit."
            )
        yield name, _adopted(name, _FIRST_DESCRIPTOR + number)


def _adopted(name: str, descriptor: int) -> socket.socket:
    try:
        # What actions run must not have it.
        os.set_inheritable(descriptor, False)
        listener = socket.socket(fileno=descriptor)
        listens = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise SettingsError(
            f"The socket {name} from systemd can't be used: {error.strerror}."
        ) from error
    if not listens or listener.family not in {socket.AF_INET, socket.AF_INET6}:
        raise SettingsError(
            f"The socket {name} from systemd is none on which TCP connections are accepted. Give "
            "its unit a ListenStream= with a port, and no Accept=yes."
        )
    return listener


def _check_ports(
    settings: Settings, apis: list[socket.socket], receivers: list[socket.socket]
) -> None:
    """Refuse what the workers could not tell apart: a request's port says what it is for."""
    own = {listener.getsockname()[1] for listener in receivers}
    if len(own) > 1 or any(listener.getsockname()[1] in own for listener in apis):
        raise SettingsError(
            f"All sockets that are for trigger URLs alone need one port (it is "
            f"{settings.receiver_port}), and the API's sockets others."
        )


def _open(settings: Settings, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, port))
    except OSError as error:
        raise SettingsError(
            f"Hookline can't listen on {settings.host} port {port} ({error.strerror}). "
            "Stop what uses the port, or choose another with --port or HOOKLINE_PORT; "
            "--port 0 takes a free one."
        ) from error
    listener.listen(_BACKLOG)
    return listener
