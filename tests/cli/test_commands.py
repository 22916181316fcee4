"""Every command is one file: its options are spelled once, its help is its own, it is imported when it is called."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import subprocess
import sys
from collections import Counter
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from edge_segnet.cli import command as commands
from edge_segnet.cli import main
from tests.support.command import edge_segnet

FOLDER = Path(main.__file__).parent
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if "\napp = " in path.read_text(encoding="utf-8"))
"""The commands' files; others are what they share."""
GROUPS = {"config", "dataset", "labels", "service"}


def requests(module: str) -> list[type[Any]]:
    found = inspect.getmembers(import_module(f"{commands.PACKAGE}.{module}"), inspect.isclass)
    own = [kind for _, kind in found if kind.__module__.endswith(f".{module}") and dataclasses.is_dataclass(kind)]
    return [kind for kind in own if hasattr(kind, "run")]


@pytest.mark.parametrize("module", [module for module in MODULES if module not in ("main", "labels")])
def test_a_command_is_one_frozen_request(module: str) -> None:
    """In a group's file each of its commands is, but those that it only announces: they have files of their own."""
    found = requests(module)
    registered = import_module(f"{commands.PACKAGE}.{module}").app.registered_commands
    assert len(found) == sum(not hasattr(each.callback, "module") for each in registered)
    assert len(found) == 1 or module in GROUPS
    for request in found:
        assert request.__dataclass_params__.frozen and inspect.getdoc(request)


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_has_help(name: str) -> None:
    module, about = main.COMMANDS[name]
    assert module in MODULES and about.endswith(".")
    done = edge_segnet(name, "--help")
    assert done.code == 0 and f"Usage: edge-segnet {name}" in done.out
    assert "--install-completion" not in done.out


def test_the_list_of_commands_imports_none_of_them() -> None:
    code = """
import sys
from edge_segnet.cli.main import app
app(["--help"], standalone_mode=False)
print([name for name in sys.modules if name.startswith("edge_segnet.cli.")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    own = ("declarations", "command", "main")
    assert done.stdout.splitlines()[-1] == str([f"edge_segnet.cli.{name}" for name in own])


HELPS = """
import contextlib, io, json, sys
from edge_segnet.cli.main import app
import edge_segnet.core.files  # whatever is there already stays as it is
before = {name for name in sys.modules if name.startswith("edge_segnet")}
told = {}
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        app([*words.split(), "--help"], prog_name="edge-segnet", standalone_mode=False)
    heavy = {"numpy", "cv2", "onnx", "onnxruntime", "yaml", "av", "edge_segnet.sinks.registry"} & sys.modules.keys()
    left = {name for name in sys.modules if name.startswith("edge_segnet")} - before
    told[words] = printed.getvalue(), sorted(heavy | left)
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def helps() -> dict[str, tuple[str, list[str]]]:
    """What ``... --help`` prints, and which modules it leaves behind that it shouldn't, for every command there is."""
    words = []
    for name, (module, _) in main.COMMANDS.items():
        group = get_command(import_module(f"{commands.PACKAGE}.{module}").app)
        words += [name, *(f"{name} {under}" for under in getattr(group, "commands", {}))]
    run = [sys.executable, "-c", HELPS, json.dumps(words)]
    found: dict[str, tuple[str, list[str]]] = json.loads(subprocess.check_output(run, text=True))
    assert len(found) > 25
    return found


def test_no_commands_help_loads_anything_heavy(helps: dict[str, tuple[str, list[str]]]) -> None:
    assert {words: heavy for words, (_, heavy) in helps.items() if heavy} == {}


def test_a_help_from_declarations_is_the_whole_help(
    helps: dict[str, tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "declarations_only", nullcontext)
    for words, (told, _) in helps.items():
        whole = edge_segnet(*words.split(), "--help").out
        assert told.split() == whole.split(), words


def test_help_as_the_value_of_an_option_runs_the_command() -> None:
    done = edge_segnet("labels", "lint", "/nowhere", "--classes", "--help")
    assert done.code == 2 and "--help: no such class map" in done.errors[0], done.errors


def test_no_option_is_spelled_twice() -> None:
    """What two commands share stands in ``cli/options.py``."""
    spelled = Counter(
        ast.unparse(field.annotation)
        for path in FOLDER.glob("*.py")
        for kind in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(kind, ast.ClassDef)
        for field in kind.body
        if isinstance(field, ast.AnnAssign) and "help=" in ast.unparse(field.annotation)
    )
    assert len(spelled) > 100 and [option for option, times in spelled.items() if times > 1] == []


def test_a_word_that_is_no_command_is_refused() -> None:
    for words in (["sgment"], ["labels", "lnt"]):
        done = edge_segnet(*words)
        assert done.code == 2 and len(done.errors) == 1 and words[-1] in done.errors[0]
