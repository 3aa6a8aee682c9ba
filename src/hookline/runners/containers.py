"""The runner `container`: podman's and docker's command lines."""

import os
import resource
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hookline.runners import Place
from hookline.runners.compute import Compute
from hookline.runners.images import resolved
from hookline.runners.trial import output_of

ACTION_LABEL, NODE_LABEL, WORK_LABEL = "hookline.action", "hookline.node", "hookline.work"
PROGRAMS = ("podman", "docker")
_INFO = {
    "podman": "{{range .Host.CgroupControllers}}{{.}} {{end}}"
    "{{if .Host.Security.Rootless}}rootless{{end}}",
    "docker": "{{if .MemoryLimit}}memory {{end}}{{if .CPUCfsQuota}}cpu {{end}}"
    "{{if .PidsLimit}}pids {{end}}{{range .SecurityOptions}}{{.}} {{end}}",
}
# What the programs themselves read; nothing else of the server's environment, and nothing of an
# action's, which could otherwise name a library to load or a daemon to ask.
_OWN_VARIABLES = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "DBUS_SESSION_BUS_ADDRESS")
_OWN_PREFIXES = ("XDG_", "DOCKER_", "CONTAINER", "REGISTRY_AUTH_FILE", "STORAGE_")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
# The variables come in a file, since the words of a command line can be read by all users. Both
# outputs are one, which keeps their order.
_BEGIN = '. "$1"; shift; exec "$@" 2>&1'
# What ends by itself meanwhile removes itself, and the two hinder each other: hence several tries.
_REMOVE = """\
label=$1; shift
for try in 1 2 3 4 5; do
  ids=$("$@" ps --all --quiet --filter "label=$label") || exit
  [ -n "$ids" ] || exit 0
  "$@" rm --force --volumes $ids
done
exit 1
"""
_REMOVAL_S, _TRIAL_S = 60.0, 30.0
# Podman sets these for itself, and asks for more in containers than it may where the hard limit of
# its user is lower; so both are always named.
_PODMANS_OWN: Mapping[str, Callable[[], int]] = {
    "RLIMIT_NOFILE": lambda: 1_048_576,
    "RLIMIT_NPROC": lambda: int(Path("/proc/sys/kernel/pid_max").read_text()),
}
_MARK = "containers"


@dataclass(frozen=True, slots=True)
class Containers:
    """How the operator wants containers run.

    `program` is podman or docker, or a path that ends so; empty: the first of them that is there.
    `options` stand before its subcommand, `run_options` after `run`. `image` is for actions that
    name none, `images` are pairs of a name and the image that it stands for. `node` is the name of
    this node; its folder `work` tells its containers from those of others on this machine.
    """

    program: str = ""
    options: tuple[str, ...] = ()
    run_options: tuple[str, ...] = ()
    image: str = ""
    images: tuple[tuple[str, str], ...] = ()
    node: str = ""
    work: Path = Path()

    def command(self) -> tuple[str, ...]:
        """The words that each command line begins with. Raises OSError: there is no program."""
        names = (self.program,) if self.program else PROGRAMS
        found = next((name for name in names if shutil.which(name)), None)
        if found is None:
            missing = " or ".join(names)
            raise OSError(f"the program {missing} is missing (Debian: apt-get install podman)")
        return (found, *self.options)


@dataclass(frozen=True, slots=True)
class Machine:
    """What podman or docker can do here: the `controllers` of cgroups that it can set.

    Where it is `rootless`, root of a container has no more power than the user who runs it.
    """

    controllers: frozenset[str]
    rootless: bool

    @property
    def user(self) -> str:
        """The user of a container, who is the server's outside, so that the files are its own."""
        is_root = self.rootless or os.geteuid() == 0
        return "0:0" if is_root else f"{os.geteuid()}:{os.getegid()}"

    def notes(self, compute: Compute | None) -> list[str]:
        """What of `compute` a container can't have here, in words."""
        if compute is None:
            return []
        missing = [
            what
            for what, controller in (("memory", "memory"), ("CPU", "cpu"))
            if controller not in self.controllers
        ]
        notes = [f"The container's {' and '.join(missing)} can't be limited on this machine"]
        cpus = os.cpu_count() or 1
        if compute.cpus > cpus:
            return [*notes[: len(missing)], f"The container has {cpus} CPUs, not {compute.cpus}"]
        return notes[: len(missing)]


@dataclass(frozen=True, slots=True)
class Run:
    """One program in a container: in an `image`, at a place, for an action execution.

    `limits` are the kernel's on each process, by their names in `resource`; `variables` is a file
    in the workspace that sets its environment, to be read by `sh`.
    """

    action_execution_id: str
    image: str
    place: Place
    variables: Path
    limits: Mapping[str, int]
    compute: Compute | None = None
    privileged: bool = False
    network: bool = True


