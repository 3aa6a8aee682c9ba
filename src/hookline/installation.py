"""What an installation keeps in its data folder besides the database."""

from pathlib import Path

from hookline.config import Settings
from hookline.sealing import Seal, load_seal
from hookline.store.node_state import NodeState


def open_seal(settings: Settings) -> Seal:
    """The seal of this installation's secrets."""
    return load_seal(settings.master_key, settings.data_dir / "master.key")


def open_state(settings: Settings) -> NodeState:
    """What the processes of this machine share."""
    return NodeState(settings.data_dir / "node.state")


def work_folder(settings: Settings) -> Path:
    """Where the engine keeps workspaces and logs."""
    return settings.data_dir.absolute() / "work"
