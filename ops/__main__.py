"""The commands of ``python -m ops``. Owns: which there are. Does not own: what they do (one module each)."""

from importlib import import_module

import typer
from typer.core import TyperCommand, TyperGroup

MODULES = {
    "init": "ops.init.command",
    "lock": "ops.lock",
    "mirror": "ops.mirror.command",
    "preflight": "ops.preflight",
    "status": "ops.status",
    "report": "ops.report.command",
    "verify": "ops.verify",
    "adopt": "ops.adopt.command",
    "harbor-probe": "ops.harbor_probe",
    "concerned-stacks": "ops.concerned_stacks",
    "summarize-preview": "ops.summarize_preview",
    "promote": "ops.promote",
}


class Commands(TyperGroup):
    """Loads the module of the command that is asked for: all of them take half a second, and ``status`` is in haste."""

    def list_commands(self, ctx: object) -> list[str]:
        return list(MODULES)

    def get_command(self, ctx: object, cmd_name: str) -> TyperCommand | None:
        if cmd_name not in MODULES:
            return None
        alone = typer.Typer(add_completion=False)
        alone.command(cmd_name)(import_module(MODULES[cmd_name]).command)
        loaded = typer.main.get_command(alone)
        assert isinstance(loaded, TyperCommand)
        return loaded


app = typer.Typer(cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)


@app.callback()
def evenkeel() -> None:
    """Commands for whoever runs Evenkeel."""


if __name__ == "__main__":
    app(prog_name="python -m ops")
