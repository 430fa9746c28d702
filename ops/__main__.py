"""The commands of ``python -m ops``. Owns: which there are. Does not own: what they do (one module each)."""

import sys
from collections.abc import Iterable
from importlib import import_module

import typer

MODULES = {
    "init": "ops.init.command",
    "lock": "ops.lock",
    "mirror": "ops.mirror.command",
    "preflight": "ops.preflight",
    "status": "ops.status",
    "report": "ops.report.command",
    "verify": "ops.verify",
    "backup": "ops.backup",
    "restore": "ops.restore",
    "adopt": "ops.adopt.command",
    "harbor-probe": "ops.harbor_probe",
    "concerned-stacks": "ops.concerned_stacks",
    "summarize-preview": "ops.summarize_preview",
    "promote": "ops.promote",
}


def commands(names: Iterable[str] = tuple(MODULES)) -> typer.Typer:
    """The command line with these commands; their modules are loaded here."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)
    app.callback()(evenkeel)
    for name in names:
        app.command(name)(import_module(MODULES[name]).command)
    return app


def evenkeel() -> None:
    """Commands for whoever runs Evenkeel."""


if __name__ == "__main__":
    # Whoever names a command waits for its own module alone.
    named = [name for name in sys.argv[1:2] if name in MODULES]
    commands(named or MODULES)(prog_name="python -m ops")
