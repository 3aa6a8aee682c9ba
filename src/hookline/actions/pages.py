"""The pages of a git repository that people look at: their form depends on the host's software."""

from urllib.parse import quote, urlsplit

_GITHUB = ("tree", "commit")
_FORMS = {
    "bitbucket": ("branch", "commits"),
    "codeberg": ("src/branch", "commit"),
    "forgejo": ("src/branch", "commit"),
    "gitea": ("src/branch", "commit"),
    "gitlab": ("-/tree", "-/commit"),
}
"""What leads to a branch and to a commit, by a word in the host's name; GitHub's for all others."""


def branch_page(repository: str, branch: str) -> str | None:
    """The page of a branch; None where the address of the repository leads to no pages."""
    return _page(repository, 0, branch)


def commit_page(repository: str, commit: str) -> str | None:
    """The page of a commit; None in the same case."""
    return _page(repository, 1, commit)


def _page(repository: str, kind: int, name: str) -> str | None:
    address = urlsplit(repository)
    if address.scheme not in {"http", "https"}:
        return None
    # What may stand before the host opens the repository: it is not for everybody.
    host = address.netloc.rpartition("@")[2]
    forms = (form for word, form in _FORMS.items() if word in host)
    path = f"{address.path.rstrip('/')}/{next(forms, _GITHUB)[kind]}/{quote(name)}"
    return f"{address.scheme}://{host}{path}"
