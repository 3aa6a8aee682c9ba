"""Text from outside, safe to show on a terminal."""


def printable(text: str) -> str:
    """`text` with what is not printable shown as its code."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
