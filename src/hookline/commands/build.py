"""`hookline build`: runs the buildspec of a folder at once, without a pipeline."""

import logging
import os
import re
import shutil
import stat
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import structlog
import typer

from hookline import config
from hookline.actions.build_reports import Report
from hookline.actions.builds import (
    Build,
    BuildArtifact,
    BuildResult,
    Download,
    run_build,
)
from hookline.actions.folders import remove
from hookline.actions.log import Mask
from hookline.actions.processes import Limits
from hookline.actions.provider import ActionSettings
from hookline.builds.reading import read
from hookline.errors import ActionError, BuildspecError, HooklineError
from hookline.model import new_id

_KINDS = ("primary", "secondary", "reports")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST_MINUTES = 2_160


def build(
    folder: Annotated[Path, typer.Argument(help="The source: a folder, which is copied.")] = Path(),
    *,
    buildspec: Annotated[
        Path | None,
        typer.Option(help="The buildspec's file. Without it: buildspec.yml of the folder."),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(
            help="A variable as NAME=VALUE, or NAME to take it from the environment here. It wins "
            "over the buildspec's. May be repeated."
        ),
    ] = None,
    artifacts: Annotated[
        Path | None,
        typer.Option(
            help="Folder for what the build leaves: primary, secondary and reports. Those of an "
            "earlier build in it are replaced. Without it they are looked for, and not kept."
        ),
    ] = None,
    timeout: Annotated[
        int, typer.Option(min=1, max=_MOST_MINUTES, help="Minutes that the build may take.")
    ] = 60,
) -> None:
    """Run the buildspec of a folder on this machine, as an action of CodeBuild would.

    The commands run on a copy of the folder, with the PATH of the caller and an environment that is
    otherwise clean. Exit status: 0 if the build succeeded, 1 if not, 2 on an error.
    """
    source = folder.resolve()
    file = buildspec or source / "buildspec.yml"
    _check_source(folder, file)
    if artifacts is not None:
        _check_replaceable(artifacts)
    given = dict(map(_variable, env or ()))
    temporary = Path(tempfile.mkdtemp(prefix="hookline-build-")).resolve()
    try:
        result = _run(source, file, given, temporary, timeout)
        if artifacts is not None:
            _keep(result, artifacts)
    finally:
        remove(temporary)
    _tell(result, artifacts)
    raise typer.Exit(0 if result.status == "SUCCEEDED" else 1)


@dataclass(frozen=True)
class _Owner:
    action_execution_id: str
    folder: Path
    settings: ActionSettings
    runner: None = None
    image: None = None


class _Terminal:
    """A build's log on standard output, as it comes; in whole lines where there are secrets."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._mask = Mask(secrets) if secrets else None
        self._rest = b""
        self._ended = True

    def line(self, text: str) -> None:
        ending = b"\n" if self._rest or not self._ended else b""
        self.write(ending + text.encode(errors="replace") + b"\n")

    def write(self, data: bytes) -> None:
        if self._mask is not None:
            lines, newline, self._rest = (self._rest + data).rpartition(b"\n")
            data = self._mask.bytes(lines + newline)
        if data:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            self._ended = data.endswith(b"\n")


def _secrets(file: Path, given: dict[str, str]) -> tuple[str, ...]:
    """The given values of variables that the buildspec has from AWS's stores of secrets."""
    try:
        stores = read(file.read_bytes()).environment
    except (BuildspecError, OSError):
        # The build says so.
        return ()
    names = {*stores.parameter_store, *stores.secrets_manager}
    return tuple(given[name] for name in names & given.keys())


