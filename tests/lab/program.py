"""Drives the real engine on stacks of the lab: ``dev``, and small ones of spare hosts that a test has for itself.

A test changes settings in a copy of the stack's file, never in the clone's own. Does not own hosts (``lab.hosts``).
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest
import yaml

from lab import engine, hosts, stack, toolchain
from lab.paths import CLONE, LAB
from ops import stacks
from settings import Stack, parse
from settings.merge import merged
from settings.secret_keys import SECRETS

FOLDER = LAB / "tests"
SECONDS = 420


@dataclass(frozen=True)
class Run:
    """One ended run of the engine: its exit code, all that it printed, and how long it took."""

    code: int
    text: str
    seconds: float

    def ok(self) -> "Run":
        """Itself, if the engine was content."""
        assert self.code == 0, self.text[-8000:]
        return self


@dataclass(frozen=True)
class Program:
    """The project's own program on one stack. ``values`` is laid over the settings of stack ``dev``."""

    stack: str = stack.STACK
    values: Mapping[str, Any] = field(default_factory=dict)

    def up(self, changes: Mapping[str, Any] | None = None, arguments: Sequence[str] = ()) -> Run:
        """``pulumi up``; ``changes`` are settings by section, such as ``{"cluster": {"etcd": ...}}``."""
        return self._run(["up", "--yes", "--skip-preview", *arguments], changes)

    def preview(
        self, changes: Mapping[str, Any] | None = None, arguments: Sequence[str] = (), log: Path | None = None
    ) -> Run:
        """``pulumi preview`` as a person reads it; standard error goes to ``log``, if there is one."""
        return self._run(["preview", *arguments], changes, log)

    def steps(self, changes: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """What a preview would do to each resource, as the engine's JSON; unchanged ones are left out."""
        text = self.preview(changes, ["--json"]).ok().text
        found: list[dict[str, Any]] = json.loads(text[text.index("{\n") :])["steps"]
        return [step for step in found if step["op"] not in ("same", "read")]

    def start(
        self, changes: Mapping[str, Any] | None = None, log: Path | None = None, arguments: Sequence[str] = ()
    ) -> "subprocess.Popen[str]":
        """An ``up`` for a test to kill. What it prints goes to ``log``."""
        with (log or FOLDER / f"{self.stack}.log").open("w") as output:
            return self._begin(["up", "--yes", "--skip-preview", *arguments], changes, output)

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets in clear."""
        shown = stack.pulumi("stack", "output", "--json", "--show-secrets", "--stack", self.stack)
        return dict(json.loads(shown.stdout))

    def state(self) -> str:
        """The stack's state as it lies in the backend."""
        return stack.pulumi("stack", "export", "--stack", self.stack).stdout

    def clear_pending(self) -> Run:
        """Forgets creations that a killed engine left open."""
        return self._run(["refresh", "--yes", "--skip-preview", "--clear-pending-creates"], None).ok()

    def create(self) -> None:
        """The stack itself, empty. The clone's selected stack stays ``dev``, and no file of settings is left behind."""
        stack.pulumi("stack", "init", self.stack, "--no-select")
        (CLONE / f"Pulumi.{self.stack}.yaml").unlink()

    def forget(self) -> None:
        """Drops the stack and its state; hosts are not asked."""
        stack.release_abandoned_locks()
        stack.pulumi("stack", "rm", self.stack, "--yes", "--force", "--preserve-config", check=False)

    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig in a file."""
        FOLDER.mkdir(mode=0o700, exist_ok=True)
        path = FOLDER / f"{self.stack}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(self.outputs()["kubeconfig"])
        return path

    def settings(self, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The configuration by section."""
        whole = yaml.safe_load(stack.SETTINGS.read_text())["config"]
        sections = {name.removeprefix("evenkeel:"): value for name, value in whole.items()}
        if "hosts" in self.values:
            # A stack of other hosts has none of dev's, and no hubs.
            sections = {name: value for name, value in sections.items() if not name.startswith("harbor")} | {
                "hosts": {}
            }
        for over in (self.values, changes or {}):
            sections = merged(sections, dict(over))
        return sections

    def parsed(self) -> Stack:
        """The configuration as the program itself has it, secrets in clear."""
        shown = stack.pulumi("config", "--json", "--show-secrets", "--stack", self.stack, *self._file(None))
        return parse(stacks.values(json.loads(shown.stdout)), CLONE)

    def _file(self, changes: Mapping[str, Any] | None) -> list[str]:
        FOLDER.mkdir(mode=0o700, exist_ok=True)
        salt = yaml.safe_load(stack.SETTINGS.read_text())["encryptionsalt"]
        config = {f"evenkeel:{name}": value for name, value in self.settings(changes).items()}
        path = FOLDER / f"Pulumi.{self.stack}.{os.getpid()}.{time.monotonic_ns()}.yaml"
        path.write_text(yaml.safe_dump({"encryptionsalt": salt, "config": config}))
        for name in SECRETS:
            if isinstance(value := config.get(f"evenkeel:{name}"), str):
                words = ["config", "set", "--secret", f"evenkeel:{name}", value, "--stack", self.stack]
                stack.pulumi(*words, "--config-file", str(path))
        return ["--config-file", str(path)]

    def _begin(
        self,
        words: Sequence[str],
        changes: Mapping[str, Any] | None,
        output: IO[str] | int,
        errors: IO[str] | int = subprocess.STDOUT,
    ) -> "subprocess.Popen[str]":
        """The engine, in a session of its own, so that everything that it starts can be ended with it."""
        stack.release_abandoned_locks()
        return subprocess.Popen(
            [str(engine.program()), *words, "--stack", self.stack, *self._file(changes)],
            cwd=CLONE,
            env=engine.environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            text=True,
            start_new_session=True,
        )

    def _run(self, words: Sequence[str], changes: Mapping[str, Any] | None, log: Path | None = None) -> Run:
        started = time.monotonic()
        with log.open("w") if log else contextlib.nullcontext(subprocess.STDOUT) as errors:
            process = self._begin(words, changes, subprocess.PIPE, errors)
        try:
            text, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            kill(process)
            text, _ = process.communicate()
            pytest.fail(f"{words[0]} of {self.stack} has not ended after {SECONDS} s; what it said:\n{text[-8000:]}")
        return Run(process.returncode, text, time.monotonic() - started)


DEV = Program()


def kill(process: "subprocess.Popen[str]") -> None:
    """kill -9 of the engine and of everything that it started: plugins lead groups of their own within its session."""
    while left := _session(process.pid):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def _session(leader: int) -> list[int]:
    """The living processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
            if int(session) == leader and state != "Z":
                found.append(int(stat.parent.name))
    return found


def kubectl(*arguments: str, kubeconfig: Path | None = None, check: bool = True) -> str:
    """What kubectl prints; through the load balancer unless the kubeconfig says otherwise."""
    asked_by = ["--kubeconfig", str(kubeconfig)] if kubeconfig else []
    command = [str(toolchain.binary("kubernetes", "kubectl")), *asked_by, *arguments]
    done = subprocess.run(command, env=engine.environment(), capture_output=True, text=True, check=False, timeout=120)
    assert not check or done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def spares(names: Sequence[str], roles: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The section ``hosts`` for spare hosts: ``roles`` by name."""
    return {name: {"address": hosts.ADDRESSES[name], "roles": list(roles[name])} for name in names}


@dataclass
class Load:
    """A running load of reads and writes (lab/toolchain/load), and in the end what it saw."""

    process: "subprocess.Popen[str]"

    @classmethod
    def start(cls, *arguments: str, kubeconfig: Path | None = None) -> "Load":
        """Starts it through the load balancer and returns once it runs."""
        command = [str(toolchain.binary("load", "load")), *arguments]
        command += ["-kubeconfig", str(kubeconfig)] if kubeconfig else []
        process = subprocess.Popen(
            command, env=engine.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line == "load: running\n", line
        return cls(process)

    def stop(self) -> dict[str, dict[str, Any]]:
        """Ends it; reports by kind of client, ``fresh`` and ``kept``."""
        self.process.send_signal(signal.SIGTERM)
        output, _ = self.process.communicate(timeout=60)
        return dict(json.loads(output))
