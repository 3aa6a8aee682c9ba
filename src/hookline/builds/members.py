"""The members of a buildspec: what each does here, and what differs from AWS CodeBuild.

Source: "Build specification reference for CodeBuild" of the AWS CodeBuild user guide.
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Member:
    """A member by its path; `*` stands for any name. `differs` is empty where nothing does."""

    path: str
    does: str
    differs: str = ""


def _artifact(path: str, of: str) -> Iterator[Member]:
    yield Member(
        f"{path}/files",
        f"Required. The files of {of}: paths or patterns, relative to `base-directory`. One that"
        " matches nothing is skipped; if none matches, the phase fails.",
        "A path without a wildcard may name a folder: all in it is meant.",
    )
    yield Member(
        f"{path}/base-directory",
        "Where `files` and `exclude-paths` start, `.` by default. A pattern may match several"
        " folders. The folder itself is not part of the paths in the artifact.",
        "It must be inside of the source folder.",
    )
    yield Member(
        f"{path}/exclude-paths",
        "Files that are left out, as patterns relative to `base-directory`.",
    )
    yield Member(
        f"{path}/discard-paths",
        "`yes` puts all files into one folder. Of files of the same name the last one stays, and"
        " the log says so.",
    )
    yield Member(
        f"{path}/name",
        "The artifact's name, expanded by the shell of the build: `site-$(date +%F)`.",
        "Shown with the artifact; where it is stored does not depend on it.",
    )
    yield Member(
        f"{path}/enable-symlinks",
        "`yes` keeps links that stay inside of the artifact. Otherwise a link to a file in the"
        " source folder becomes a copy of that file, and other links are left out.",
    )
    yield Member(
        f"{path}/s3-prefix", "Checked, and not used.", "Artifacts are not stored by S3 prefixes."
    )
    yield Member(f"{path}/type", "Of version 0.1; AWS does not use it any more, and nor does this.")


def _phase(name: str) -> Iterator[Member]:
    path = f"phases/{name}"
    yield Member(path, f"What runs in the phase {name.upper()}.")
    if name == "install":
        yield Member(
            f"{path}/runtime-versions",
            "The versions that the build wants. The log warns of each that is not on `PATH`.",
            "Nothing is installed: install the runtimes on the machine.",
        )
    yield Member(
        f"{path}/commands",
        "Shell commands, one after another, until one fails.",
    )
    yield Member(
        f"{path}/finally",
        "Commands that run after `commands`, whether those failed or not. One that fails makes the"
        " phase fail.",
    )
    yield Member(
        f"{path}/on-failure",
        "`ABORT`: no further phase runs. `CONTINUE`: the next one does. `RETRY`,"
        " `RETRY-count`, `RETRY-regex`, `RETRY-count-regex`: the build begins again with the"
        " source as it was, up to 3 or `count` times, if the regular expression is found in the"
        " phase's error message or the last 10,000 characters of the command's output. Without it:"
        " a failed BUILD is followed by POST_BUILD, a failed INSTALL or PRE_BUILD by nothing.",
        "A build in which a phase failed has failed, after `CONTINUE`, too. The expression is"
        " one of RE2.",
    )
    yield Member(
        f"{path}/run-as",
        "As `run-as` above, for this phase.",
        "As above.",
    )


def _all() -> Iterator[Member]:
    yield Member("version", "Required: `0.2`, or `0.1`.")
    yield Member(
        "run-as",
        "The user that runs the commands. It must be the user that runs the build anyway.",
        "Any other user is refused: commands run as the user of the server.",
    )
    yield Member("env", "The environment of the commands.")
    yield Member(
        "env/shell",
        "`sh` (the default) or `bash`; `/bin/sh` and `/bin/bash` are the same.",
        "`powershell.exe` and `cmd.exe` are refused.",
    )
    yield Member(
        "env/variables",
        "Variables as text, just as it is written. The project's and the build's own win.",
        "Names with `CODEBUILD_` are left out, with a warning.",
    )
    yield Member(
        "env/parameter-store",
        "Variables from AWS Systems Manager Parameter Store.",
        "`hookline build` refuses those that it is not given by `--env`.",
    )
    yield Member(
        "env/secrets-manager",
        "Variables from AWS Secrets Manager: `secret-id:json-key:version-stage:version-id`.",
        "`hookline build` refuses those that it is not given by `--env`.",
    )
    yield Member(
        "env/exported-variables",
        "Variables whose values are taken from the shell after the last phase. Those with `AWS_`"
        " and those from Parameter Store and Secrets Manager are left out, with a warning.",
    )
    yield Member(
        "env/git-credential-helper",
        "Checked, and not used, with a warning.",
        "There are no credentials of a source to hand to git.",
    )
    yield Member(
        "environment_variables",
        "Of version 0.1: what `env` is in 0.2.",
    )
    yield Member("environment_variables/plaintext", "Of version 0.1: `env/variables` of 0.2.")
    yield Member("proxy", "Settings for a proxy server.")
    for name in ("upload-artifacts", "logs"):
        yield Member(
            f"proxy/{name}",
            "Checked, and not used.",
            "Artifacts and logs stay on this machine.",
        )
    yield Member(
        "batch",
        "Not used, with a warning: the phases run once. So does AWS, unless a batch is started.",
        "Batch builds are not run.",
    )
    yield Member(
        "phases",
        "Required. In 0.2 all commands run in one shell, so that `cd`, variables"
        " and functions last; in 0.1 each has a shell of its own.",
        "After a command that ends the shell (`exit`, `set -e`), the next one runs in a"
        " new one, in the same folder and with the same variables, without functions.",
    )
    for name in ("install", "pre_build", "build", "post_build"):
        yield from _phase(name)
    yield Member("reports", "Groups of test or coverage reports, by name or ARN; five at most.")
    yield Member("reports/*", "One group of reports.")
    yield Member("reports/*/files", "Required. The report files: paths or patterns.")
    yield Member("reports/*/base-directory", "Where `files` start, `.` by default.")
    yield Member("reports/*/discard-paths", "`yes` puts all files into one folder.")
    yield Member(
        "reports/*/file-format",
        "`JUNITXML` (the default) is counted: tests, failures, errors, skipped. Files of the"
        " others of AWS's formats are kept.",
        "Only JUnit XML is counted.",
    )
    yield Member("artifacts", "What the build leaves.")
    yield from _artifact("artifacts", "the artifact")
    yield Member("artifacts/secondary-artifacts", "More artifacts, by their identifier.")
    yield Member("artifacts/secondary-artifacts/*", "One of them.")
    yield from _artifact("artifacts/secondary-artifacts/*", "this artifact")
    yield Member("cache", "What is kept for the next build.", "`hookline build` keeps nothing.")
    yield Member("cache/paths", "The paths to keep.")
    yield Member("cache/key", "The primary key of the cache.")
    yield Member("cache/fallback-keys", "Up to five keys that are tried after it.")
    yield Member("cache/action", "`restore` or `save`, if not both.")


MEMBERS: tuple[Member, ...] = tuple(_all())


def names(path: str) -> frozenset[str]:
    """The names that a member has below it; those of the whole buildspec for `""`."""
    prefix = f"{path}/" if path else ""
    paths = (member.path for member in MEMBERS if member.path.startswith(prefix))
    return frozenset(found.removeprefix(prefix).partition("/")[0] for found in paths)
