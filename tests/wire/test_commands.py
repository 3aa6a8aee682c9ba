"""Each command once as the program that it is: it does what it does in the tests' process."""

import json
import re
from pathlib import Path

from hookline import cli
from support.command_line import run_hookline, run_program
from support.sending import push_event
from support.tenant import Tenant

# They replace the process, or start others: tests of their own run them as programs.
PROCESSES = {"serve", "demo", "build"}


def test_each_command_as_a_program(tenant: Tenant, tmp_path: Path) -> None:
    pipeline = tenant.pipeline()
    webhook = tenant.webhook(pipeline)
    reply = tenant.push(webhook, push_event(tenant.repository.commit("A program")))
    tenant.finished(pipeline, reply.execution_id)
    tenant.server.delivery(reply.delivery_id)
    (tmp_path / "file.json").write_text(json.dumps({"pipelines": [], "webhooks": []}))
    region = ("--region", tenant.region)
    commands = {
        "settings": (),
        "credentials": ("list",),
        "deliveries": ("show", reply.delivery_id),
        "logs": (reply.execution_id,),
        "nodes": (),
        "doctor": (),
        "export": region,
        "apply": ("file.json", "--yes", *region),
        "import-aws": ("--profile", "nobody", *region),
        "send": ("--url", webhook["url"], "--secret", "wrong", "-"),
        "try": ("--filter", "$.ref", "-"),
    }
    assert set(commands) | PROCESSES == set(cli.app.commands)
    for name, arguments in commands.items():
        inside, program = (
            run(
                *(name, *arguments),
                environment=tenant.server.environment,
                folder=tmp_path,
                text=json.dumps(push_event()),
            )
            for run in (run_hookline, run_program)
        )
        shown = [
            # Times and ids are others each time.
            (done.returncode, re.sub("[0-9a-f]+", "0", done.stdout), done.stderr)
            for done in (inside, program)
        ]
        assert shown[0] == shown[1], name
        assert program.stdout + program.stderr
        assert "Traceback" not in program.stderr
