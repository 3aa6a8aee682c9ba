import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookline.actions.folders import fresh, remove


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder to work in without root's powers, which ignore permissions."""
    with tempfile.TemporaryDirectory() as name:
        is_root = os.geteuid() == 0
        if is_root:
            os.chown(name, 12345, 12345)
            os.seteuid(12345)
        try:
            yield Path(name)
        finally:
            if is_root:
                os.seteuid(0)


@pytest.mark.parametrize("mode", [0o555, 0o000, 0o200])
def test_folders_without_permissions_are_removed(folder: Path, mode: int) -> None:
    deep = folder / "a" / "b" / "c"
    deep.mkdir(parents=True)
    (deep / "file").touch()
    (deep / "link").symlink_to("/etc")
    for path in (deep, deep.parent, deep.parent.parent):
        path.chmod(mode)

    remove(folder / "a")

    assert list(folder.iterdir()) == []


def test_a_link_is_removed_and_not_what_it_leads_to(folder: Path) -> None:
    (folder / "kept").mkdir()
    (folder / "kept" / "file").touch()
    (folder / "link").symlink_to("kept")

    remove(folder / "link")

    assert [p.name for p in folder.iterdir()] == ["kept"]
    assert (folder / "kept" / "file").exists()


def test_a_fresh_folder_is_empty_and_private(folder: Path) -> None:
    (folder / "a").mkdir()
    (folder / "a" / "old").touch()

    made = fresh(folder / "a")

    assert list(made.iterdir()) == []
    assert made.stat().st_mode & 0o777 == 0o700
