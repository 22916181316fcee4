"""A command's file as far as its help needs it: its options, without what it works with.

A help is options, defaults and documentation; NumPy, OpenCV and onnx, which the work behind them needs, take two thirds
of a second on a small board. So while a help is made, a module of ours is loaded without the imports that only bodies
of functions use. What was loaded so is forgotten again: nothing can be run with it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType
from typing import Any, Final

OURS: Final = "edge_segnet."


@contextmanager
def declarations_only() -> Iterator[None]:
    """Modules of ours that are imported meanwhile are loaded for their declarations, and are gone afterwards."""
    before = set(sys.modules)
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.startswith(OURS) and name not in before]:
            del sys.modules[name]
            parent, _, own = name.rpartition(".")
            if parent in sys.modules:
                vars(sys.modules[parent]).pop(own, None)


class _Finder(MetaPathFinder):
    def find_spec(self, fullname: str, path: Any, _target: Any = None) -> ModuleSpec | None:
        """Of a module of ours that is a file; None: somebody else's."""
        spec = PathFinder.find_spec(fullname, path) if fullname.startswith(OURS) else None
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        spec.loader = _Loader(fullname, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        """Never from a cache, and never for one."""
        path = self.get_filename(fullname)
        tree = ast.parse(self.get_data(path), path)
        needed = frozenset(_names(tree.body))
        tree.body = [kept for statement in tree.body if (kept := _needed(statement, needed)) is not None]
        return compile(tree, path, "exec", dont_inherit=True)


def _needed(statement: ast.stmt, names: frozenset[str]) -> ast.stmt | None:
    """An import of those names alone; None of none of them. Any other statement is kept."""
    if not isinstance(statement, ast.Import | ast.ImportFrom) or getattr(statement, "module", "") == "__future__":
        return statement
    statement.names = [each for each in statement.names if (each.asname or each.name).partition(".")[0] in names]
    return statement if statement.names else None


def _names(body: list[ast.stmt]) -> Iterator[str]:
    """Names that are read when a module is imported, and when its classes' fields are asked for their types."""
    for statement in body:
        made_now: list[ast.AST]
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            made_now = [*statement.decorator_list, *statement.args.defaults, *filter(None, statement.args.kw_defaults)]
        elif isinstance(statement, ast.ClassDef):
            made_now = [*statement.decorator_list, *statement.bases, *(word.value for word in statement.keywords)]
            yield from _names(statement.body)
        else:
            made_now = [] if isinstance(statement, ast.Import | ast.ImportFrom) else [statement]
        for made in made_now:
            names = (node for node in ast.walk(made) if isinstance(node, ast.Name))
            yield from (name.id for name in names if isinstance(name.ctx, ast.Load))
