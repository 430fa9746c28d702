"""A private key, a kubeconfig's key or a token is where it is used, and nowhere else.

One small cluster is born under the eyes of a watcher, as a careful user would run it when something is wrong: with
``--debug`` and a verbose log. Then a change that gives new secrets to a host is previewed in every way, and fails
on a full disk. All that this left anywhere is searched.

Not a secret: the token of etcd's initial cluster (``--initial-cluster-token``). It keeps two clusters apart whose
members find each other by mistake, opens nothing, and etcd itself shows it in its arguments and in its log.

The engine itself writes every property of every resource, decrypted, into its log from ``-v=9`` on, whatever program
it runs. That can't be turned off from a program; the last verbosity without it is ``-v=8``.
"""

import base64
import gzip
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import engine, hosts, stack
from lab.paths import PRIVATE_KEY, PULUMI_HOME, STATE
from tests.lab.leaks import TOKEN, Secrets, of_deployment, private_lines
from tests.lab.process_watch import ProcessWatch
from tests.lab.trial import Trial, on_spares

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("secrets")]

MASTER, WORKER = "spare14", "spare15"
ROLES: dict[str, list[str]] = {MASTER: ["master", "lb"], WORKER: ["worker"]}
BALANCER: dict[str, Any] = {"address": hosts.ADDRESSES[MASTER], "port": 7443, "vip": None, "extraSans": []}
ANOTHER_NAME = {"loadBalancer": {"extraSans": ["another.trial.lab"]}}
VERBOSE = ["--debug", "--logtostderr", "--logflow"]
LAST_SAFE, FIRST_UNSAFE = "-v=8", "-v=9"
ENGINES_OWN = re.compile(r"arshaling property for RPC\[")

PLANTED = 20  # processes that show a canary, each for
PLANTED_SECONDS = 0.03

WHERE = ["/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr/local", "/var"]
NOT_HERE = ["--exclude-dir=io.containerd.*", "--devices=skip"]
KEPT_IN = ["/etc", "/home", "/root", "/run", "/tmp", "/var/lib/evenkeel", "/var/lib/kubelet", "/var/log", "/var/tmp"]
FULL_DISK = "mount -t tmpfs -o size=8k,mode=700 full /var/lib/evenkeel/staged"


