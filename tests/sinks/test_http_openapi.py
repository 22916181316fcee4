"""The API's description is true: every path in it is asked, and every answer is compared with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from edge_segnet.core.documents.api import Problem
from edge_segnet.sinks.http import assets
from edge_segnet.sinks.http.openapi import shown_path
from edge_segnet.sinks.http.operations import OPERATIONS, Operation
from tests.scene.test_events import event_of
from tests.support.service import StreetService, drive, serving
from tests.support.waiting import wait_until

TOKEN = "correct-horse-battery"
SNAPSHOT: list[str] = []


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("secrets") / "token"
    path.write_text(TOKEN)
    path.chmod(0o600)
    service = StreetService("front")
    with serving(service, auth={"token_file": path}) as sink:
        service.publish(drive(1)[0])
        service.events.append(event_of(0), lambda: b"jpeg")
        wait_until(lambda: service.events.newest())
        SNAPSHOT[:] = [str(service.events.newest()[0].snapshot)]
        yield sink.url


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20.0) as client:
        yield client


def concrete(operation: Operation) -> str:
    return shown_path(operation).replace("{name}", "dashboard.css").replace("{snapshot}", SNAPSHOT[0])


def ask(client: httpx.Client, operation: Operation, query: str = "") -> tuple[int, httpx.Headers, bytes]:
    """Status, headers and body; of a stream only the beginning."""
    with client.stream(operation.method.upper(), concrete(operation) + query) as answer:
        endless = operation.limit is not None and answer.status_code == 200
        body = next(answer.iter_raw()) if endless else answer.read()
        return answer.status_code, answer.headers, body


def name_of(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
def test_every_operation_answers_as_described(client: httpx.Client, operation: Operation) -> None:
    described = client.get("/api/openapi.json").json()["paths"][shown_path(operation)][operation.method]["responses"]
    status, headers, body = ask(client, operation)
    assert str(status) in described
    assert status == (303 if operation.media_type is None else 200)
    if operation.media_type is not None:
        assert headers["content-type"].partition(";")[0] == next(iter(described["200"]["content"]))
        assert set(described["200"].get("headers", {})) <= {name.title() for name in headers}
    if operation.document is not None:
        made = operation.document.model_validate_json(body)
        assert made.to_dict() == json.loads(body), "an answer has keys that nobody described"
    if operation.camera:
        status, _, body = ask(client, operation, "?camera=nobody")
        assert status == 404 and "404" in described
        Problem.model_validate_json(body)
    if operation.count is not None:
        assert ask(client, operation, f"?{operation.count.name}=0")[0] == 400
        assert ask(client, operation, f"?{operation.count.name}=1")[0] == 200
    if operation.limit is not None:
        assert ask(client, operation, f"?{operation.limit}=0")[0] == 400
        assert "400" in described


@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
def test_what_needs_a_token_says_so(url: str, operation: Operation) -> None:
    with httpx.Client(base_url=url, timeout=20.0) as client:
        status, _, _ = ask(client, operation)
    assert (status == 401) == (not operation.open)


def test_every_reference_leads_somewhere(client: httpx.Client) -> None:
    text = client.get("/api/openapi.json").text
    schemas = client.get("/api/openapi.json").json()["components"]["schemas"]
    wanted = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert wanted and wanted <= set(schemas)


def test_the_page_lists_every_path() -> None:
    page = (Path(__file__).parents[2] / "docs/http.md").read_text()
    assert [path for operation in OPERATIONS if f"`{(path := shown_path(operation))}`" not in page] == []


def test_files_of_the_dashboard_are_packaged() -> None:
    assert {"index.html", "login.html", "dashboard.css"} <= set(assets.load())
