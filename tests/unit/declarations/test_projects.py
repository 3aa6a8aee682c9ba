from typing import Any

from hookline.api.codebuild.project_views import settled
from hookline.declarations.projects import with_defaults, without_defaults
from hookline.declarations.resources import Present
from hookline.model import Scope

PROJECT: dict[str, Any] = {
    "name": "make",
    "source": {"type": "CODEPIPELINE", "insecureSsl": False},
    "artifacts": {"type": "CODEPIPELINE"},
    "environment": {
        "type": "LINUX_CONTAINER",
        "image": "aws/codebuild/standard:7.0",
        "computeType": "BUILD_GENERAL1_SMALL",
    },
    "serviceRole": "arn:aws:iam::111122223333:role/build",
}


def present(account: str, **more: Any) -> Present:
    scope = Scope(account, "eu-west-1")
    shown = settled(scope, "make", {**PROJECT, **more})
    return Present(declaration=shown, arn=scope.build_project_arn("make"))


def test_the_defaults_of_an_account_are_left_behind_in_it() -> None:
    found = without_defaults(present("111122223333"))
    assert found.keys() == PROJECT.keys()
    shown = with_defaults(found, present("444455556666"))
    assert shown["encryptionKey"] == "arn:aws:kms:eu-west-1:444455556666:alias/aws/s3"


def test_what_differs_from_the_defaults_is_kept() -> None:
    key = "arn:aws:kms:eu-west-1:444455556666:alias/aws/s3"
    logs = {"cloudWatchLogs": {"status": "DISABLED"}}
    found = without_defaults(
        present(
            "111122223333", encryptionKey=key, timeoutInMinutes=30, logsConfig=logs, vpcConfig={}
        )
    )
    assert found.keys() - PROJECT.keys() == {"encryptionKey", "timeoutInMinutes", "logsConfig"}
    assert found["encryptionKey"] == key
