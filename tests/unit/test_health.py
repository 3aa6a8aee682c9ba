"""What /healthz says of the parts."""

import asyncio
from pathlib import Path

from hookline.health import Health
from hookline.scoreboard import RECORDER, Scoreboard
from hookline.store.database import Database
from hookline.store.node_state import NodeState


def test_a_store_with_an_unknown_fault_is_away(database: Database, tmp_path: Path) -> None:
    slot = Scoreboard.create(workers=0).slot(RECORDER)
    slot.beat()
    health = Health(database, NodeState(tmp_path / "node"), slot)
    with database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE hookline_credentials RENAME TO elsewhere")
        # Out of range, which is an outage of neither database.
        connection.exec_driver_sql(
            "CREATE VIEW hookline_credentials AS SELECT 1 WHERE abs(-9223372036854775807 - 1) > 0"
        )
    parts = asyncio.run(health.parts())
    health.close()
    assert parts == {"store": False, "recorder": True, "engine": False}
