"""How a command is declared, and how the program finds it.

A command is one file: a frozen dataclass whose fields are its arguments and options, spelled once, whose docstring is
its help, and whose ``run`` does it. ``app = program("name", Request)`` ends the file. The program imports it when it is
called; until then it knows the command's name and one line about it (``main.COMMANDS``).
"""

from __future__ import annotations

import inspect
from contextlib import nullcontext
from importlib import import_module
from typing import Any, Final, Protocol, get_type_hints

import typer
from typer.core import TyperGroup
from typer.main import get_command

from edge_segnet.cli.declarations import declarations_only

PACKAGE: Final = "edge_segnet.cli"
HELP: Final = "--help"


class Request(Protocol):
    """What a command line asks for."""

    def run(self) -> int | None:
        """Do it; an exit code, None being 0."""
        ...


def program(name: str, request: type[Request], **settings: Any) -> typer.Typer:
    """A program of one command."""
    app = typer.Typer(add_completion=False)
    add(app, name, request, **settings)
    return app


def add(app: typer.Typer, name: str, request: type[Request], **settings: Any) -> None:
    """One more command of a group; ``settings`` are typer's own, such as ``hidden``."""

    def call(**values: Any) -> int | None:
        # From its module as it is now: the class at hand may be one of ``declarations_only``, which can't be run.
        whole: type[Request] = getattr(import_module(request.__module__), request.__name__)
        return whole(**values).run()

    # Typer reads a function's signature, types and documentation: it gets those of the dataclass.
    hints = get_type_hints(request, include_extras=True)
    signature = inspect.signature(request)
    fields = [field.replace(annotation=hints[name]) for name, field in signature.parameters.items()]
    call.__signature__ = signature.replace(parameters=fields)  # type: ignore[attr-defined]
    call.__annotations__ = hints
    call.__doc__ = inspect.getdoc(request)
    app.command(name, **settings)(call)


def group(about: str, **settings: Any) -> typer.Typer:
    """A program of several commands; called alone, it prints its help."""
    app = typer.Typer(add_completion=False, **settings)

    @app.callback(invoke_without_command=True, help=about)
    def alone(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())

    return app


class LazyGroup(TyperGroup):
    """Lists commands by what ``announce`` said of them, and imports the module of the one that is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """(name, command, the rest of the arguments)."""
        name, announced, rest = super().resolve_command(ctx, args)
        module = getattr(getattr(announced, "callback", None), "module", None)
        if name is None or module is None:
            return name, announced, rest
        with declarations_only() if HELP in args else nullcontext():
            command = get_command(import_module(f"{PACKAGE}.{module}").app)
        command.name = name
        return name, command, rest


def announce(app: typer.Typer, name: str, module: str, about: str) -> None:
    """A command that is in ``module`` of this room; ``about`` is its line in the program's help."""

    def stub() -> None:
        raise AssertionError(f"{name} was not loaded")

    stub.module = module  # type: ignore[attr-defined]
    app.command(name, help=about)(stub)
