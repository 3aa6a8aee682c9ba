"""Where the commands of actions run: on the host, in a sandbox of bubblewrap's, in a container."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

RUNNER_TAG = "hookline:runner"
"""The tag by which a pipeline asks for a runner of its commands."""
IMAGE_TAG = "hookline:image"
"""The tag by which a pipeline asks for the image of its containers."""


class Runner(Enum):
    """A way to run commands. `host` can read whatever the server can."""

    HOST = "host"
    BUBBLEWRAP = "bubblewrap"
    CONTAINER = "container"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What sandboxed commands see beside the system and their own workspace.

    `visible` are further folders that they may read, `hidden` are folders and files that they
    can't, though they lie in one of those. Without `network` they have none, not even the machine's
    own. A container has an image's system, and of these `network` only.
    """

    visible: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    network: bool = True


@dataclass(frozen=True, slots=True)
class Place:
    """Where a program begins, in `folder`, and what it may write to: its `workspace`.

    Both `folder` and `temporary`, which is for temporary files, lie in that.
    """

    workspace: Path
    folder: Path
    temporary: Path
