"""Every JSON that leaves the service: one typed model each, from which what is sent, its JSON schema and OpenAPI come.

Result, Event, the service's state ─► ResultDocument, EventDocument, StatusDocument ─► HTTP · MQTT · MCAP · --json
"""

from edge_segnet.core.documents.base import SCHEMA, Document, DroppedDocument, utc
from edge_segnet.core.documents.event import EventDocument
from edge_segnet.core.documents.result import ResultDocument, class_documents, result_document
from edge_segnet.core.documents.status import (
    AgeDocument,
    BoardDocument,
    CameraDocument,
    DeploymentDocument,
    DeploymentStage,
    LogDocument,
    ReloadDocument,
    SinkDocument,
    StatusDocument,
)

__all__ = [
    "SCHEMA",
    "AgeDocument",
    "BoardDocument",
    "CameraDocument",
    "DeploymentDocument",
    "DeploymentStage",
    "Document",
    "DroppedDocument",
    "EventDocument",
    "LogDocument",
    "ReloadDocument",
    "ResultDocument",
    "SinkDocument",
    "StatusDocument",
    "class_documents",
    "result_document",
    "utc",
]