@dataclass(frozen=True)
class Traces:
    """What the engine's runs left. ``output`` holds a file for each thing that a person may see or send on."""

    trial: Trial
    secrets: Secrets
    canary: str
    output: Path
    unsafe: Path
    full_disk: str
    logs: Path


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the engine meanwhile keeps a log of each run by itself, as it does for its users and not in the lab."""
    home = tmp_path_factory.mktemp("home")
    (home / "plugins").symlink_to(PULUMI_HOME / "plugins")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "PULUMI_HOME", home)
        yield home / "logs"


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory, logs: Path) -> Iterator[Traces]:
    output, unsafe = tmp_path_factory.mktemp("output"), tmp_path_factory.mktemp("unsafe") / "preview"
    canary = private_lines(_new_key(tmp_path_factory.mktemp("canary")))[0]
    with on_spares("sealed", ROLES, {"loadBalancer": BALANCER}) as trial:
        program = trial.program
        with ProcessWatch() as watch:
            (output / "up").write_text(program.up(arguments=[*VERBOSE, LAST_SAFE]).ok().text)
            _plant(canary)
        watch.write(output / "arguments")
        print(f"{len(watch.seen)} different arguments of {watch.begun} programs")
        assert watch.lost == 0
        (output / "preview").write_text(program.preview(ANOTHER_NAME, ["--diff", *VERBOSE, LAST_SAFE]).ok().text)
        (output / "preview-json").write_text(program.preview(ANOTHER_NAME, ["--json"]).ok().text)
        (output / "preview-of-nothing").write_text(program.preview({}, ["--diff", "--show-sames"]).ok().text)
        # The log by itself: one of its lines was torn apart by the dots of progress, which are written beside it.
        program.preview(ANOTHER_NAME, [*VERBOSE, FIRST_UNSAFE], log=unsafe).ok()
        hosts.run(MASTER, FULL_DISK, check=True)
        failed = program.up(ANOTHER_NAME, [*VERBOSE, LAST_SAFE])
        (output / "failed-up").write_text(failed.text)
        (output / "state").write_text(program.state())
        for host in ROLES:
            journal = hosts.run(host, "journalctl --no-pager --output=export", check=True).stdout
            (output / f"journal-{host}").write_text(journal)
        yield Traces(trial, _secrets_of(trial), canary, output, unsafe, failed.text, logs)
    unsafe.unlink()


def test_the_search_knows_every_secret_of_the_stack(traces: Traces) -> None:
    names = traces.secrets.names()
    keys = {"ca", "front-proxy-ca", "etcd-ca", "service-account", f"apiserver-{MASTER}", f"kubelet-{WORKER}", "admin"}
    assert {f"pki-{key}" for key in keys} | {"the lab's SSH key"} <= names
    assert set(private_lines(PRIVATE_KEY.read_text())) <= traces.secrets.owners.keys()


@pytest.mark.parametrize("algorithm", [["ec", "prime256v1"], ["rsa", "2048"]])
def test_the_search_finds_a_key_in_every_form_and_takes_no_public_key_for_it(
    tmp_path: Path, algorithm: list[str]
) -> None:
    kind, size = algorithm
    key = _new_key(tmp_path, kind, size)
    secrets = Secrets()
    secrets.add("it", key)
    place = tmp_path / "place"
    place.mkdir()
    for number, text in enumerate([key, json.dumps({"a": key}), *(_base64("x" * shift + key) for shift in range(3))]):
        (place / "file").write_text(text)
        assert secrets.found(place) == ["file: it"], number
    public = subprocess.run(["openssl", "pkey", "-pubout"], input=key, capture_output=True, text=True, check=True)
    (place / "file").write_text(public.stdout + _base64(public.stdout))
    assert secrets.found(place) == []


def test_no_process_on_any_host_has_a_secret_among_its_arguments(traces: Traces) -> None:
    """Arguments are open to every user of a host. The watcher must have seen what was shown to it on purpose."""
    arguments = (traces.output / "arguments").read_text(errors="replace")
    shown = {number for number in range(PLANTED) if f"{traces.canary} {number} " in arguments}
    assert len(shown) >= PLANTED * 0.9, f"the watcher saw only {sorted(shown)} of {PLANTED} processes"
    assert "kube-apiserver --advertise-address" in arguments
    assert _found(traces, "arguments") == []


@pytest.mark.parametrize("name", ["up", "failed-up", "preview", "preview-json", "preview-of-nothing"])
def test_no_output_of_the_engine_holds_a_secret_at_the_last_safe_verbosity(traces: Traces, name: str) -> None:
    assert _found(traces, name) == []


def test_a_preview_shows_that_secret_files_change_and_not_how(traces: Traces) -> None:
    shown = (traces.output / "preview").read_text()
    assert f"{MASTER}-control-plane-secrets" in shown
    assert "[secret]" in shown


def test_a_stage_of_secrets_that_fails_says_why_and_shows_nothing_of_them(traces: Traces) -> None:
    """A failing command's whole text is printed; what it read on standard input must not be."""
    assert "No space left on device" in traces.full_disk
    assert "PRIVATE KEY" not in traces.full_disk


def test_at_the_next_verbosity_the_engine_alone_shows_secrets(traces: Traces) -> None:
    """The program adds no line of its own, nor do the lab's plugins, where the official ones do; and the search finds
    what is there to be found."""
    lines = traces.secrets.lines_in(traces.unsafe)
    assert lines, "the engine keeps secrets out of its log at -v=9 as well now: say so in the documentation"
    assert engine.official() or [line[:200] for line in lines if not ENGINES_OWN.search(line)] == []


