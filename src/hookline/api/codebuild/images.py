"""ListCuratedEnvironmentImages: the names of AWS's own images, as definitions have them."""

from collections.abc import Mapping
from typing import Any

from hookline.api.sigv4 import Caller

# Source: https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-available.html
CURATED: Mapping[str, Mapping[str, str]] = {
    "AMAZON_LINUX": {
        "aws/codebuild/amazonlinux-x86_64-standard:4.0": "Amazon Linux 2, x86_64",
        "aws/codebuild/amazonlinux-x86_64-standard:5.0": "Amazon Linux 2023, x86_64",
        "aws/codebuild/amazonlinux-aarch64-standard:2.0": "Amazon Linux 2, aarch64",
        "aws/codebuild/amazonlinux-aarch64-standard:3.0": "Amazon Linux 2023, aarch64",
        "aws/codebuild/amazonlinux2-x86_64-standard:4.0": "Amazon Linux 2, x86_64",
        "aws/codebuild/amazonlinux2-x86_64-standard:5.0": "Amazon Linux 2023, x86_64",
        "aws/codebuild/amazonlinux2-aarch64-standard:2.0": "Amazon Linux 2, aarch64",
        "aws/codebuild/amazonlinux2-aarch64-standard:3.0": "Amazon Linux 2023, aarch64",
    },
    "UBUNTU": {
        "aws/codebuild/standard:5.0": "Ubuntu 20.04, x86_64",
        "aws/codebuild/standard:6.0": "Ubuntu 22.04, x86_64",
        "aws/codebuild/standard:7.0": "Ubuntu 22.04, x86_64",
    },
    "WINDOWS_SERVER": {
        "aws/codebuild/windows-base:2019-3.0": "Windows Server Core 2019",
        "aws/codebuild/windows-base:2022-1.0": "Windows Server Core 2022",
    },
}
"""Names of images with what they are, by platform."""


def list_curated_environment_images(
    _caller: Caller, _parameters: Mapping[str, Any]
) -> Mapping[str, Any]:
    """AWS's curated images; their versions are not told apart."""
    return {
        "platforms": [
            {
                "platform": platform,
                "languages": [
                    {
                        "language": "BASE",
                        "images": [
                            {"name": name, "description": description, "versions": [name]}
                            for name, description in images.items()
                        ],
                    }
                ],
            }
            for platform, images in CURATED.items()
        ]
    }
