"""The smaller answers of the HTTP API."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from edge_segnet.core.classes import ClassMap
from edge_segnet.core.documents.base import Document
from edge_segnet.core.documents.event import EventDocument

Colour = Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(min_length=3, max_length=3, description="RGB")]


class ClassEntry(Document):
    """One class of the model."""

    id: int
    name: str
    colour: Colour


class VoidEntry(Document):
    """Pixels that belong to no class."""

    id: int
    colour: Colour


class ClassesDocument(Document):
    """The model's class map."""

    name: str
    classes: list[ClassEntry]
    void: VoidEntry


class EventsDocument(Document):
    """What rules noticed, newest first."""

    events: list[EventDocument]


class RegionsDocument(Document):
    """The regions and rules at work, as the settings have them."""

    regions: dict[str, dict[str, Any]]
    rules: list[dict[str, Any]]


class HealthDocument(Document):
    """Whether every loop made progress."""

    healthy: bool


class ReadyDocument(Document):
    """Whether a model runs and every camera has a frame or is known to be missing."""

    ready: bool


class Problem(Document):
    """What went wrong, in one line."""

    error: str


def classes_document(classes: ClassMap) -> ClassesDocument:
    """The names and colours behind the ids."""
    rows = zip(classes.names, classes.colours, strict=True)
    return ClassesDocument(
        name=classes.name,
        classes=[ClassEntry(id=index, name=name, colour=list(rgb)) for index, (name, rgb) in enumerate(rows)],
        void=VoidEntry(id=classes.void, colour=list(classes.void_colour)),
    )
