"""The action type Compute · AWS · Commands · 1: shell commands on the input artifacts."""

import re
import shlex
import signal
from dataclasses import dataclass
from pathlib import Path

from hookline.actions.archives import Bounds
from hookline.actions.folders import fresh, read, remove
from hookline.actions.log import ActionLog, Mask
from hookline.actions.outputs import store_outputs
from hookline.actions.processes import Limits, await_end_of_earlier, run
from hookline.actions.provider import ActionContext, ActionResult
from hookline.actions.sandboxes import child_of
from hookline.errors import ActionError
from hookline.runners import Place

_SHELL = ("bash", "--noprofile", "--norc")
_LONGEST_SHOWN = 200
_SIGNALLED = 128
# What follows eval stands on its line: bash must have read it before, since a syntax error inside
# eval can spoil how it reads the next line. No `||` after eval: that would turn off `set -e` in it.
_STEP = """\
builtin echo {number} >| {progress}
builtin printf '$ %s\\n' {command}
builtin eval {command}; __status=$?; [[ $__status == 0 ]] || builtin exit $__status
"""
_END = "builtin echo {number} >| {progress}\n"
_EXPORT = "builtin printf '%s\\0' \"${{{name}-}}\" >> {exported}\n"
_SHELL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Of all variables of an action together, as AWS has it.
_MOST_EXPORTED = 122_880
_LONGEST_NUMBER = 20


class Commands:
    """Runs an action's commands one after another in one bash."""

    def run(self, context: ActionContext) -> ActionResult:
        """See Provider."""
        limits = Limits.of(context.time_limit, context.stop)
        await_end_of_earlier(context, limits)
        check_secret_variables(context.action.secret_variables)
        workspace = Workspace(fresh(context.folder / "commands"))
        try:
            with ActionLog(context.log, Mask(context.secrets), context.settings.max_log) as log:
                source = workspace.fill(context, limits)
                summary = _run(context, workspace, source, log, limits)
                variables = _exported(context.action.output_variables, workspace, log.mask)
                artifacts = store_outputs(context, source, log, limits)
        finally:
            remove(workspace.folder)
        return ActionResult(summary, artifacts=artifacts, variables=variables)


def check_secret_variables(names: tuple[str, ...]) -> None:
    """Refuse variables whose values are in AWS Secrets Manager. Raises ActionError."""
    if names:
        raise ActionError(
            f"The environment variable {', '.join(names)} is of type SECRETS_MANAGER, and this"
            " version of Hookline can't resolve secrets of AWS Secrets Manager. Let the commands"
            " read the secret from where it is on this server, and remove the variable",
            "ConfigurationError",
        )


@dataclass(frozen=True)
class Workspace:
    """The folders of one run of commands."""

    folder: Path

    @property
    def sources(self) -> Path:
        """Where the input artifacts are, each in a folder of its name."""
        return self.folder / "src"

    @property
    def home(self) -> Path:
        """The commands' home folder."""
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        """The commands' folder for temporary files."""
        return self.folder / "tmp"

    @property
    def script(self) -> Path:
        """What bash reads."""
        return self.folder / "commands.sh"

    @property
    def progress(self) -> Path:
        """Holds the index of the command that bash has come to."""
        return self.folder / "progress"

    @property
    def exported(self) -> Path:
        """Holds the values of the output variables, each ended by a NUL."""
        return self.folder / "exported"

    def fill(self, context: ActionContext, limits: Limits) -> Path:
        """Make the folders, unpack the inputs, and return the folder to start in."""
        for folder in (self.sources, self.home, self.temporary):
            folder.mkdir()
        bounds = Bounds(context.settings.max_artifact, limits.check)
        for artifact in context.inputs:
            context.artifacts.unpack(artifact.key, self.sources / artifact.name, bounds=bounds)
        first = context.inputs[0].name if context.inputs else "workspace"
        source = self.sources / first
        source.mkdir(exist_ok=True)
        return source


