"""Podman and docker for tests: an image made of this machine's shell, storage of its own."""

import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from hookline.model import new_id
from hookline.runners.containers import WORK_LABEL, Containers, own_environment, refusal, remove

_IMAGE = "localhost/hookline-test"
# Machines on which the usual ones fail, such as those with cgroups of both versions.
_RUNC = ("--cgroup-manager=cgroupfs", "--runtime=runc")
_OPTIONS = (((), ()), (_RUNC, ()), (_RUNC, ("--network=host",)))


def ran(*argv: str) -> str:
    return subprocess.run(
        argv, check=True, capture_output=True, text=True, env=own_environment()
    ).stdout


@contextmanager
def podman() -> Iterator[Containers]:
    """Podman with a storage of its own, and an image in it; skips where it can't run one."""
    if shutil.which("podman") is None:
        pytest.skip("needs podman")
    # Its sockets lie in it, whose paths can't be long.
    folder = Path(tempfile.mkdtemp(prefix="hookline-"))
    storage = (
        *("--root", f"{folder}/storage", "--runroot", f"{folder}/run"),
        *("--storage-driver", "vfs"),
    )
    try:
        image = _imported(folder, "podman", *storage)
        usable = (
            Containers("podman", (*storage, *options), run_options, image, (), "test", folder)
            for options, run_options in _OPTIONS
        )
        found = next((item for item in usable if refusal(item, network=True) is None), None)
        if found is None:
            pytest.skip("needs podman that can run a container")
        yield found
        remove(found, WORK_LABEL, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def docker() -> Iterator[Containers]:
    """Docker with an image in it; skips where there is no daemon."""
    with tempfile.TemporaryDirectory() as name:
        bare = Containers("docker", node="test", work=Path(name))
        if refusal(bare, network=True) is not None:
            pytest.skip("needs docker and its daemon")
        found = replace(bare, image=_imported(Path(name), "docker"))
        yield found
        remove(found, WORK_LABEL, name)
        ran("docker", "rmi", found.image)


def _imported(folder: Path, *program: str) -> str:
    archive = folder / "image.tar"
    _write_image(archive)
    # Others that test at the same time have the same daemon.
    image = f"{_IMAGE}:{new_id()}"
    ran(*program, "import", str(archive), image)
    return image


def _write_image(archive: Path) -> None:
    """A system of bash and busybox, with the libraries that bash needs here."""
    applets = ran("busybox", "--list").split()
    bash = shutil.which("bash") or "/bin/bash"
    libraries = [word for word in ran("ldd", bash).split() if word.startswith("/")]
    with tarfile.open(archive, "w", dereference=True) as tar:
        for folder in ("tmp", "root", "etc"):
            _add(tar, folder, tarfile.DIRTYPE)
        tar.add(shutil.which("busybox") or "/bin/busybox", "bin/busybox")
        tar.add(bash, "bin/bash")
        for library in libraries:
            tar.add(library, library.removeprefix("/"))
        _add(tar, "usr/bin/env", tarfile.SYMTYPE, "/bin/busybox")
        for applet in set(applets) - {"busybox", "bash"}:
            _add(tar, f"bin/{applet}", tarfile.SYMTYPE, "busybox")


def _add(tar: tarfile.TarFile, name: str, kind: bytes, target: str = "") -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode = kind, target, 0o755
    tar.addfile(member)
