"""What an installation keeps in its data folder besides the database."""

from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection, make_url

from hookline.config import Settings, settings_file
from hookline.errors import SettingsError
from hookline.model import new_id
from hookline.runners import Runner, bubblewrap
from hookline.runners.containers import Containers
from hookline.runners.containers import refusal as container_refusal
from hookline.sealing import Seal, load_seal, make_master_key
from hookline.store import credentials
from hookline.store.node_state import NodeState

_MARKER = ".hookline-artifacts"
_IDENTITY = ".hookline-artifacts-id"
_MARKED = "Hookline keeps artifacts in this folder, and deletes those of forgotten executions.\n"


def open_seal(settings: Settings) -> Seal:
    """The seal of this installation's secrets. Raises SettingsError where there is no key."""
    return load_seal(settings.master_key, _key_file(settings))


def prepare_seal(settings: Settings, connection: Connection) -> Seal:
    """The seal; on a first start with a new key. Raises SettingsError where it has been lost.

    A new key beside secrets that it can't open would hide the loss until somebody needs them.
    """
    if not settings.master_key and not credentials.secrets_may_exist(connection):
        make_master_key(_key_file(settings))
    return open_seal(settings)


def _key_file(settings: Settings) -> Path:
    return settings.data_dir / "master.key"


def open_state(settings: Settings) -> NodeState:
    """What the processes of this machine share."""
    return NodeState(settings.data_dir / "node.state")


def work_folder(settings: Settings) -> Path:
    """Where the engine keeps workspaces."""
    return settings.data_dir.absolute() / "work"


def private_paths(settings: Settings) -> tuple[Path, ...]:
    """What of this installation no command of a sandbox may see: settings, keys, data."""
    paths = [settings.data_dir, settings_file()]
    if not _is_bucket(settings):
        paths.append(Path(settings.artifacts))
    if (database := make_url(settings.database)).drivername == "sqlite" and database.database:
        # Its journal lies beside it.
        paths += [Path(database.database + end) for end in ("", "-wal", "-shm")]
    return tuple(path.resolve() for path in paths)


def check_runner(settings: Settings) -> None:
    """Raise SettingsError where this machine can't run commands as `runner` says."""
    if settings.runner is Runner.BUBBLEWRAP and not settings.pid_namespaces:
        raise SettingsError(
            f"runner = {settings.runner.value} needs PID namespaces: leave pid_namespaces on."
        )
    if reason := refusal(settings, settings.runner):
        raise SettingsError(
            f"runner = {settings.runner.value} can't be used on this machine: {reason}"
        )


def refusal(settings: Settings, runner: Runner) -> str | None:
    """Why this machine can't run commands so, and what to do; None if it can."""
    if runner is Runner.BUBBLEWRAP:
        return bubblewrap.refusal()
    if runner is Runner.CONTAINER:
        return container_refusal(containers(settings), network=settings.sandbox_network)
    return None


def containers(settings: Settings) -> Containers:
    """How this node runs containers."""
    return Containers(
        program=settings.container_program,
        options=settings.container_options,
        run_options=settings.container_run_options,
        image=settings.container_image,
        images=settings.container_images,
        node=settings.node_name,
        work=work_folder(settings),
    )


def claim_artifact_folder(settings: Settings) -> None:
    """Mark the folder that the setting `artifact_store` names as Hookline's, if it is one.

    Raises SettingsError where the folder holds other things, or can't be used.
    """
    if not settings.artifact_store or _is_bucket(settings):
        return
    folder = Path(settings.artifact_store).absolute()
    marker = folder / _MARKER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if marker.exists():
            return
        # A file system of its own comes with a folder for what its check finds.
        others = (path for path in folder.iterdir() if path.name != "lost+found")
        if (other := next(others, None)) is not None:
            raise SettingsError(
                f"artifact_store names the folder {folder}, which holds other things, such as "
                f"{other.name}. Name an empty folder, or, if it is Hookline's own, create the file "
                f"{_MARKER} in it."
            )
        marker.write_text(_MARKED)
    except OSError as error:
        raise SettingsError(f"artifact_store names the folder {folder}: {error}") from error


def artifact_place(settings: Settings) -> str:
    """What tells the place of artifacts from others: a bucket's address, or the id of a folder.

    The id is a file in the folder, so that all who see the same folder have the same.
    """
    if _is_bucket(settings):
        return settings.artifact_store
    folder = Path(settings.artifacts)
    folder.mkdir(parents=True, exist_ok=True)
    # Not named by the process's id, which others have in their containers.
    made = folder / f"{_IDENTITY}.{new_id()}"
    try:
        made.write_text(new_id())
        # Others find it whole, and the first one counts.
        with suppress(FileExistsError):
            (folder / _IDENTITY).hardlink_to(made)
    finally:
        made.unlink(missing_ok=True)
    return (folder / _IDENTITY).read_text()


def _is_bucket(settings: Settings) -> bool:
    return settings.artifact_store.startswith("s3://")
