"""The commands of ``python -m ops``. Owns: which there are. Does not own: what they do (one module each)."""

import typer

from ops import concerned_stacks, harbor_probe, lock, preflight, promote, status, summarize_preview, verify
from ops.adopt import command as adopt
from ops.init import command as init
from ops.mirror import command as mirror
from ops.report import command as report

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)
app.command("init")(init.command)
app.command("lock")(lock.command)
app.command("mirror")(mirror.command)
app.command("preflight")(preflight.command)
app.command("status")(status.command)
app.command("report")(report.command)
app.command("verify")(verify.command)
app.command("adopt")(adopt.command)
app.command("harbor-probe")(harbor_probe.command)
app.command("concerned-stacks")(concerned_stacks.command)
app.command("summarize-preview")(summarize_preview.command)
app.command("promote")(promote.command)


@app.callback()
def evenkeel() -> None:
    """Commands for whoever runs Evenkeel."""


if __name__ == "__main__":
    app(prog_name="python -m ops")
