"""``python -m tools.tensorrt_names``: are the names that we call in the real bindings of TensorRT, oldest and newest?

The bindings are wheels without TensorRT's own libraries. Empty ones stand in for those, so that the modules can be
imported and looked at (Linux x86-64, a C compiler). A name counts as ours where our code takes it from an object and
one of both versions has it.
"""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

WHEELS: Final = {"10.3": "tensorrt-cu12-bindings==10.3.0", "newest": "tensorrt-cu13-bindings"}
SOURCES: Final = ("engine/library.py", "engine/plan.py", "engine/network.py", "backends/trial.py")
ONLY_RTX: Final = frozenset(
    (
        *("compute_capabilities", "num_compute_capabilities", "set_compute_capability", "ComputeCapability"),
        *("CudaGraphStrategy", "WHOLE_GRAPH_CAPTURE", "cuda_graph_strategy"),
        *("create_runtime_config", "create_runtime_cache", "set_runtime_cache", "deserialize"),
        "set_execution_context_allocation_strategy",
    )
)
"""Of TensorRT-RTX: called where the flavour is that one."""
LOOK: Final = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("tensorrt", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
kinds = [kind for kind in vars(module).values() if isinstance(kind, type)]
print(json.dumps(sorted({name for kind in (module, *kinds) for name in dir(kind)})))
"""


class Unavailable(Exception):
    """The bindings can't be had or looked at here."""


def used() -> set[str]:
    """Every attribute that our TensorRT code takes from anything."""
    package = Path(__file__).parents[1] / "edge_segnet"
    trees = [ast.parse((package / name).read_text(encoding="utf-8")) for name in SOURCES]
    return {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def names_of(wheel: str, folder: Path) -> set[str]:
    """All names of the bindings' module and of its classes; raises Unavailable."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    done = subprocess.run([*command, "--target", str(folder), wheel], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{wheel} can't be installed ({(done.stderr.strip().splitlines() or ['?'])[-1]})")
    (module,) = folder.glob("tensorrt_bindings/tensorrt*.so")
    _stand_in(module, folder)
    environment = {"LD_LIBRARY_PATH": str(folder)}
    looked = subprocess.run(
        [sys.executable, "-I", "-c", LOOK, str(module)], env=environment, capture_output=True, text=True, check=False
    )
    if looked.returncode:
        raise Unavailable(f"{wheel} can't be imported ({looked.stderr.strip().splitlines()[-1]})")
    return set(json.loads(looked.stdout))


def _stand_in(module: Path, folder: Path) -> None:
    """The libraries that it wants, with the functions that it calls; nothing of them works."""
    if missing := [name for name in ("gcc", "nm", "readelf") if shutil.which(name) is None]:
        raise Unavailable(f"{missing[0]} is not installed")
    wanted = [line.split("[")[1].split("]")[0] for line in _said("readelf", "-d", module) if "NEEDED" in line]
    symbols = [line.split()[-1] for line in _said("nm", "-D", "--undefined-only", module) if " U " in line]
    ours = [name for name in symbols if name.startswith(("create", "get", "init")) and name.isidentifier()]
    source = folder / "functions.c"
    source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in ours), encoding="ascii")
    for name in (name for name in wanted if name.startswith("libnv")):
        command = ["gcc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", str(folder / name), str(source)]
        subprocess.run(command, check=True)


def _said(*command: str | Path) -> list[str]:
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout.splitlines()


def missing_names(found: dict[str, set[str]]) -> dict[str, list[str]]:
    """By version: our names that another version has, and this one has not."""
    anywhere = set().union(*found.values())
    ours = (used() & anywhere) - ONLY_RTX
    return {version: sorted(ours - names) for version, names in found.items()}


def main() -> int:
    """Exit code 1 where a name is gone."""
    found: dict[str, set[str]] = {}
    for version, wheel in WHEELS.items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                found[version] = names_of(wheel, Path(folder))
            except Unavailable as error:
                print(f"{version}: not looked at, {error}", file=sys.stderr)  # noqa: T201
    gone = missing_names(found) if found else {}
    for version, names in gone.items():
        print(f"TensorRT {version}: {'gone: ' + ', '.join(names) if names else 'all names are there'}")  # noqa: T201
    return 1 if any(gone.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
