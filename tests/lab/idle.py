"""A ``kubectl logs -f`` and a watch through the virtual address on which nothing is said for over a minute.

Owns the namespace ``evenkeel-idle``. Does not own any expectation: the tests do.
"""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import engine, hosts, toolchain
from lab.mirror.content import TOOLS_IMAGE
from tests.lab import subject
from tests.lab.program import FOLDER
from tests.lab.recovery import PORT
from tests.lab.subject import kubectl
from tests.waiting import eventually

NAMESPACE = "evenkeel-idle"
POD = "quiet"
SILENCE = 64
SPEAK = f"echo first; sleep {SILENCE}; echo second; sleep 600"
# How an apiserver counts the requests on it that go on: nobody else reads logs or watches this kind in a namespace.
COUNTED = re.compile(
    r'^apiserver_longrunning_requests\{.*(resource="podtemplates",scope="namespace"|subresource="log").* [1-9]', re.M
)


@dataclass
class Stream:
    """One kubectl that follows something, and the file with what it has said."""

    process: "subprocess.Popen[bytes]"
    output: Path

    @classmethod
    def start(cls, name: str, *arguments: str) -> "Stream":
        """Starts it."""
        output = FOLDER / f"idle.{name}"
        command = [str(toolchain.binary("kubernetes", "kubectl")), f"--kubeconfig={subject.kubeconfig()}"]
        command += [f"--namespace={NAMESPACE}", *arguments]
        with output.open("wb") as file:
            process = subprocess.Popen(command, env=engine.environment(), stdout=file, stderr=subprocess.STDOUT)
        return cls(process, output)

    def said(self, word: str, seconds: float) -> None:
        """Waits for a word."""
        eventually(lambda: word in self.output.read_text(), seconds, f"{self.output.name} says {word!r}")

    def runs(self) -> bool:
        """Whether it follows still."""
        return self.process.poll() is None


@dataclass
class Idle:
    """Both streams, silent since ``began``."""

    logs: Stream
    watch: Stream
    began: float

    def bystander(self) -> str:
        """A master that neither stream goes through."""
        used = [master for master in subject.masters() if COUNTED.search(_metrics(master))]
        assert used, "no apiserver knows of the streams"
        return next(master for master in subject.masters() if master not in used)

    def await_end_of_silence(self) -> None:
        """Sleeps until over a minute has passed since the streams said something."""
        time.sleep(max(0.0, self.began + SILENCE - time.monotonic()))


def create_template(name: str) -> None:
    """Something for the watch to tell."""
    pod = {"metadata": {}, "spec": {"containers": [{"name": POD, "image": TOOLS_IMAGE}]}}
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    manifest = FOLDER / f"idle.{name}.json"
    manifest.write_text(
        json.dumps({"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": name}, "template": pod})
    )
    kubectl("create", f"--namespace={NAMESPACE}", f"--filename={manifest}")


@contextmanager
def following() -> Iterator[Idle]:
    """Both streams, open and silent; they and the namespace are gone afterwards."""
    streams: list[Stream] = []
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
    try:
        kubectl("create", "namespace", NAMESPACE)
        create_template("first")
        kubectl("run", POD, f"--namespace={NAMESPACE}", f"--image={TOOLS_IMAGE}", "--command", "--", "sh", "-c", SPEAK)
        kubectl("wait", f"--namespace={NAMESPACE}", f"pod/{POD}", "--for=condition=Ready", "--timeout=40s")
        logs = Stream.start("logs", "logs", "--follow", POD)
        watch = Stream.start("watch", "get", "podtemplates", "--watch", "--output=name")
        streams += [logs, watch]
        for stream in streams:
            stream.said("first", 10)
        yield Idle(logs, watch, time.monotonic())
    finally:
        for stream in streams:
            stream.process.kill()
            stream.process.wait()
        kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")


def _metrics(master: str) -> str:
    return kubectl("get", "--raw", "/metrics", f"--server=https://{hosts.ADDRESSES[master]}:{PORT}")
