"""Names of images: CodeBuild's curated ones, and what they stand for."""

import re
from collections.abc import Iterable

_CURATED = "aws/codebuild/"
_PUBLISHED = "public.ecr.aws/codebuild/"
"""Where AWS publishes its curated images by the same names."""
# The grammar of distribution/reference: [host[:port]/]path[:tag][@digest]. No option begins so.
_REFERENCE = re.compile(
    r"(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[a-z0-9]+:[0-9a-f]{32,128})?"
)
_LONGEST = 512


def is_curated(name: str) -> bool:
    """Whether CodeBuild itself provides the image."""
    return name.startswith(_CURATED)


def checked(name: str) -> str:
    """`name`, if an image can have it. Raises ValueError."""
    if len(name) > _LONGEST or not _REFERENCE.fullmatch(name):
        raise ValueError(
            f'"{name[:_LONGEST]}" is no name of an image, such as docker.io/library/python:3.13'
        )
    return name


def resolved(name: str, images: Iterable[tuple[str, str]]) -> str:
    """The image that `name` stands for, by the operator's `images` first. Raises ValueError."""
    wanted = dict(images).get(name)
    if wanted is None and is_curated(name):
        wanted = _PUBLISHED + name.removeprefix(_CURATED)
    return checked(wanted or name)
