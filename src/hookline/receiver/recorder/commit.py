"""The decision trace: why a delivery got its verdict (contract T14)."""

from typing import Any

from hookline.receiver.entries import Entry


def trace_of(entry: Entry) -> dict[str, Any]:
    """The trace as it is recorded, a JSON object."""
    trace: dict[str, Any] = {
        "authentication": entry.authentication,
        "authenticated": entry.authenticated,
        "reason": entry.reason,
        "filters": [
            {
                "jsonPath": seen.json_path,
                "found": seen.found,
                "wanted": seen.wanted,
                "passed": seen.reason is None,
                "reason": seen.reason,
            }
            for seen in entry.filters
        ],
    }
    if entry.triggers:
        trace["triggers"] = [
            {
                "filter": seen.filter,
                "found": seen.found,
                "wanted": seen.wanted,
                "passed": seen.reason is None,
                "reason": seen.reason,
            }
            for seen in entry.triggers
        ]
    return trace
