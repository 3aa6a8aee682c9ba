"""Opens the installation's store for a command, with or without a running server."""

from hookline import config
from hookline.config import Settings
from hookline.errors import HooklineError
from hookline.store.database import Database


def open_database(settings: Settings | None = None) -> Database:
    """The database of the settings in use. Raises HooklineError where there is none yet."""
    settings = settings or config.load()
    if not settings.database_url and not settings.data_dir.exists():
        raise HooklineError(
            f"There is no data folder {settings.data_dir}. Start `hookline serve` once, or name "
            "the folder with HOOKLINE_DATA_DIR."
        )
    database = Database(settings.database, limited=False)
    database.migrate()
    return database
