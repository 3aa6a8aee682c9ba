"""The README and the quickstart, as somebody follows them who has nothing but a checkout."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.command_line import PROGRAM
from support.server import clean_environment, until

ROOT = Path(__file__).parents[2]
CHECKOUT = ("scripts", "requirements.lock", "pyproject.toml")
PROGRAMS = (
    *("bash", "basename", "cat", "cut", "dirname", "env", "git", "grep", "mkdir", "sed"),
    *("sha256sum", "tee"),
)


class Newcomer:
    """A checkout with the packages of `requirements.lock`, and a PATH of a plain system."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.checkout = folder / "checkout"
        self.home = folder / "home"
        programs, packages = folder / "bin", self.checkout / ".venv"
        for made in (programs, packages, self.home):
            made.mkdir(parents=True)
        for name in CHECKOUT:
            (self.checkout / name).symlink_to(ROOT / name)
        (packages / "bin").symlink_to(Path(PROGRAM).parent)
        locked = b"".join((ROOT / name).read_bytes() for name in CHECKOUT[1:])
        stamp = hashlib.sha256(f"{sys.version}\n".encode() + locked)
        (packages / ".stamp-requirements.lock").write_text(f"{stamp.hexdigest()}\n")
        for name in PROGRAMS:
            program = shutil.which(name)
            assert program is not None, name
            (programs / name).symlink_to(program)
        self._environment = {
            **clean_environment(),
            "HOME": str(self.home),
            "PATH": str(programs),
            "PYTHON": sys.executable,
            "COLUMNS": "200",
            **settings,
        }

    def start(self, script: str, file: Path) -> "subprocess.Popen[bytes]":
        """Run a script in the checkout; what it says goes to a file."""
        with file.open("wb") as said:
            return subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", script],
                cwd=self.checkout,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, script: str) -> str:
        """What a script says that must succeed."""
        file = self.checkout / "said.txt"
        status = self.start(script, file).wait(timeout=180)
        assert status == 0, file.read_text()
        return file.read_text()


def steps(page: str) -> tuple[str, str, str]:
    """The shell code of a page before its server starts, for the server, and after."""
    text = (ROOT / page).read_text()
    fences = re.findall(r"^```sh( server)?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    [(number, serve)] = [(n, code) for n, (kind, code) in enumerate(fences) if kind]
    codes = [code for _, code in fences]
    return "\n".join(codes[:number]), serve, "\n".join(codes[number + 1 :])


@contextmanager
def serving(newcomer: Newcomer, serve: str) -> Iterator[None]:
    said = newcomer.checkout / "server.txt"
    server = newcomer.start(serve, said)
    try:
        assert until(lambda: "Hookline listens on" in said.read_text(), 60), said.read_text()
        yield
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)


def test_the_readme_can_be_followed_with_a_checkout_alone(tmp_path: Path) -> None:
    repositories = tmp_path / "home" / "repositories"
    url = repositories.as_uri()
    newcomer = Newcomer(tmp_path, HOOKLINE_PORT="0", HOOKLINE_GITHUB_URL=url)
    repository = repositories / "octocat" / "Hello-World"
    newcomer.run(
        f"git init --quiet --initial-branch=master {repository}; cd {repository}; git -c"
        " user.name=a -c user.email=a@example.com commit --quiet --allow-empty --message First"
    )
    demo, serve, rest = steps("README.md")
    said = newcomer.run(f"! command -v hookline; ! command -v aws; {demo}")
    assert "Hello from the commit that was pushed." in said
    with serving(newcomer, serve):
        assert "outcome    started" in newcomer.run(rest)


def test_the_quickstart_can_be_followed_with_a_checkout_alone(tmp_path: Path) -> None:
    newcomer = Newcomer(tmp_path, HOOKLINE_PORT="0")
    repository, serve, rest = steps("docs/quickstart.md")
    newcomer.run(repository)
    *before, logs = rest.strip().splitlines()
    with serving(newcomer, serve):
        assert "outcome    started" in newcomer.run("\n".join(before))
        assert until(lambda: "Hello from Code" in newcomer.run(logs), 60)
