"""Which model ``service model`` has serve in the place of the settings' own, whether it is whole, and how it went."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from edge_segnet.core.errors import ModelError
from edge_segnet.doctor.context import Context
from edge_segnet.doctor.report import MODEL, Finding, green, grey, red, yellow
from edge_segnet.settings import deployed
from edge_segnet.settings.deployed import Attempt, Journal, Served

CHECK: Final = "deployed"
TOLD: Final = 10
"""Lines of history in the report."""


def check(context: Context) -> Iterator[Finding]:
    """One finding: what serves, or why the settings' own model does."""
    if context.config is None:
        yield grey(CHECK, "not checked: the settings can't be used")
        return
    try:
        journal = deployed.read()
    except ModelError as error:
        yield yellow(CHECK, error.message, error.hint)
        return
    served, facts = journal.deployed, _facts(journal)
    if served is None:
        last = f"; {_ending(journal.attempts[-1])}" if journal.attempts else ""
        yield grey(CHECK, f"none: the settings' own model serves{last}", **facts)
    elif journal.stands_for(context.config.model) is None:
        seen = (
            f"{served.name} stands for {served.instead_of}, but the settings name {context.config.model}, which serves"
        )
        yield yellow(
            CHECK, seen, f"deploy it again: edge-segnet service model {deployed.file_of(served.sha256)}", **facts
        )
    else:
        yield _file(served, journal, facts)


def _file(served: Served, journal: Journal, facts: dict[str, Any]) -> Finding:
    """Of the file that serves; its name is its hash."""
    path = deployed.file_of(served.sha256)
    back = "have the model of before serve: edge-segnet service model --back; then deploy this one again"
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return yellow(CHECK, f"{path} is gone; {served.instead_of} serves", "deploy it again", **facts)
    except OSError as error:
        return yellow(CHECK, f"{path}: {error.strerror}", "ask again with sudo", **facts)
    if found != served.sha256:
        return red(CHECK, MODEL, f"{path}: damaged, its SHA-256 is {found}", back, **facts)
    words = [f"{served.name} ({served.sha256[:12]}) serves in the place of {served.instead_of}: {path}"]
    if journal.before:
        last = journal.before[-1]
        words.append(f"before it {last.name}" + (", the settings' own" if last.own else f" ({last.sha256[:12]})"))
    if journal.under_way is not None:
        words.append(f"{journal.under_way.name} is on trial ({journal.under_way.stage})")
    elif journal.attempts:
        words.append(_ending(journal.attempts[-1]))
    return green(CHECK, "; ".join(words), **facts)


def _ending(attempt: Attempt) -> str:
    return f"{attempt.at}: {attempt.name} {attempt.stage}: {attempt.message}"


def _facts(journal: Journal) -> dict[str, Any]:
    """For programs: identity, card and history."""
    served = journal.deployed
    path = None if served is None else deployed.file_of(served.sha256)
    return {
        "sha256": None if served is None else served.sha256,
        "path": None if path is None else str(path),
        "card": None if path is None else _card(path),
        "before": [asdict(each) for each in journal.before],
        "under_way": None if journal.under_way is None else asdict(journal.under_way),
        "attempts": [asdict(each) for each in journal.attempts[-TOLD:]],
    }


def _card(path: Path) -> dict[str, Any] | None:
    """None where it can't be read: the check of the model says why."""
    from edge_segnet.backends.model import read_guarded

    try:
        card = read_guarded(str(path), None, kind="onnx").card
    except ModelError:
        return None
    told = {"name": card.name, "classes": card.classes.name, "size": list(card.size), "licence": card.licence}
    return {**told, "precision": card.precision, "provenance": dict(card.provenance)}
