"""How a step of the receiving path ends it."""

from hookline.model import Verdict


class Refused(Exception):  # noqa: N818 - a verdict, not an error
    """The delivery ends with `verdict`; `detail` says more than its reason, to its owner only."""

    def __init__(self, verdict: Verdict, detail: str | None = None) -> None:
        super().__init__(verdict.name)
        self.verdict = verdict
        self.detail = detail or verdict.reason
