"""What all sections of the settings file are made of."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from edge_segnet.core.errors import Key


class Wrong(ValueError):
    """What a validator finds wrong with a value, and what would be right; ``key``: which value inside a section."""

    def __init__(self, what: str, hint: str = "", key: Key = ()) -> None:
        super().__init__(what)
        self.hint, self.key = hint, key


def _name(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", text, re.ASCII) is None:
        raise Wrong(f"{text!r} is no name", "use up to 32 letters, digits, - and _")
    return text


Name = Annotated[str, AfterValidator(_name)]
"""Of a camera, a region or a rule: stands in addresses, topics and metrics."""


def _path(value: object) -> object:
    return Path(value) if isinstance(value, str) and value else value


FilePath = Annotated[Path, BeforeValidator(_path)]
Seconds = Annotated[float, Field(gt=0.0, le=3600.0)]
Rate = Annotated[float, Field(gt=0.0, le=1000.0)]
"""Per second."""
Quality = Annotated[int, Field(ge=1, le=100)]
"""Of JPEG."""
Megabytes = Annotated[int, Field(ge=1, le=100_000_000)]
Picture = Literal["camera", "mask", "overlay"]


class Section(BaseModel):
    """A mapping in the file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    def to_dict(self) -> dict[str, Any]:
        """As it stands in the file, with what was left out; JSON-ready."""
        return self.model_dump(mode="json", by_alias=True)


class TokenFile(Section):
    """A secret of at least 16 characters in a file."""

    token_file: FilePath


class TokenCredential(Section):
    """A secret that systemd hands over (``LoadCredential=NAME:PATH``)."""

    token_credential: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=64)]


Auth = Literal["none"] | TokenFile | TokenCredential


class Tls(Section):
    """PEM files."""

    certificate: FilePath
    key: FilePath
