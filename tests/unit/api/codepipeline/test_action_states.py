"""The pages of source actions in GetPipelineState."""

import pytest

from hookline.api.codepipeline.action_states import source_pages
from hookline.api.codepipeline.action_types import CODECOMMIT, CONNECTION, GITHUB
from hookline.model import Action, ActionType, Scope, SourceRevision

HERE = Scope("000000000000", "eu-west-1")
CHINA = Scope("000000000000", "cn-north-1")


@pytest.mark.parametrize(
    ("kind", "configuration", "scope", "page"),
    [
        (
            GITHUB,
            {"Owner": "acme", "Repo": "app", "Branch": "main", "OAuthToken": "t"},
            HERE,
            "https://git.example.com/acme/app/tree/main",
        ),
        (
            CONNECTION,
            {"FullRepositoryId": "acme/app", "BranchName": "a/b"},
            HERE,
            "https://git.example.com/acme/app/tree/a/b",
        ),
        (
            CODECOMMIT,
            {"RepositoryName": "app", "BranchName": "a/b"},
            CHINA,
            (
                "https://cn-north-1.console.amazonaws.cn/codesuite/codecommit/repositories/app"
                "/browse/refs/heads/a%2Fb"
            ),
        ),
        (CONNECTION, {"FullRepositoryId": "acme/app", "BranchName": "#{variables.b}"}, HERE, None),
        (ActionType("Source", "AWS", "S3", "1"), {"S3Bucket": "b"}, HERE, None),
    ],
)
def test_x2_a_source_has_the_page_of_its_branch(
    kind: ActionType, configuration: dict[str, str], scope: Scope, page: str | None
) -> None:
    action = Action("App", kind, configuration=configuration)
    pages = source_pages(action, None, None, scope, "https://git.example.com/")
    assert pages == {"entityUrl": page, "revisionUrl": None}


def test_x2_the_page_of_a_revision_is_that_of_the_commit_that_was_fetched() -> None:
    page = "https://git.example.com/acme/app/commit/1f"
    action = Action("App", GITHUB)
    for url, shown in ((page, page), (None, None), ("https://x/" + "a" * 2_048, None)):
        revision = SourceRevision("App", "1f", url=url)
        pages = source_pages(action, None, revision, HERE, "https://git.example.com")
        assert pages["revisionUrl"] == shown
