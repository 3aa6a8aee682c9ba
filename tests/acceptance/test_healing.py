"""What broke in a way that nobody foresaw is mended without a restart."""

import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import update

from hookline.model import StageStatus, new_id
from hookline.store.tables import executions, stage_executions
from support.server import Server, until
from support.tenant import Tenant


def test_t1_a_stage_whose_run_broke_is_run_again(
    make_server: Callable[..., Server], github: Path
) -> None:
    server = make_server(clock_interval="0.2").start()
    tenant = Tenant(server, github)
    pipeline = tenant.pipeline()
    execution_id = tenant.push(tenant.webhook(pipeline)).execution_id
    assert tenant.finished(pipeline, execution_id)["status"] == "Succeeded"
    stage_execution_id = new_id()
    with server.database.write() as connection:
        connection.execute(
            update(executions)
            .where(executions.c.id == execution_id)
            .values(status="InProgress", in_stage=True, stage_name="Source", source_revisions=[])
        )
        connection.execute(
            stage_executions.insert().values(
                id=stage_execution_id,
                execution_id=execution_id,
                pipeline_id=1,
                stage_name="A stage that the pipeline does not have",
                status=StageStatus.IN_PROGRESS.value,
                retries=0,
                entry_overridden=False,
                started_at=time.time(),
                updated_at=time.time(),
            )
        )
    assert until(lambda: "stage broke" in server.output, 60)
    with server.database.write() as connection:
        connection.execute(
            update(stage_executions)
            .where(stage_executions.c.id == stage_execution_id)
            .values(stage_name="Source")
        )
    assert tenant.finished(pipeline, execution_id, 60)["status"] == "Succeeded"