def _run(
    context: ActionContext, workspace: Workspace, source: Path, log: ActionLog, limits: Limits
) -> str:
    """Run the commands and return how it went in words."""
    commands = context.action.commands
    workspace.script.write_text(
        _script(commands, workspace.progress)
        + _exports(context.action.output_variables, workspace.exported)
    )
    place = Place(workspace.folder, source, workspace.temporary)
    argv, environment = (*_SHELL, str(workspace.script)), _environment(context, workspace, source)
    try:
        child = child_of(context, place, argv, environment)
        status = run(child, limits, log.write)
    except ActionError as error:
        log.line(error.message)
        raise
    if status and not workspace.progress.exists():
        message = f"The shell of the commands did not start (status {status}); the log says why"
        log.line(message)
        raise ActionError(message, "SystemUnavailable")
    reached = _reached(workspace.progress)
    if status:
        message = _failure(log.mask.text(commands[min(reached, len(commands) - 1)]), status)
        log.line(message)
        raise ActionError(message)
    if reached < len(commands) - 1:
        summary = (
            f"Command {_quoted(log.mask.text(commands[reached]))} ended the shell with status 0;"
        )
        summary += f" {len(commands) - reached - 1} after it did not run"
        log.line(summary)
        return summary
    return f"{len(commands)} command{'s' if len(commands) != 1 else ''} succeeded"


def _script(commands: tuple[str, ...], progress: Path) -> str:
    """Bash that runs the commands at its top level, so that what one sets the next one sees."""
    file = shlex.quote(str(progress))
    steps = (
        _STEP.format(number=number, progress=file, command=shlex.quote(command))
        for number, command in enumerate(commands)
    )
    return "".join(steps) + _END.format(number=len(commands), progress=file)


def _exports(names: tuple[str, ...], exported: Path) -> str:
    """Bash that keeps the values that the commands have left in variables."""
    for name in names:
        if not _SHELL_NAME.fullmatch(name):
            raise ActionError(
                f'The output variable "{name}" is not the name of a shell variable',
                "ConfigurationError",
            )
    file = shlex.quote(str(exported))
    return "".join(_EXPORT.format(name=name, exported=file) for name in names)


def _exported(names: tuple[str, ...], workspace: Workspace, mask: Mask) -> dict[str, str]:
    """The output variables by name; none if the shell ended before its last command."""
    try:
        values = read(workspace.exported, _MOST_EXPORTED).decode(errors="replace").split("\0")
    except FileNotFoundError:
        return {}
    except ActionError as error:
        raise ActionError(f"The output variables can't be taken: {error.message}") from error
    return {name: mask.text(value) for name, value in zip(names, values, strict=False)}


def _reached(progress: Path) -> int:
    try:
        return max(0, int(read(progress, _LONGEST_NUMBER)))
    except (OSError, ValueError, ActionError):
        return 0


def _failure(command: str, status: int) -> str:
    if status < 0:
        return f"Command {_quoted(command)} was ended by the signal {_signal_name(-status)}"
    reason = f" ({_signal_name(status - _SIGNALLED)})" if status > _SIGNALLED else ""
    return f"Command {_quoted(command)} exited with status {status}{reason}"


def _quoted(command: str) -> str:
    shown = command if len(command) <= _LONGEST_SHOWN else command[:_LONGEST_SHOWN] + "…"
    return f'"{shown}"'


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _environment(context: ActionContext, workspace: Workspace, source: Path) -> dict[str, str]:
    sources = {
        f"CODEBUILD_SRC_DIR_{artifact.name}": str(workspace.sources / artifact.name)
        for artifact in context.inputs
    }
    return {
        "HOME": str(workspace.home),
        "TMPDIR": str(workspace.temporary),
        "LANG": "C.UTF-8",
        "CI": "true",
        "AWS_REGION": context.region,
        "AWS_DEFAULT_REGION": context.region,
        "CODEPIPELINE_PIPELINE_NAME": context.pipeline_name,
        "CODEPIPELINE_STAGE_NAME": context.stage_name,
        "CODEPIPELINE_ACTION_NAME": context.action.name,
        "CODEPIPELINE_EXECUTION_ID": context.execution_id,
        "CODEBUILD_SRC_DIR": str(source),
        **sources,
        **dict(context.action.environment),
    }
