"""The Grafana dashboard asks for metrics and labels that there are, in PromQL that parses."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.types import Flicker, FreeSpace, Region, View
from edge_segnet.settings.regions import RegionConfig, RuleConfig
from tests.support.recordings import event_now
from tests.support.service import StreetService, drive, serving
from tests.support.waiting import wait_until

DASHBOARD = json.loads((Path(__file__).parents[2] / "docs" / "grafana-dashboard.json").read_text(encoding="utf-8"))
PROMETHEUS = {"instance", "job", "le"}
"""Labels that the scrape adds, and a bucket's bound."""


def targets() -> Iterator[tuple[str, dict[str, Any]]]:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target


@pytest.fixture(scope="module")
def metrics() -> dict[str, set[str]]:
    """Sample name -> its labels, of a service that has everything."""
    service = StreetService()
    ahead = RegionConfig(polygon=[[0.3, 0.9], [0.7, 0.9], [0.5, 0.5]])
    lost = RuleConfig.model_validate({"name": "lost", "region": "ahead", "class": "Road", "below": 0.4})
    service.view = View(CAMVID_11, regions={"ahead": ahead}, rules=[lost])
    (result,) = drive(1)
    free = FreeSpace((9, 4), (12.5, 3.5), (-4.0, 4.0))
    region = Region(result.segmentation.counts, np.full(12, 0.5), free)
    rich = dataclasses.replace(result, regions={"ahead": region}, alarms=("lost",), flicker=Flicker(0.01, 0.002))
    service.events.append(event_now())
    with serving(service) as sink:
        service.publish(rich)
        wait_until(lambda: service.events.newest(1))
        text = httpx.get(f"{sink.url}/metrics", timeout=20).text
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_every_query_asks_for_what_there_is(metrics: dict[str, set[str]]) -> None:
    asked: set[str] = set()
    for title, target in targets():
        expression = target["expr"].replace("$__rate_interval", "1m")
        promql_parser.parse(expression)
        names = set(re.findall(r"\bedge_segnet_\w+", expression))
        assert names and names <= metrics.keys(), (title, names - metrics.keys())
        known = set.intersection(*(metrics[name] for name in names)) | PROMETHEUS
        groups = [part.split(",") for part in re.findall(r"\bby \(([^)]*)\)", expression)]
        matched = re.findall(r'[{,]\s*(\w+)\s*(?:=~|!~|!=|=)\s*"', expression)
        shown = re.findall(r"\{\{\s*(\w+)\s*\}\}", target["legendFormat"])
        used = {label.strip() for label in (*matched, *shown, *(label for group in groups for label in group))}
        assert used <= known, (title, used - known)
        robots = {"instance"} if target["legendFormat"] else set()
        assert robots <= set(shown) and all("instance" in {label.strip() for label in group} for group in groups), (
            f"{title}: robots are mixed up"
        )
        if groups:
            assert set(shown) <= {label.strip() for label in groups[0]}, title
        asked |= names
    assert len(asked) >= 20


def test_the_dashboards_own_rules() -> None:
    identities = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(identities)) == len(identities)
    squares: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        columns, rows = (range(place[at], place[at] + place[size]) for at, size in (("x", "w"), ("y", "h")))
        own = set(product(columns, rows))
        assert not own & squares, panel["title"]
        squares |= own
        references = [target["refId"] for target in panel.get("targets", [])]
        assert len(set(references)) == len(references)
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w+)", json.dumps(DASHBOARD))) - {"__rate_interval", "__all"}
    assert used == variables.keys()


def test_its_variables_find_values(metrics: dict[str, set[str]]) -> None:
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] != "query":
            continue
        match = re.fullmatch(r"label_values\((edge_segnet_\w+)(?:\{.*\})?, (\w+)\)", variable["query"]["query"])
        assert match is not None and match[1] in metrics
        assert match[2] in metrics[match[1]] | PROMETHEUS


RULES = Path(__file__).parents[2] / "docs" / "prometheus-rules.yml"


def test_alerts_ask_for_what_there_is(metrics: dict[str, set[str]]) -> None:
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]:
        promql_parser.parse(rule["expr"])
        names = set(re.findall(r"\bedge_segnet_\w+", rule["expr"]))
        assert names <= metrics.keys(), rule["alert"]
        matched = set(re.findall(r"[{,]\s*(\w+)\s*=~?\s*\"", rule["expr"]))
        shown = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        known = set().union(*(metrics[name] for name in names)) | PROMETHEUS
        assert matched | shown <= known and "instance" in shown, rule["alert"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (package prometheus) is not installed")
def test_prometheus_takes_the_alerts() -> None:
    done = subprocess.run(["promtool", "check", "rules", str(RULES)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "5 rules found" in done.stdout, done.stdout + done.stderr
