"""What the language host answers: how a Python program or policy pack is started, watched and ended.

Does not own: serving (``__main__``), or what runs inside the program's process (the SDK's own exec script).
"""

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

import grpc  # type: ignore[import-untyped]  # ships no types
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

VERSION = "3.259.0"
TOLD_THE_USER = 32
"""The exec script's exit status once it has shown the error itself."""
GRACE_SECONDS = 0.5
"""For a program to end by itself: it can't while it waits for an engine that waits for us, as after a failure."""
LIST_PACKAGES = (
    "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
)


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Runs each program in its own process, with the interpreter of its virtual environment."""

    def __init__(self, engine: str, runner: Path) -> None:
        self._engine = engine
        self._runner = runner
        self._children: set[subprocess.Popen[bytes]] = set()

    def stop(self) -> None:
        """Ends what still runs."""
        for child in list(self._children):
            _end(child)

    def Handshake(self, request: Any, context: Any) -> language_pb2.LanguageHandshakeResponse:
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetRequiredPackages(self, request: Any, context: Any) -> language_pb2.GetRequiredPackagesResponse:
        """None are named: the lab's plugins are installed beforehand, and every SDK states its version itself."""
        return language_pb2.GetRequiredPackagesResponse()

    def About(self, request: language_pb2.AboutRequest, context: Any) -> language_pb2.AboutResponse:
        python = _interpreter(request.info, context)
        version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.split()[1]
        return language_pb2.AboutResponse(executable=python, version=version)

    def GetProgramDependencies(
        self, request: language_pb2.GetProgramDependenciesRequest, context: Any
    ) -> language_pb2.GetProgramDependenciesResponse:
        python = _interpreter(request.info, context)
        listed = subprocess.run([python, "-c", LIST_PACKAGES], capture_output=True, text=True, check=True).stdout
        found = [
            language_pb2.DependencyInfo(name=name, version=version) for name, version in json.loads(listed).items()
        ]
        return language_pb2.GetProgramDependenciesResponse(dependencies=found)

    def Run(self, request: language_pb2.RunRequest, context: Any) -> language_pb2.RunResponse:
        """Runs the program; its output is ours, which the engine shows."""
        if request.attach_debugger:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "the lab's language host can't attach a debugger")
        python = _interpreter(request.info, context)
        command = [python, str(self._runner), *self._arguments(request)]
        child = self._start(command, _environment(request), context)
        status = child.wait()
        self._children.discard(child)
        if status == TOLD_THE_USER:
            return language_pb2.RunResponse(bail=True)
        return language_pb2.RunResponse(error=f"program exited with non-zero exit code: {status}" if status else "")

    def RunPlugin(
        self, request: language_pb2.RunPluginRequest, context: Any
    ) -> Iterator[language_pb2.RunPluginResponse]:
        """Runs a policy pack, the one kind of plugin that the lab keeps as Python source."""
        if request.kind != "analyzer":
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the lab's language host can't run a {request.kind} plugin")
        python = _interpreter(request.info, context)
        folder = request.info.program_directory
        command = [python, "-u", "-m", "pulumi.policy", *request.args, folder]
        environment = dict(entry.split("=", 1) for entry in request.env)
        pipe = subprocess.PIPE
        child = self._start(command, os.environ | environment, context, cwd=folder, stdout=pipe, stderr=pipe)
        yield from _streamed(child)
        status = child.wait()
        self._children.discard(child)
        if status:
            yield language_pb2.RunPluginResponse(exitcode=status)

    def _start(self, command: list[str], env: dict[str, str], context: Any, **options: Any) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, **options)
        self._children.add(child)
        context.add_callback(lambda: _end(child))  # the engine has gone away, or has enough
        return child

    def _arguments(self, request: language_pb2.RunRequest) -> list[str]:
        options = {
            "monitor": request.monitor_address,
            "engine": self._engine,
            "project": request.project,
            "root_directory": request.info.root_directory,
            "stack": request.stack,
            "pwd": request.pwd,
            "dry_run": "true" if request.dryRun else "false",
            "parallel": str(request.parallel),
            "organization": request.organization,
        }
        named = [word for key, value in options.items() if value for word in (f"--{key}", value)]
        return [*named, request.info.entry_point, *request.args]


def _environment(request: language_pb2.RunRequest) -> dict[str, str]:
    given = {
        "PULUMI_CONFIG": json.dumps(dict(request.config)),
        "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
    }
    return os.environ | given


def _interpreter(info: language_pb2.ProgramInfo, context: Any) -> str:
    """The interpreter of the ``virtualenv`` that Pulumi.yaml names, else ``python3`` of the path, as officially."""
    options = dict(info.options)
    name = options.pop("virtualenv", None)
    unknown = {key for key, value in options.items() if (key, value) != ("toolchain", "pip")}
    if unknown:
        reason = f"Pulumi.yaml: runtime.options.{sorted(unknown)[0]}: the lab's language host does not implement it"
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, reason)
    if name is None:
        return "python3"
    python = Path(info.root_directory, name, "bin", "python")
    if not python.exists():
        remedy = "make venv, or name another in Pulumi.yaml's runtime.options.virtualenv"
        context.abort(grpc.StatusCode.NOT_FOUND, f"virtual environment: {python} does not exist; {remedy}")
    return str(python)


def _streamed(child: subprocess.Popen[bytes]) -> Iterator[language_pb2.RunPluginResponse]:
    lines: SimpleQueue[language_pb2.RunPluginResponse | None] = SimpleQueue()

    def read(stream: IO[bytes], answer: Callable[[bytes], language_pb2.RunPluginResponse]) -> None:
        for line in stream:
            lines.put(answer(line))
        lines.put(None)

    out = child.stdout, lambda line: language_pb2.RunPluginResponse(stdout=line)
    err = child.stderr, lambda line: language_pb2.RunPluginResponse(stderr=line)
    for arguments in (out, err):
        threading.Thread(target=read, args=arguments, daemon=True).start()
    for _ in (out, err):
        yield from iter(lines.get, None)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    child.terminate()  # an interrupt would have Python print where it was, below the error that the user must read
    try:
        child.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
