import pytest

from hookline.runners.images import resolved


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("python:3.13", "python:3.13"),
        ("docker.io/library/python:3.13-slim", "docker.io/library/python:3.13-slim"),
        ("localhost:5000/team/build__tools", "localhost:5000/team/build__tools"),
        (f"ghcr.io/a/b@sha256:{64 * '0'}", f"ghcr.io/a/b@sha256:{64 * '0'}"),
        ("aws/codebuild/standard:7.0", "public.ecr.aws/codebuild/standard:7.0"),
        ("aws/codebuild/standard:6.0", "localhost/standard:6"),
        ("mine", "ghcr.io/team/mine:1"),
    ],
)
def test_a_name_stands_for_an_image(name: str, image: str) -> None:
    images = (
        ("aws/codebuild/standard:6.0", "localhost/standard:6"),
        ("mine", "ghcr.io/team/mine:1"),
    )

    assert resolved(name, images) == image


@pytest.mark.parametrize(
    "name",
    [
        *("--privileged", "-v/:/host", "", "a b", "a\nb", "a$(id)", "UPPER", "a:"),
        *("oci:/etc", "docker-archive:/tmp/x.tar", "dir:/srv", "aws/codebuild/ --privileged"),
        600 * "a",
    ],
)
def test_what_is_no_name_of_an_image_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no name of an image"):
        resolved(name, ())
