"""Asks a program of a runner's what it can do here."""

import os
import subprocess
from collections.abc import Mapping, Sequence


def output_of(
    argv: Sequence[str], environment: Mapping[str, str] | None = None, *, within: float = 10.0
) -> str:
    """What a program prints. Raises OSError that says what hinders it, after `within` seconds."""
    try:
        ended = subprocess.run(  # noqa: S603 - our own words and the operator's
            argv,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=within,
            check=False,
            env=os.environ if environment is None else environment,
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{argv[0]} did not answer within {within:g} seconds") from error
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").strip()
        raise OSError(said or f"{argv[0]} exited with status {ended.returncode}")
    return ended.stdout.decode(errors="replace")
