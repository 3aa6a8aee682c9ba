"""Private folders of actions: made afresh, and removed whatever was left in them."""

import os
import shutil
import stat
from pathlib import Path


def fresh(folder: Path) -> Path:
    """Make `folder` exist and be empty, for its owner only."""
    remove(folder)
    folder.mkdir(mode=0o700, parents=True)
    return folder


def remove(folder: Path) -> None:
    """Remove `folder` and all in it, read-only folders too; nothing if it isn't there."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        try:
            shutil.rmtree(folder)
        except PermissionError:
            _unlock(folder)
            shutil.rmtree(folder)


def _unlock(folder: Path) -> None:
    folder.chmod(stat.S_IRWXU)
    for parent, names, _ in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            if not path.is_symlink():
                path.chmod(stat.S_IRWXU)
