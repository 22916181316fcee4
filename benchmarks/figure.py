"""One measured number and the bound that it has to keep."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal


class Missing(Exception):
    """Why a part can't be measured on this machine: a program, a library or a device that is not here."""


@dataclass(frozen=True)
class Figure:
    """``sign`` says on which side of ``bound`` the value has to lie."""

    name: str
    value: float
    unit: str
    bound: float | None = None
    sign: Literal["<=", ">="] = "<="

    @property
    def met(self) -> bool:
        if self.bound is None:
            return True
        return self.value <= self.bound if self.sign == "<=" else self.value >= self.bound

    def to_document(self) -> dict[str, Any]:
        return {**asdict(self), "met": self.met}