def _run(
    source: Path, file: Path, given: dict[str, str], folder: Path, minutes: int
) -> BuildResult:
    settings = config.load()
    # The log is the build's.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    number = new_id()
    owner = _Owner(
        number,
        folder,
        ActionSettings(max_artifact=settings.max_artifact, pid_namespaces=settings.pid_namespaces),
    )
    arn = f"arn:aws:codebuild:{settings.region}:{settings.account}:build/local:{number}"
    build = Build(
        owner,
        folder,
        download=lambda target: _download(source, file, target),
        environment={
            "AWS_REGION": settings.region,
            "AWS_DEFAULT_REGION": settings.region,
            **given,
        },
        variables={
            "CODEBUILD_BUILD_ID": f"local:{number}",
            "CODEBUILD_BUILD_ARN": arn,
            "CODEBUILD_BUILD_NUMBER": "1",
            "CODEBUILD_INITIATOR": "hookline",
            "CODEBUILD_LOCAL_BUILD": "true",
        },
        path=os.environ.get("PATH"),
    )
    return run_build(
        build, _Terminal(_secrets(file, given)), Limits.of(minutes * 60.0, threading.Event())
    )


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not _NAME.fullmatch(name):
        raise HooklineError(f"--env {name}: the name of a variable has letters, digits and _")
    if equals:
        return name, value
    if name not in os.environ:
        raise HooklineError(f"--env {name}: there is no such variable here; give {name}=VALUE")
    return name, os.environ[name]


def _download(source: Path, file: Path, target: Path) -> Download:
    try:
        shutil.copytree(source, target, symlinks=True, ignore=_special, dirs_exist_ok=True)
        return Download(target, file.read_bytes(), str(file))
    except (OSError, shutil.Error) as error:
        raise ActionError(f"The source can't be copied: {error}") from error


def _special(folder: str, names: list[str]) -> set[str]:
    """The sockets, pipes and devices of a folder: no source, and no copying would end."""
    kinds = ((name, (Path(folder) / name).lstat().st_mode) for name in names)
    return {
        name
        for name, mode in kinds
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode))
    }


def _check_source(folder: Path, buildspec: Path) -> None:
    if not folder.is_dir():
        raise HooklineError(f"{folder} is no folder")
    if not buildspec.is_file():
        raise HooklineError(
            f"There is no {buildspec}: write it, or name another buildspec with --buildspec"
        )


def _check_replaceable(folder: Path) -> None:
    """Refuse a folder that has anything but what an earlier build left."""
    if folder.exists() and not folder.is_dir():
        raise HooklineError(f"--artifacts {folder} is no folder")
    others = sorted({path.name for path in folder.iterdir()} - {*_KINDS}) if folder.exists() else ()
    if others:
        raise HooklineError(
            f"--artifacts {folder} has other files ({', '.join(others[:3])}): name a new folder"
        )


def _keep(result: BuildResult, folder: Path) -> None:
    for kind in _KINDS:
        remove(folder / kind)
    folder.mkdir(parents=True, exist_ok=True)
    for artifact in result.artifacts:
        kind = "primary" if artifact.identifier is None else "secondary"
        target = folder / kind / (artifact.identifier or "")
        shutil.copytree(artifact.folder, target, symlinks=True)
    for number, report in enumerate(result.reports):
        name = re.sub(r"[^A-Za-z0-9._-]", "_", report.group)
        shutil.copytree(
            result.reports_folder / str(number), folder / "reports" / f"{number + 1}-{name}"
        )


def _tell(result: BuildResult, folder: Path | None) -> None:
    """Say what the build left, after its log."""
    lines = [f"build     {result.status}"]
    lines += [f"why       {why}" for why in result.message.splitlines()]
    lines += [f"exported  {name}={value}" for name, value in result.exported.items()]
    lines += map(_artifact_line, result.artifacts)
    lines += map(_report_line, result.reports)
    if folder is not None:
        lines.append(f"kept in   {folder}")
    typer.echo("\n" + "\n".join(lines))


def _artifact_line(artifact: BuildArtifact) -> str:
    named = f" ({artifact.name})" if artifact.name else ""
    return f"artifact  {artifact.identifier or 'primary'}{named}"


def _report_line(report: Report) -> str:
    if (counts := report.counts) is None:
        return f"report    {report.group}: {len(report.files)} files"
    failed = counts.failed + counts.errors
    return f"report    {report.group}: {counts.total} tests, {failed} failed"
