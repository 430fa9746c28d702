"""Puts the plugin servers and the language host where the engine looks for them.

Owns: a PULUMI_HOME, and the executables in it and in a folder of programs. Does not own: what they run, or which there
are (``lab.plugins``).
"""

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

from lab import toolchain
from lab.plugins import PLUGINS

CLONE = Path(__file__).resolve().parents[2]
SDK_MODULE = "github.com/pulumi/pulumi/sdk/v3"


def install(home: Path, bin_dir: Path, python: Path) -> None:
    """Writes every plugin into ``home`` (a PULUMI_HOME) and ``pulumi`` with its language host into ``bin_dir``."""
    for name, version in PLUGINS.items():
        folder = home / "plugins" / f"resource-{name}-v{version}"
        write_plugin(folder / f"pulumi-resource-{name}", python, f"lab.plugins.{name}.plugin:PLUGIN")
    runner = bin_dir / "pulumi-language-python-exec"
    _write_program(bin_dir / "pulumi-language-python", _command(python, "lab.language", str(runner)))
    _place(_language_exec(), runner)
    # The engine looks for its language host beside its own executable, links resolved: a symlink would not do.
    _place(toolchain.binary("pulumi", "pulumi"), bin_dir / "pulumi")
    _keep_no_logs(home / "logs")


def write_plugin(path: Path, python: Path, name: str) -> None:
    """Writes the program that the engine starts as the plugin that ``name`` (``module:attribute``) says."""
    launch = [str(python), "-I", "-S", str(Path(__file__).with_name("launch.py")), name]
    _write_program(path, [*launch, *_command(python, "lab.plugins", name)])


def _command(python: Path, module: str, *arguments: str) -> list[str]:
    """Runs a module of this clone; no PYTHONPATH, which the user's program would inherit."""
    start = f"import runpy, sys; sys.path.insert(0, {str(CLONE)!r}); runpy.run_module({module!r}, run_name='__main__')"
    return [str(python), "-P", "-c", start, *arguments]


def _write_program(path: Path, command: list[str]) -> None:
    """Shell, as a shebang is limited in length."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    fresh.chmod(0o755)
    fresh.replace(path)


def _place(source: Path, target: Path) -> None:
    """A hard link where the file system allows it, else a copy; a running program is replaced, not written over."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        os.link(source, fresh)
    except OSError:
        shutil.copy2(source, fresh)
    fresh.replace(target)


def _keep_no_logs(folder: Path) -> None:
    """The engine writes every property of every resource of each run there, and half of its time goes into that.

    No option ends it, but it goes on without where the folder can't be made (``StartLogging`` in pkg/logging of 3.259).
    """
    if folder.is_symlink():
        return
    if folder.exists():
        shutil.rmtree(folder)
    folder.symlink_to(os.devnull)


def _language_exec() -> Path:
    """The SDK's own program runner, from the Go module whose version the toolchain pins."""
    command = ["go", "mod", "download", "-json", SDK_MODULE]
    folder = toolchain.FOLDER / "pulumi"
    environment = os.environ | {"GOTOOLCHAIN": "local"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return Path(json.loads(done.stdout)["Dir"]) / "python" / "cmd" / "pulumi-language-python-exec"
