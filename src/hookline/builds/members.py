"""The members of a buildspec: what each does here, and what differs from AWS CodeBuild.

Source: "Build specification reference for CodeBuild" of the AWS CodeBuild user guide.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Member:
    """A member by its path; `*` stands for any name. `differs` is empty where nothing does."""

    path: str
    does: str
    differs: str = ""


MEMBERS = (
    Member("version", "Required: `0.2`, or `0.1`."),
    Member(
        "run-as",
        "The user that runs the commands. It must be the user that runs the build anyway.",
        "Any other user is refused: commands run as the user of the server.",
    ),
    Member("env", "The environment of the commands."),
    Member(
        "env/shell",
        "`sh` (the default) or `bash`; `/bin/sh` and `/bin/bash` are the same.",
        "`powershell.exe` and `cmd.exe` are refused.",
    ),
    Member(
        "env/variables",
        "Variables, with their values just as they are written. The project's and the build's own"
        " win.",
        "Names that begin with `CODEBUILD_` are left out, with a warning.",
    ),
    Member(
        "env/parameter-store",
        "Variables from AWS Systems Manager Parameter Store.",
        "`hookline build` refuses those that it is not given by `--env`.",
    ),
    Member(
        "env/secrets-manager",
        "Variables from AWS Secrets Manager: `secret-id:json-key:version-stage:version-id`.",
        "`hookline build` refuses those that it is not given by `--env`.",
    ),
    Member(
        "env/exported-variables",
        "Variables whose values are taken from the shell after the last phase. Those that begin"
        " with `AWS_`, and those from Parameter Store and Secrets Manager, are left out, with a"
        " warning.",
    ),
    Member(
        "env/git-credential-helper",
        "Checked, and not used, with a warning.",
        "There are no credentials of a source to hand to git.",
    ),
    Member("environment_variables", "Of version 0.1: what `env` is in 0.2."),
    Member("environment_variables/plaintext", "Of version 0.1: what `env/variables` is in 0.2."),
    Member("proxy", "Settings for a proxy server."),
    Member("proxy/upload-artifacts", "Checked, and not used.", "Artifacts stay on this machine."),
    Member("proxy/logs", "Checked, and not used.", "Logs stay on this machine."),
    Member(
        "batch",
        "Not used, with a warning: the phases run once, as on AWS without a batch.",
        "Batch builds are not run.",
    ),
    Member(
        "phases",
        "Required: `install`, `pre_build`, `build`, `post_build`. In 0.2 all commands run in one"
        " shell: the folder, variables and functions last. In 0.1 each has a shell of its own.",
        "A command that ends the shell (`exit`, `set -e`) is followed by a new one, in the same"
        " folder and with the same variables, without functions.",
    ),
    Member("phases/*", "What runs in one phase."),
    Member(
        "phases/install/runtime-versions",
        "The versions that the build wants. The log says which are on `PATH`, and warns if they"
        " are others.",
        "Nothing is installed: install the runtimes on the machine.",
    ),
    Member("phases/*/commands", "Shell commands, one after another until one fails."),
    Member(
        "phases/*/finally",
        "Commands that run after `commands`, whether those failed or not. If one fails, the phase"
        " fails.",
    ),
    Member(
        "phases/*/on-failure",
        "`ABORT`: no further phase runs. `CONTINUE`: the next one does. `RETRY`, `RETRY-count`,"
        " `RETRY-regex`, `RETRY-count-regex`: the build begins again with its source as it was,"
        " up to 3 or `count` times, if the regular expression is found in the phase's message or"
        " in the last 10,000 bytes of the command's output. Without it a failed `build` is followed"
        " by `post_build`, a failed `install` or `pre_build` by nothing.",
        "A build with a failed phase has failed, also after `CONTINUE`. Regular expressions are"
        " RE2's.",
    ),
    Member("phases/*/run-as", "As `run-as` above, for this phase.", "As above."),
    Member("reports", "Groups of test or coverage reports, by name or ARN; five at most."),
    Member("reports/*", "One group of reports."),
    Member("reports/*/files", "Required. The report files: paths or patterns."),
    Member("reports/*/base-directory", "Where `files` start, `.` by default."),
    Member("reports/*/discard-paths", "`yes` puts all files into one folder."),
    Member(
        "reports/*/file-format",
        "`JUNITXML` (the default) is counted: tests, failures, errors, skipped. Files of AWS's"
        " other formats are kept.",
        "Only JUnit XML is counted.",
    ),
    Member("artifacts", "What the build leaves."),
    Member(
        "artifacts/files",
        "Required, unless there are `secondary-artifacts`: then there may be no primary artifact."
        " Paths or patterns, relative to `base-directory`. One that matches nothing is"
        " skipped; if none matches, the phase fails.",
        "A path without a wildcard may name a folder: all in it is meant.",
    ),
    Member(
        "artifacts/base-directory",
        "Where `files` and `exclude-paths` start, `.` by default. A pattern may match several"
        " folders. The folder itself is no part of the paths in the artifact.",
        "It must be in a folder of the build: that of a source, `$HOME` or `$TMPDIR`.",
    ),
    Member("artifacts/exclude-paths", "Files to leave out: patterns relative to `base-directory`."),
    Member(
        "artifacts/discard-paths",
        "`yes` puts all files into one folder. Of files with the same name the last one stays, and"
        " the log says so.",
    ),
    Member(
        "artifacts/name",
        "The artifact's name, expanded by the build's shell: `site-$(date +%F)`.",
        "It is shown with the artifact; where that is stored does not depend on it.",
    ),
    Member(
        "artifacts/enable-symlinks",
        "`yes` keeps links that stay in the artifact. Otherwise a link to a file in the source"
        " folder becomes a copy of it, and other links are left out.",
    ),
    Member("artifacts/s3-prefix", "Checked, and not used.", "Artifacts have no prefixes of S3."),
    Member("artifacts/type", "Of version 0.1. Not used, as on AWS."),
    Member("artifacts/secondary-artifacts", "More artifacts, by their identifiers."),
    Member(
        "artifacts/secondary-artifacts/*", "One of them. It has the same members as `artifacts`."
    ),
    Member(
        "cache",
        "What is kept for the next build.",
        "A node keeps one cache for each project whose `cache` is S3 or LOCAL_CUSTOM_CACHE, after "
        "builds that succeed. `hookline build` keeps nothing.",
    ),
    Member(
        "cache/paths",
        "Required. The paths to keep.",
        "Only those in the source and in the home folder, which `/root` stands for, too.",
    ),
    Member("cache/key", "The primary key of the cache.", "Has no effect."),
    Member("cache/fallback-keys", "Up to five keys that are tried after it.", "Have no effect."),
    Member("cache/action", "`restore` or `save`, if not both."),
)


def names(path: str) -> frozenset[str]:
    """The names that a member has below it; those of the whole buildspec for `""`."""
    prefix = f"{path}/" if path else ""
    paths = (member.path for member in MEMBERS if member.path.startswith(prefix))
    return frozenset(found.removeprefix(prefix).partition("/")[0] for found in paths)
