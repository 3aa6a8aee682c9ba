"""How much of a machine a build may use: CodeBuild's compute types."""

from dataclasses import dataclass

_GB = 1024**3


@dataclass(frozen=True, slots=True)
class Compute:
    """Bounds of all processes of a build together: `memory` in bytes, and how many `cpus`."""

    memory: int
    cpus: int


COMPUTE_TYPES = {
    "BUILD_GENERAL1_SMALL": Compute(3 * _GB, 2),
    "BUILD_GENERAL1_MEDIUM": Compute(7 * _GB, 4),
    "BUILD_GENERAL1_LARGE": Compute(15 * _GB, 8),
    "BUILD_GENERAL1_XLARGE": Compute(70 * _GB, 36),
    "BUILD_GENERAL1_2XLARGE": Compute(145 * _GB, 72),
}
"""Those of Linux on EC2 (CodeBuild User Guide, "Build environment compute modes and types")."""
