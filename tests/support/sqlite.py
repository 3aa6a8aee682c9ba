"""SQLite databases with Hookline's schema: copies of one file, since to migrate takes longer."""

import functools
import tempfile
from pathlib import Path

from hookline.store.database import Database


def create_database(file: Path) -> str:
    """Make a new database; its SQLAlchemy address."""
    file.write_bytes(_template())
    return address(file)


def address(file: Path) -> str:
    """SQLAlchemy's address of a file."""
    return f"sqlite:///{file}"


@functools.cache
def _template() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "hookline.db"
        database = Database(address(file))
        database.migrate()
        database.close()
        return file.read_bytes()
