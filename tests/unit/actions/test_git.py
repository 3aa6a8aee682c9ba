import base64
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psutil
import pytest

from hookline.actions.git_program import is_branch
from hookline.actions.pages import branch_page, commit_page
from hookline.actions.provider import ActionResult, Interrupted
from hookline.errors import ActionError
from hookline.model import Action, ActionType, OutputArtifact, SourceRevision
from support.workshop import Workshop

Commit = Callable[..., str]

GITHUB = ActionType("Source", "ThirdParty", "GitHub", "1")
CONNECTION = ActionType("Source", "AWS", "CodeStarSourceConnection", "1")
ARN = "arn:aws:codeconnections:us-east-1:000000000000:connection/1"
TOKEN = "ghp_verySecretToken"
BASIC = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()


def source(kind: ActionType = GITHUB, **configuration: str) -> Action:
    given = {"Owner": "acme", "Repo": "app", "Branch": "main", "OAuthToken": "****"}
    if kind == CONNECTION:
        given = {"ConnectionArn": ARN, "FullRepositoryId": "acme/app", "BranchName": "main"}
    return Action(
        "Fetch",
        kind,
        configuration=given | configuration,
        output_artifacts=(OutputArtifact("Source"),),
    )


def revision(commit: str) -> SourceRevision:
    return SourceRevision("Fetch", commit)


def failure(workshop: Workshop, action: Action, commit: str | None = None, **changes: Any) -> str:
    with pytest.raises(ActionError) as failed:
        workshop.run(action, source_revision=commit and revision(commit), **changes)
    return failed.value.message


def fetched(workshop: Workshop, result: ActionResult) -> dict[str, str]:
    folder = workshop.unpacked(result.artifacts[0])
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("kind", [GITHUB, CONNECTION])
def test_the_head_of_the_branch_is_fetched_when_no_revision_is_given(
    workshop: Workshop, repository: Commit, kind: ActionType
) -> None:
    repository("echo old > a")
    head = repository("echo new > a")

    result = workshop.run(source(kind))

    assert result.external_execution_id == head
    assert fetched(workshop, result) == {"a": "new\n"}


def test_exactly_the_commit_that_started_the_execution_is_fetched(
    workshop: Workshop, repository: Commit
) -> None:
    first = repository("echo one > a")
    second = repository("echo two > a")
    repository("echo three > a")

    for commit, content in ((second, "two\n"), (first, "one\n")):
        result = workshop.run(source(), source_revision=revision(commit))
        assert result.revision is not None
        assert result.revision.revision_id == commit
        assert fetched(workshop, result) == {"a": content}


def test_a_commit_of_a_repository_that_uses_sha256_is_fetched(
    workshop: Workshop, repository: Commit
) -> None:
    commit = repository("echo one > a", options="--object-format=sha256")

    result = workshop.run(source(), source_revision=revision(commit))

    assert len(commit) == 64
    assert fetched(workshop, result) == {"a": "one\n"}


def test_the_result_has_the_variables_of_aws_and_the_message(
    workshop: Workshop, repository: Commit
) -> None:
    commit = repository("echo 1 > a", message="Überschrift\n\nThe body")

    result = workshop.run(source())

    assert result.summary == "Überschrift\n\nThe body"
    assert result.revision == SourceRevision("Fetch", commit, "Überschrift\n\nThe body", None)
    assert result.variables == {
        "AuthorDate": "2020-01-02T01:04:05Z",
        "BranchName": "main",
        "CommitId": commit,
        "CommitMessage": "Überschrift\n\nThe body",
        "CommitUrl": "",
        "CommitterDate": "2021-01-02T03:04:05Z",
        "RepositoryName": "app",
    }


def test_a_connection_has_its_own_variables_of_aws(workshop: Workshop, repository: Commit) -> None:
    commit = repository("echo 1 > a", message="The message")

    result = workshop.run(source(CONNECTION))

    assert result.variables == {
        "AuthorDate": "2020-01-02T01:04:05Z",
        "BranchName": "main",
        "CommitId": commit,
        "CommitMessage": "The message",
        "ConnectionArn": ARN,
        "FullRepositoryName": "acme/app",
    }


@pytest.mark.parametrize(
    ("host", "branch", "commit"),
    [
        ("github.com", "tree/a/b", "commit/1f"),
        ("gitlab.example.com", "-/tree/a/b", "-/commit/1f"),
        ("bitbucket.org", "branch/a/b", "commits/1f"),
        ("gitea.example.com", "src/branch/a/b", "commit/1f"),
        ("git.example.com:8443", "tree/a/b", "commit/1f"),
    ],
)
def test_x2_pages_have_the_form_of_the_host(host: str, branch: str, commit: str) -> None:
    repository = f"https://{host}/acme/app"
    assert branch_page(repository, "a/b") == f"{repository}/{branch}"
    assert commit_page(f"https://user:pass@{host}/acme/app", "1f") == f"{repository}/{commit}"
    assert branch_page(repository, "a#{b}?") == f"{repository}/{branch[:-3]}a%23%7Bb%7D%3F"
    assert commit_page("file:///srv/acme/app", "1f") is None


