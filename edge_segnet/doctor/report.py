"""What a check found, and what all findings together mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from edge_segnet.core.extras import here
from edge_segnet.core.uris import without_credentials

Status = Literal["grey", "green", "yellow", "red"]
WORST_FIRST: Final[tuple[Status, ...]] = ("red", "yellow", "green", "grey")
SETTINGS, MODEL, OUTSIDE, BUDGET = 2, 3, 4, 7
"""The exit codes of ``errors.py`` that a red finding has: what ``run`` ends with, or would, for that reason."""


@dataclass(frozen=True)
class Finding:
    """One line of the report. ``check`` is stable, for programs; ``subject`` says which one of several, a camera's
    name say. Grey: there is nothing to check here. ``exit_code`` is of red ones only. No text shows credentials.
    """

    check: str
    status: Status
    seen: str
    remedy: str = ""
    subject: str = ""
    exit_code: int = 0
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("seen", "remedy", "subject"):
            plain = without_credentials(here(getattr(self, name)))
            # Cameras, brokers and logs may send line breaks and terminal codes.
            plain = "".join(letter if letter.isprintable() else " " for letter in plain)
            object.__setattr__(self, name, " ".join(plain.split()))

    @property
    def title(self) -> str:
        return f"{self.check} {self.subject}".rstrip()


def green(check: str, seen: str, subject: str = "", **facts: Any) -> Finding:
    return Finding(check, "green", seen, subject=subject, facts=facts)


def grey(check: str, seen: str, subject: str = "", **facts: Any) -> Finding:
    return Finding(check, "grey", seen, subject=subject, facts=facts)


def yellow(check: str, seen: str, remedy: str, subject: str = "", **facts: Any) -> Finding:
    return Finding(check, "yellow", seen, remedy, subject, facts=facts)


def red(check: str, code: int, seen: str, remedy: str, subject: str = "", **facts: Any) -> Finding:
    return Finding(check, "red", seen, remedy, subject, code, facts)


@dataclass(frozen=True)
class Report:
    """All findings, in the order of the checks."""

    findings: Sequence[Finding]
    version: str
    config: str | None
    seconds: float

    @property
    def worst(self) -> Status:
        found = {finding.status for finding in self.findings}
        return next((status for status in WORST_FIRST if status in found), "grey")

    @property
    def exit_code(self) -> int:
        """0 without a red finding; otherwise the smallest of their codes: settings are read before the model is, and
        the model before a camera.
        """
        return min((finding.exit_code for finding in self.findings if finding.status == "red"), default=0)

    def count(self, status: Status) -> int:
        return sum(finding.status == status for finding in self.findings)

    def to_document(self) -> dict[str, Any]:
        """The form of ``--json``; docs/service.md describes it."""
        return {
            "version": 1,
            "edge_segnet": self.version,
            "status": self.worst,
            "exit_code": self.exit_code,
            "config": self.config,
            "seconds": round(self.seconds, 2),
            "counts": {status: self.count(status) for status in WORST_FIRST},
            "checks": [asdict(finding) for finding in self.findings],
        }
