"""The shell script that runs a build's commands, and how it tells that one has ended.

It reads the number of a step, runs the file of that number in its own shell, and tells the exit
status in its output. A command never stands in the script: it is a file of its own. A command that
ends the shell is followed by a new one, in the same process and folder, with the same variables.
"""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

END = "end"
"""The step that ends the script."""
_RECORD_SEPARATOR = b"\x1e"
# A command may send its output elsewhere for good: what the script tells has its own descriptor.
# All that a command assigns is exported: a new shell has it, too, as AWS's own has.
_DRIVER = """\
if [ -z "${{1-}}" ]; then exec 9>&1; else command printf '\\036%s %s\\n' {nonce} "$1" >&9; fi
set --
while IFS=' ' read -r HOOKLINE_STEP CODEBUILD_BUILD_SUCCEEDING < {requests}; do
  [ "$HOOKLINE_STEP" != end ] || break
  export CODEBUILD_BUILD_SUCCEEDING
  trap 'exec {shell} {driver} $?' EXIT
  set -a
  {run}
  {{ HOOKLINE_STATUS=$?; set +x; }} 2> /dev/null
  command printf '\\036%s %s\\n' {nonce} "$HOOKLINE_STATUS" >&9
done
trap - EXIT
set +eu
{last}
"""
_SHARED = ". {steps}/$HOOKLINE_STEP"
_SEPARATE = "( . {steps}/$HOOKLINE_STEP )"
_VARIABLE = "command printf '%s\\0' \"${{{name}-}}\" >> {file}\n"
_NAME = "{{ cat <<{mark}\n{text}\n{mark}\n}} >> {file}; command printf '\\0' >> {file}\n"
_ENVIRONMENT = "{env} -0 > {file}\n"


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a session in its folder."""

    folder: Path

    @property
    def driver(self) -> Path:
        """The script."""
        return self.folder / "driver.sh"

    @property
    def requests(self) -> Path:
        """The named pipe from which the script reads what to do."""
        return self.folder / "requests"

    @property
    def steps(self) -> Path:
        """The folder of the commands, each in a file of its number."""
        return self.folder / "steps"

    @property
    def exported(self) -> Path:
        """Holds the values of the exported variables, each ended by a NUL."""
        return self.folder / "exported"

    @property
    def names(self) -> Path:
        """Holds the expanded names, each ended by a NUL."""
        return self.folder / "names"

    @property
    def environment(self) -> Path:
        """Holds the environment at the end: `name=value`, each ended by a NUL."""
        return self.folder / "environment"


@dataclass(frozen=True, slots=True)
class Driver:
    """What a script is made for.

    `shell` is the shell's command line, `env` the path of the program of that name, and `nonce`
    letters that no output has. `exported` are names of variables, `names` texts to expand.
    """

    files: Files
    shell: Sequence[str]
    env: str
    nonce: str
    shares_shell: bool = True
    exported: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def script(self) -> str:
        """The text of the script."""
        quoted = {
            name: shlex.quote(str(getattr(self.files, name)))
            for name in ("driver", "requests", "steps")
        }
        run = _SHARED if self.shares_shell else _SEPARATE
        return _DRIVER.format(
            **quoted,
            nonce=self.nonce,
            shell=shlex.join(self.shell),
            run=run.format(steps=quoted["steps"]),
            last=self._last(),
        )

    def _last(self) -> str:
        exported, names, environment = (
            shlex.quote(str(file))
            for file in (self.files.exported, self.files.names, self.files.environment)
        )
        return "".join(
            (
                *(_VARIABLE.format(name=name, file=exported) for name in self.exported),
                _ENVIRONMENT.format(env=shlex.quote(self.env), file=environment),
                # Last, as one that the shell can't read ends it.
                *(_NAME.format(text=text, mark=self.nonce, file=names) for text in self.names),
            )
        )


class Output:
    """Parts what a script prints into the output of commands and their exit statuses."""

    def __init__(self, nonce: str) -> None:
        self._mark = _RECORD_SEPARATOR + nonce.encode() + b" "
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes | int]:
        """Output as it comes, and between it the exit status of each command that ended."""
        self._rest += data
        while (at := self._rest.find(self._mark)) >= 0:
            end = self._rest.find(b"\n", at)
            if end < 0:
                break
            if at:
                yield self._rest[:at]
            status = self._rest[at + len(self._mark) : end]
            self._rest = self._rest[end + 1 :]
            yield int(status) if status.isdigit() else 1
        yield from self._complete(at)

    def _complete(self, at: int) -> Iterator[bytes]:
        """What can't be the beginning of a mark."""
        if at < 0:
            at = self._rest.rfind(_RECORD_SEPARATOR, -len(self._mark))
            if at < 0 or not self._mark.startswith(self._rest[at:]):
                at = len(self._rest)
        if at:
            yield self._rest[:at]
            self._rest = self._rest[at:]

    def end(self) -> bytes:
        """What was held back, when there is no more to come."""
        rest, self._rest = self._rest, b""
        return rest