def test_a_long_message_is_cut_in_the_summary(workshop: Workshop, repository: Commit) -> None:
    repository("echo 1 > a", message="m" * 5000)

    result = workshop.run(source())

    assert result.summary == "m" * 2048
    assert result.variables["CommitMessage"] == "m" * 5000


def test_the_artifact_has_executables_and_links_but_no_git_folder(
    workshop: Workshop, repository: Commit
) -> None:
    repository("echo 1 > run.sh; chmod +x run.sh; ln -s run.sh link; ln -s /etc/passwd outside")

    folder = workshop.unpacked(workshop.run(source()).artifacts[0])

    assert sorted(p.name for p in folder.iterdir()) == ["link", "run.sh"]
    assert os.access(folder / "run.sh", os.X_OK)
    assert (folder / "link").is_symlink()
    assert "leaves out outside" in workshop.log


def test_nothing_that_a_repository_declares_runs(workshop: Workshop, repository: Commit) -> None:
    submodule = f"file://{workshop.folder}/repositories/acme/app"
    modules = f'[submodule "sub"]\\n\\tpath = sub\\n\\turl = {submodule}\\n'
    commit = repository("echo 1 > a")
    ran = workshop.folder / "ran"
    repository(
        "echo '* filter=lfs diff=lfs' > .gitattributes;"
        f"printf '{modules}' > .gitmodules;"
        f"git update-index --add --cacheinfo 160000,{commit},sub; mkdir -p sub;"
        f"mkdir hooks; printf '#!/bin/sh\\ntouch {ran}' > hooks/post-checkout;"
        "chmod +x hooks/post-checkout"
    )

    files = fetched(workshop, workshop.run(source()))

    assert not ran.exists()
    assert sorted(files) == [".gitattributes", ".gitmodules", "a", "hooks/post-checkout"]


def test_settings_of_the_server_do_not_reach_git(
    workshop: Workshop, repository: Commit, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = repository("echo 1 > a")
    elsewhere = workshop.folder / "home"
    elsewhere.mkdir()
    url = f"file://{workshop.folder}/nowhere"
    (elsewhere / ".gitconfig").write_text(f'[url "{url}"]\n\tinsteadOf = file://\n')
    monkeypatch.setenv("HOME", str(elsewhere))
    monkeypatch.setenv("GIT_DIR", str(elsewhere))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(elsewhere / ".gitconfig"))

    assert workshop.run(source()).external_execution_id == commit


def test_a_missing_repository_fails_with_git_s_message(workshop: Workshop) -> None:
    message = failure(workshop, source())

    assert "git fetch of file://" in message
    assert "does not appear to be a git repository" in message
    assert "does not appear to be a git repository" in workshop.log


def test_a_missing_branch_fails_with_git_s_message(workshop: Workshop, repository: Commit) -> None:
    repository("echo 1 > a")

    assert "couldn't find remote ref refs/heads/gone" in failure(workshop, source(Branch="gone"))


def test_a_missing_commit_fails_with_git_s_message(workshop: Workshop, repository: Commit) -> None:
    repository("echo 1 > a")

    assert f"not our ref {'1' * 40}" in failure(workshop, source(), "1" * 40)


@pytest.mark.parametrize(
    "commit", ["main", "1" * 39, "1" * 41, "--upload-pack=touch x", "refs/heads/main", "A" * 40]
)
def test_a_revision_that_is_no_commit_id_is_refused(
    workshop: Workshop, repository: Commit, commit: str
) -> None:
    repository("echo 1 > a")

    assert "is not a commit id" in failure(workshop, source(), commit)


@pytest.mark.parametrize(
    "configuration",
    [
        {"Owner": ".."},
        {"Owner": "a/b"},
        {"Owner": ""},
        {"Repo": "."},
        {"Repo": "x y"},
        {"Repo": "x\n"},
        {"Branch": "--upload-pack=x"},
        {"Branch": "a:b"},
        {"OAuthToken": "a\nHost: evil"},
    ],
)
def test_configuration_that_git_could_misread_is_refused_before_git_runs(
    workshop: Workshop, configuration: dict[str, str]
) -> None:
    message = failure(workshop, source(GITHUB, **configuration))

    assert "git fetch" not in message
    assert "a\nHost" not in message


@pytest.mark.parametrize("identifier", ["app", "acme/app/x", "../app", "acme/"])
def test_a_connection_needs_an_owner_and_a_repository(workshop: Workshop, identifier: str) -> None:
    assert "is not" in failure(workshop, source(CONNECTION, FullRepositoryId=identifier))


