"""Filters that are valid and yet hardly mean what their author means (contract T5, T6)."""

import re
from collections.abc import Mapping

from hookline.model import PLACEHOLDER, Filter

_SIGNS = (
    (re.compile(r"\.[*+]"), ".* or .+"),
    (re.compile(r"(?<!\.)\*"), "*"),
    (re.compile(r"\?"), "?"),
    (re.compile(r"\[[^\]]+\]"), "[…]"),
    (re.compile(r"\|"), "|"),
    (re.compile(r"^\^|\$$"), "^ or $"),
    (re.compile(r"\\"), "a backslash"),
)
_TYPOS = {
    "refs/head/": "refs/heads/",
    "refs/tag/": "refs/tags/",
    "ref/heads/": "refs/heads/",
    "ref/tags/": "refs/tags/",
}


def literal_warnings(rule: Filter) -> list[str]:
    """What of `matchEquals` looks like a pattern, or like a git reference misspelt, in sentences.

    Such a value is compared as it is, character by character, so it hardly ever matches.
    """
    wanted = rule.match_equals or ""
    signs = [sign for pattern, sign in _SIGNS if pattern.search(wanted)]
    warnings = [f"{wanted} contains {', '.join(signs)} but is compared literally"] if signs else []
    for typo, meant in _TYPOS.items():
        if wanted.startswith(typo):
            warnings.append(f"{wanted} begins with {typo}, but git's references with {meant}")
    return warnings


def unknown_keys(rule: Filter, configuration: Mapping[str, str]) -> list[str]:
    """Which `{Key}` of `matchEquals` stay as they are written, in sentences."""
    known = ", ".join(sorted(configuration)) or "nothing"
    return [
        f"{{{key}}} stays as it is written: the target action's configuration has {known}"
        for key in PLACEHOLDER.findall(rule.match_equals or "")
        if key not in configuration
    ]
