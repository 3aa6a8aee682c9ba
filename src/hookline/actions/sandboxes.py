"""Which runner runs the commands of an action, and how."""

import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hookline.actions.processes import Child, Owner
from hookline.errors import ActionError
from hookline.runners import IMAGE_TAG, RUNNER_TAG, Place, Runner, bubblewrap, containers, images
from hookline.runners.compute import Compute

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where commands find their programs, but for those in containers."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class BuildEnvironment:
    """Where a build wants to run, in the words of a CodeBuild project's `environment`."""

    image: str | None = None
    compute: Compute | None = None
    privileged: bool = False


def child_of(
    context: Owner,
    place: Place,
    argv: Sequence[str],
    environment: Mapping[str, str],
    wanted: BuildEnvironment | None = None,
) -> Child:
    """The program that runs `argv` by the runner of the action, which runs one at a time.

    The program is named without a folder, and found where the runner has it. The variable `PATH`
    is the runner's own unless `environment` has it.

    Raises:
        ActionError: there is no such runner, it can't run what is wanted, or this machine can't run
            commands by it.
    """
    wanted = wanted or BuildEnvironment()
    wanted = replace(wanted, image=wanted.image or context.image)
    runner = runner_of(context)
    if reason := _reason_against(runner, context):
        raise _refused(f"Commands can't run by the runner {runner.value}: {reason}")
    if runner is Runner.CONTAINER:
        return _in_container(context, place, argv, environment, wanted)
    _check_without_container(runner, wanted)
    settings = context.settings
    program = (shutil.which(argv[0], path=PATH) or argv[0], *argv[1:])
    environment = {"PATH": PATH, **environment}
    if runner is Runner.HOST:
        return Child(program, place.folder, environment, context, settings.limits)
    wrapped = bubblewrap.sandboxed(settings.sandbox, place, program)
    return Child(wrapped, place.folder, environment, context, settings.limits, is_monitor=True)


def runner_of(context: Owner) -> Runner:
    """The runner of an action's commands. Raises ActionError: there is none of this name."""
    if context.runner is None:
        return context.settings.runner
    try:
        return Runner(context.runner)
    except ValueError:
        known = ", ".join(runner.value for runner in Runner)
        raise _refused(
            f'The pipeline\'s tag {RUNNER_TAG} asks for the runner "{context.runner}"; there are'
            f" {known}"
        ) from None


def _reason_against(runner: Runner, context: Owner) -> str | None:
    if runner is Runner.CONTAINER:
        return containers.refusal(
            context.settings.containers, network=context.settings.sandbox.network
        )
    if runner is Runner.BUBBLEWRAP:
        if not context.settings.pid_namespaces:
            return "the setting pid_namespaces is off, and a sandbox needs it"
        return bubblewrap.refusal()
    return None


def _check_without_container(runner: Runner, wanted: BuildEnvironment) -> None:
    """Refuse what needs a container. A curated image stands for a machine with usual tools."""
    remedy = (
        f"which the runner {runner.value} does not have: set runner = container, or tag the"
        f" pipeline {RUNNER_TAG}=container"
    )
    if wanted.privileged:
        raise _refused(f"The build wants privileged mode, {remedy}")
    if wanted.image is not None and not images.is_curated(wanted.image):
        raise _refused(f"The commands want the image {wanted.image}, {remedy}")


def _in_container(
    context: Owner,
    place: Place,
    argv: Sequence[str],
    environment: Mapping[str, str],
    wanted: BuildEnvironment,
) -> Child:
    settings = context.settings
    try:
        machine = containers.machine(settings.containers)
        if wanted.privileged and not machine.rootless:
            raise _refused(
                "The build wants privileged mode, and with that a container of root's can read and"
                " change the whole machine: run the server as an ordinary user, with podman"
            )
        run = containers.Run(
            action_execution_id=context.action_execution_id,
            image=_image(context, wanted),
            place=place,
            variables=_kept(place.workspace, environment),
            limits=settings.limits,
            compute=wanted.compute,
            privileged=wanted.privileged,
            network=settings.sandbox.network,
        )
        label = (containers.ACTION_LABEL, context.action_execution_id)
        containers.begin(settings.containers, *label)
        return Child(
            containers.command_line(settings.containers, machine, run, argv),
            place.folder,
            containers.own_environment(),
            context,
            records_ids=True,
            removal=containers.removal(settings.containers, *label),
            notes=machine.notes(wanted.compute),
        )
    except OSError as error:
        raise ActionError(
            f"The container can't be started: {error}", "SystemUnavailable"
        ) from error


def _image(context: Owner, wanted: BuildEnvironment) -> str:
    name = wanted.image or context.settings.containers.image
    if not name:
        raise _refused(
            "There is no image to run the commands in: name one by the setting container_image, or"
            f" by the pipeline's tag {IMAGE_TAG}"
        )
    try:
        return images.resolved(name, context.settings.containers.images)
    except ValueError as error:
        raise _refused(str(error)) from None


def _kept(workspace: Path, environment: Mapping[str, str]) -> Path:
    """A file in a workspace that sets the variables in `sh`."""
    for name in environment:
        if not _VARIABLE.fullmatch(name):
            raise _refused(f'The environment variable "{name}" does not have a name that sh knows')
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in environment.items()]
    descriptor, file = tempfile.mkstemp(prefix="environment-", suffix=".sh", dir=workspace)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as written:
        written.writelines(lines)
    return Path(file)


def _refused(message: str) -> ActionError:
    return ActionError(message, "ConfigurationError")