def test_missing_configuration_is_named(workshop: Workshop) -> None:
    action = Action("Fetch", GITHUB, configuration={"Owner": "acme"})

    assert "has no Repo" in failure(workshop, action)


NAMES = [
    *(
        "main",
        "a/b",
        "v1.0",
        "a@b",
        "@a",
        "a-b",
        "ä",
        "a.lockx",
        "a}",
        "-",
        "-a",
        "/a",
        "a/",
        "a//b",
    ),
    *("a..b", ".a", "a/.b", "a.", "a.lock", "a.lock/b", "a b", "a~", "a^", "a:", "a?", "a*", "a["),
    *("a\\", "a@{b", "@", "", "a\x7f", "a\tb", "a./b"),
]


@pytest.mark.parametrize("name", NAMES)
def test_branch_names_are_those_that_git_takes(name: str) -> None:
    told = subprocess.run(
        ["git", "check-ref-format", "--branch", name], check=False, capture_output=True
    )
    assert is_branch(name) == (told.returncode == 0)


@dataclass
class Server:
    """An HTTP server in GitHub's place: what it answers, and what it was sent."""

    status: int = 404
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    port: int = 0
    paths: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    arguments: set[str] = field(default_factory=set)
    done: threading.Event = field(default_factory=threading.Event)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.paths.append(request.path)
        self.authorizations.append(request.headers["Authorization"])
        for process in psutil.process_iter():
            try:
                if "git" in process.name():
                    self.arguments.update(process.cmdline())
            except psutil.Error:
                continue
        if self.hang:
            self.done.wait(20)
        request.send_response(self.status)
        for name, value in self.headers.items():
            request.send_header(name, value)
        with suppress(ConnectionError):
            request.end_headers()
            request.wfile.write(f"echo {TOKEN} {BASIC}".encode())


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        state.port = listening.server_address[1]
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
        thread.start()
        yield state
        state.done.set()
        listening.shutdown()
        thread.join()


def test_the_token_goes_in_the_header_only_and_is_masked(
    workshop: Workshop, server: Server
) -> None:
    server.headers = {"Content-Type": "text/plain"}
    message = failure(
        workshop, source(OAuthToken=TOKEN), github_url=f"http://127.0.0.1:{server.port}/"
    )

    assert server.paths[0] == "/acme/app/info/refs?service=git-upload-pack"
    assert server.authorizations == [f"Basic {BASIC}"]
    assert "fetch" in server.arguments
    assert not any(TOKEN in argument or BASIC in argument for argument in server.arguments)
    assert "remote: echo **** ****" in message
    for secret in (TOKEN, BASIC):
        assert secret not in message
        assert secret not in workshop.log


@pytest.mark.parametrize("token", ["", "****"])
def test_without_a_token_no_header_is_sent(workshop: Workshop, server: Server, token: str) -> None:
    failure(workshop, source(OAuthToken=token), github_url=f"http://127.0.0.1:{server.port}")

    assert server.authorizations == [None]


def test_a_redirect_is_not_followed(workshop: Workshop, server: Server) -> None:
    server.status = 301
    server.headers = {"Location": f"http://localhost:{server.port}/elsewhere"}

    failure(workshop, source(OAuthToken=TOKEN), github_url=f"http://127.0.0.1:{server.port}")

    assert len(server.paths) == 1


def test_a_server_that_hangs_meets_the_time_limit(workshop: Workshop, server: Server) -> None:
    server.hang = True

    message = failure(
        workshop,
        source(),
        github_url=f"http://127.0.0.1:{server.port}",
        time_limit=0.5,
    )

    assert "time limit of 0.5 seconds" in message
    assert not list((workshop.folder / "work").iterdir())


def test_stopping_ends_git(workshop: Workshop, server: Server) -> None:
    server.hang = True
    threading.Timer(0.3, workshop.stop.set).start()
    started = time.monotonic()

    with pytest.raises(Interrupted):
        workshop.run(source(), github_url=f"http://127.0.0.1:{server.port}")

    # The server answers after 20 s.
    assert time.monotonic() - started < 15


def test_an_interrupted_fetch_is_run_again_from_nothing(
    workshop: Workshop, repository: Commit
) -> None:
    repository("echo 1 > a")
    left = workshop.folder / "work" / "git" / "tree"
    left.mkdir(parents=True)
    (left / "rubbish").touch()

    assert fetched(workshop, workshop.run(source())) == {"a": "1\n"}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_a_repository_of_another_user_is_fetched(workshop: Workshop, repository: Commit) -> None:
    commit = repository("echo 1 > a")
    for path in (workshop.folder / "repositories").rglob("*"):
        os.chown(path, 12345, 12345)

    assert workshop.run(source()).external_execution_id == commit