def test_the_state_is_closed_wherever_it_lies(traces: Traces, tmp_path: Path) -> None:
    """The export, the backend's files with their backups and history, and the logs that the engine keeps by itself."""
    assert _found(traces, "state") == []
    kept = list(traces.logs.glob("*.log"))
    assert kept or engine.official()
    for file in kept:
        packed = file.read_bytes()
        (tmp_path / file.name).write_bytes(gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed)
    assert traces.secrets.found(tmp_path) == []
    assert traces.secrets.found(STATE) == []


@pytest.mark.parametrize("host", ROLES)
def test_no_journal_holds_a_secret(traces: Traces, host: str) -> None:
    assert "kubelet.service" in (traces.output / f"journal-{host}").read_text()
    assert _found(traces, f"journal-{host}") == []


@pytest.mark.parametrize("host", ROLES)
def test_every_file_with_a_secret_is_roots_alone(traces: Traces, host: str) -> None:
    holding = _grep(host, traces.secrets.patterns(), ["-rlaF", "-f", "-", *NOT_HERE, *WHERE])
    holding += _grep(host, "", ["-rlaE", *NOT_HERE, "^-----BEGIN ([A-Z]+ )?PRIVATE KEY-----$", *KEPT_IN])
    assert "/var/lib/kubelet/pki/kubelet-client-first.pem" in holding
    expected = ("/etc/kubernetes/", "/etc/ssh/ssh_host_", "/var/lib/evenkeel/staged/", "/var/lib/kubelet/pki/")
    assert [path for path in holding if not path.startswith(expected)] == []
    modes = hosts.run(host, ["stat", "-c", "%a %U:%G %n", *holding], check=True).stdout.splitlines()
    assert [line for line in modes if not line.startswith("600 root:root ")] == []


@pytest.mark.parametrize("host", ROLES)
def test_a_user_of_the_host_who_is_not_root_can_read_none(traces: Traces, host: str) -> None:
    look = f"grep -rlaF -f - {' '.join(NOT_HERE)} {' '.join(WHERE)} 2>/dev/null"
    visitor = ["su", "visitor", "-s", "/bin/sh", "-c"]
    assert hosts.run(host, [*visitor, look], stdin=traces.secrets.patterns()).stdout == ""
    certificate = "-----BEGIN CERTIFICATE-----"
    seen = hosts.run(host, [*visitor, look], stdin=f"{certificate}\n").stdout
    assert seen, "this user finds nothing at all, so that the search proves nothing"


def _secrets_of(trial: Trial) -> Secrets:
    """The SSH key is in the state as well; named here, it is known to be searched for."""
    secrets = Secrets()
    secrets.add("the lab's SSH key", PRIVATE_KEY.read_text())
    shown = stack.pulumi("stack", "export", "--show-secrets", "--stack", trial.program.stack).stdout
    return of_deployment(json.loads(shown)["deployment"], secrets)


def _found(traces: Traces, name: str) -> list[str]:
    more = [TOKEN] if name != "state" else []
    return [line for line in traces.secrets.found(traces.output, *more) if line.startswith(f"{name}: ")]


def _plant(canary: str) -> None:
    """Short-lived processes with a canary among their arguments. The script travels on standard input."""
    show = f"sh -c 'sleep {PLANTED_SECONDS}; :' {canary} $number end"
    script = f"for number in {' '.join(map(str, range(PLANTED)))}; do {show}; done\n"
    hosts.run(MASTER, "sh -s", stdin=script, check=True)


def _grep(host: str, patterns: str, arguments: list[str]) -> list[str]:
    return hosts.run(host, ["grep", "-s", *arguments], stdin=patterns).stdout.splitlines()


def _new_key(folder: Path, kind: str = "ec", size: str = "prime256v1") -> str:
    option = f"ec_paramgen_curve:{size}" if kind == "ec" else f"rsa_keygen_bits:{size}"
    command = ["openssl", "genpkey", "-algorithm", kind, "-pkeyopt", option, "-out", str(folder / "key")]
    subprocess.run(command, check=True, capture_output=True)
    return (folder / "key").read_text()


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
