"""Who waits for work learns at once of what others commit (on both databases)."""

import threading
from collections.abc import Callable
from pathlib import Path

from hookline.store import dialect
from hookline.store.database import Database

LONG_S = 300.0


def announce(database: Database) -> None:
    with database.write() as connection:
        dialect.notify_nodes(connection)


def is_woken(listener: dialect.Listener, by: Callable[[], object]) -> bool:
    """Whether the listener, as it waits for long, returns once `by` was called."""
    waiting = threading.Thread(target=listener.wait, args=[LONG_S], daemon=True)
    waiting.start()
    by()
    waiting.join(LONG_S / 10)
    return not waiting.is_alive()


def test_a_commit_of_another_process_wakes_who_waits(database: Database, database_url: str) -> None:
    other = Database(database_url)
    listener = database.listener()
    # The first wait may return at once: what came before is not known.
    listener.wait(0)
    assert is_woken(listener, lambda: announce(other))
    # What was announced while nobody waited is not lost.
    announce(other)
    assert is_woken(listener, lambda: None)
    listener.close()
    other.close()
    announce(database)


def test_a_listener_on_sqlite_begins_anew_after_a_crash(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'hookline.db'}")
    # Such as a backup that knows no pipes may have made of it.
    (tmp_path / ".hookline-nodes").write_text("not a pipe")
    killed, listener = database.listener(), database.listener()
    assert is_woken(listener, listener.wake)
    assert is_woken(listener, lambda: announce(database))
    killed.wait(0)
    listener.close()
    assert not (tmp_path / ".hookline-nodes").exists()
    database.close()