@cache
def machine(containers: Containers) -> Machine:
    """What the program can do here, asked until it answers. Raises OSError."""
    command = containers.command()
    words = output_of(
        (*command, "info", "--format", _INFO[Path(command[0]).name]), own_environment()
    ).split()
    return Machine(
        controllers=frozenset(words), rootless=any(word.endswith("rootless") for word in words)
    )


def refusal(containers: Containers, *, network: bool) -> str | None:
    """Why no container runs here, with or without a network, and what to do; None if they do.

    One is tried where the default image is there already; else only the program is asked.
    """
    try:
        machine(containers)
        _try(containers, network=network)
    except OSError as error:
        return str(error)
    return None


@cache
def _try(containers: Containers, *, network: bool) -> None:
    command = containers.command()
    if not containers.image:
        return
    try:
        image = resolved(containers.image, containers.images)
    except ValueError as error:
        raise OSError(str(error)) from None
    if not _has(command, image):
        return
    words = ("--rm", *_network(is_on=network), *_ulimits({}), *containers.run_options)
    argv = (*command, "run", *words, "--entrypoint=sh", image, "-c", ":")
    output_of(argv, own_environment(), within=_TRIAL_S)


def _has(command: Sequence[str], image: str) -> bool:
    try:
        output_of((*command, "image", "inspect", image), own_environment())
    except OSError:
        return False
    return True


def command_line(
    containers: Containers, machine: Machine, run: Run, argv: Sequence[str]
) -> tuple[str, ...]:
    """The command line that runs `argv` in a container. Raises OSError: there is no program."""
    workspace = run.place.workspace
    return (
        *containers.command(),
        *("run", "--rm", "--pull=missing", "--log-driver=none", "--stop-timeout=0"),
        *("--label", f"{ACTION_LABEL}={run.action_execution_id}"),
        *("--label", f"{NODE_LABEL}={containers.node}"),
        *("--label", f"{WORK_LABEL}={containers.work}"),
        *("--volume", f"{workspace}:{workspace}:Z", "--volume", f"{run.place.temporary}:/tmp:Z"),
        *("--workdir", str(run.place.folder), "--user", machine.user),
        *_network(is_on=run.network),
        *_powers(privileged=run.privileged),
        *_ulimits(run.limits),
        *_bounds(machine, run),
        *containers.run_options,
        *("--entrypoint=sh", run.image, "-c", _BEGIN, "sh", str(run.variables), *argv),
    )


def _network(*, is_on: bool) -> tuple[str, ...]:
    return () if is_on else ("--network=none",)


def _powers(*, privileged: bool) -> tuple[str, ...]:
    if privileged:
        return ("--privileged",)
    return ("--security-opt=no-new-privileges", "--cap-drop=MKNOD")


def _ulimits(limits: Mapping[str, int]) -> list[str]:
    """Bounds of each process, never above what podman itself may set without root's powers."""
    words = []
    for name in sorted({*_PODMANS_OWN, *limits}):
        bounds = [limits.get(name), resource.getrlimit(getattr(resource, name))[1]]
        bounds += [_PODMANS_OWN[name]()] if name in _PODMANS_OWN else []
        known = [bound for bound in bounds if bound not in (None, resource.RLIM_INFINITY)]
        if known:
            bound = min(known)
            words += ["--ulimit", f"{name.removeprefix('RLIMIT_').lower()}={bound}:{bound}"]
    return words


def _bounds(machine: Machine, run: Run) -> list[str]:
    words = []
    if "pids" in machine.controllers and (most := run.limits.get("RLIMIT_NPROC")):
        words.append(f"--pids-limit={most}")
    if run.compute is not None and "memory" in machine.controllers:
        words.append(f"--memory={run.compute.memory}")
    if run.compute is not None and "cpu" in machine.controllers:
        words.append(f"--cpus={min(run.compute.cpus, os.cpu_count() or 1)}")
    return words


def removal(containers: Containers, label: str, value: object) -> tuple[str, ...]:
    """The command line that ends and removes the containers with a label. Raises OSError."""
    return ("sh", "-c", _REMOVE, "sh", f"{label}={value}", *containers.command())


def begin(containers: Containers, label: str, value: object) -> None:
    """Remove what an earlier try has left with a label, and note that there may be containers.

    Raises OSError.
    """
    remove(containers, label, value)
    containers.work.mkdir(parents=True, exist_ok=True)
    (containers.work / _MARK).touch()


def remove_left(containers: Containers) -> None:
    """End and remove the containers that an earlier engine of this node has left. Raises OSError.

    A node that never ran one does not ask for them.
    """
    mark = containers.work / _MARK
    if mark.exists():
        remove(containers, WORK_LABEL, containers.work)
        mark.unlink()


def remove(containers: Containers, label: str, value: object) -> None:
    """End and remove the containers with a label. Raises OSError."""
    output_of(removal(containers, label, value), own_environment(), within=_REMOVAL_S)


def own_environment() -> dict[str, str]:
    """The environment of podman or docker itself."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in _OWN_VARIABLES or name.startswith(_OWN_PREFIXES) or name.lower() in _PROXIES
    }
