"""Every command is one file: its options are spelled once, its help is its own, it is imported when it is called."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

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
    """In a group's file each of its commands is; those of ``labels`` have files of their own."""
    found = requests(module)
    assert len(found) == len(import_module(f"{commands.PACKAGE}.{module}").app.registered_commands)
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
    heavy = {"numpy", "cv2", "onnx", "onnxruntime", "pydantic"}
    code = f"""
import sys
from edge_segnet.cli.main import app
app(["--help"], standalone_mode=False)
print(sorted({heavy!r} & sys.modules.keys()), [name for name in sys.modules if name.startswith("edge_segnet.cli.")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[] ['edge_segnet.cli.command', 'edge_segnet.cli.main']"


def test_a_word_that_is_no_command_is_refused() -> None:
    for words in (["sgment"], ["labels", "lnt"]):
        done = edge_segnet(*words)
        assert done.code == 2 and len(done.errors) == 1 and words[-1] in done.errors[0]
