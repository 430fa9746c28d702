"""`init` begins a stack that `up` would accept, pins no key that nobody consented to, and overwrites nothing."""

import asyncio
import contextlib
import os
import pty
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner, Result

import settings
from ops.__main__ import commands
from ops.init import answers, pins, text
from ops.init.answers import Given
from ops.init.asking import Asker
from ops.init.pins import End
from tests import pages
from tests.ops import ssh_hosts
from tests.settings import samples
from tests.waiting import eventually

REPOSITORY = Path(__file__).parents[2]
ADDRESSES = {name: address for name, (address, _) in samples.HOSTS.items()}
HOSTS = [f"{name}:{address}:{','.join(roles)}" for name, (address, roles) in samples.HOSTS.items()]
SECONDS = 30


@pytest.fixture(autouse=True)
def loop_of_others() -> Iterator[None]:
    """``asyncio.run`` takes the thread's event loop away, which tests of components count on."""
    policy = asyncio.get_event_loop_policy()
    loop = policy.get_event_loop()
    yield
    policy.set_event_loop(loop)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[ssh_hosts.Servers]:
    running = ssh_hosts.Servers(tmp_path)
    yield running
    running.close()


@pytest.fixture
def project(tmp_path: Path, servers: ssh_hosts.Servers) -> Path:
    """A folder like the project's, with a lock, and hosts behind a bastion."""
    (tmp_path / "Pulumi.yaml").write_text("name: evenkeel\n")
    (tmp_path / "lock.yaml").write_text(yaml.safe_dump(samples.lock()))
    for address in ADDRESSES.values():
        servers.host(address)
    servers.bastion()
    return tmp_path


def options(servers: ssh_hosts.Servers, *more: str) -> list[str]:
    hosts = [word for host in HOSTS for word in ("--host", host)]
    bastion = f"{ssh_hosts.USER}@127.0.0.1:{servers.ports['127.0.0.1']}"
    known = ["--bastion", bastion, "--user", ssh_hosts.USER, "--private-key-file", "id_ed25519"]
    return [*hosts, *known, "--address", "192.0.2.30", "--interface", "eth0", "--lock", "lock.yaml", *more]


def run(folder: Path, *words: str) -> Result:
    """Runs the command there, without a terminal."""
    with contextlib.chdir(folder):
        done = CliRunner().invoke(commands(), ["init", "mine", *words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def begun(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((folder / "Pulumi.mine.yaml").read_text())
    return content


def untouched(folder: Path, but: str = "") -> bool:
    return not {"Pulumi.mine.yaml", "known_hosts.mine"} - {but} & {path.name for path in folder.iterdir()}


def test_a_stack_is_begun_without_a_terminal(project: Path, servers: ssh_hosts.Servers) -> None:
    done = run(project, *options(servers, "--accept-host-keys", "--no-preflight"))
    assert done.exit_code == 0, done.stderr
    stack = settings.parse(begun(project)["config"], project)
    assert {name: (host.address, list(host.roles)) for name, host in stack.hosts.items()} == samples.HOSTS
    assert {name: host.ssh.host_key for name, host in stack.hosts.items()} == {
        name: servers.keys[address] for name, address in ADDRESSES.items()
    }
    assert stack.load_balancer.vip is not None
    assert stack.warnings == ()
    assert "pulumi stack init mine" in done.stdout


def test_what_is_pinned_is_shown_though_all_is_accepted(project: Path, servers: ssh_hosts.Servers) -> None:
    done = run(project, *options(servers, "--accept-host-keys", "--no-preflight"))
    for name, address in ADDRESSES.items():
        assert f"{name} {address} ssh-ed25519 {servers.fingerprints[address]}\n" in done.stdout
    assert f"ssh-ed25519 {servers.fingerprints['127.0.0.1']}\n" in done.stdout
    assert len((project / "known_hosts.mine").read_text().splitlines()) == len(ADDRESSES) + 1


def test_without_consent_nothing_is_pinned_and_nothing_written(project: Path, servers: ssh_hosts.Servers) -> None:
    done = run(project, *options(servers))
    assert done.exit_code == 1
    assert servers.fingerprints["127.0.0.1"] in done.stdout
    assert "--accept-host-keys: is not given, and there is no terminal to ask at" in done.stderr
    assert untouched(project)


def test_nothing_secret_stands_in_the_file_or_what_is_said(project: Path, servers: ssh_hosts.Servers) -> None:
    done = run(project, *options(servers, "--accept-host-keys", "--no-preflight"))
    body = servers.private_key_file.read_text().splitlines()[1]
    for said in (done.stdout, done.stderr, (project / "Pulumi.mine.yaml").read_text()):
        assert body not in said
        assert "PRIVATE KEY" not in said


def test_a_file_that_is_there_stays_as_it_is(project: Path, servers: ssh_hosts.Servers) -> None:
    (project / "Pulumi.mine.yaml").write_text("mine\n")
    done = run(project, *options(servers, "--accept-host-keys"))
    assert done.exit_code == 1
    assert "Pulumi.mine.yaml: is there already, and stays as it is; edit it" in done.stderr
    assert (project / "Pulumi.mine.yaml").read_text() == "mine\n"


def test_a_second_begin_reads_the_same_pins_and_asks_nobody_for_consent(
    project: Path, servers: ssh_hosts.Servers
) -> None:
    run(project, *options(servers, "--accept-host-keys", "--no-preflight"))
    before = (project / "known_hosts.mine").read_text()
    (project / "Pulumi.mine.yaml").unlink()
    done = run(project, *options(servers, "--no-preflight"))
    assert done.exit_code == 0, done.stderr
    assert done.stdout.count("(pinned already)") == len(ADDRESSES) + 1
    assert (project / "known_hosts.mine").read_text() == before


def test_a_host_that_shows_another_key_than_its_pinned_one_is_a_fault(
    project: Path, servers: ssh_hosts.Servers
) -> None:
    pinned = f"192.0.2.11 {samples.host_key('shaolin')}\n"
    bastion = f"[127.0.0.1]:{servers.ports['127.0.0.1']} {servers.keys['127.0.0.1']}\n"
    (project / "known_hosts.mine").write_text(bastion + pinned)
    done = run(project, *options(servers, "--accept-host-keys"))
    assert done.exit_code == 1
    shown = servers.fingerprints["192.0.2.11"]
    assert (
        f"evenkeel:hosts.shaolin.address: 192.0.2.11: shows {shown}, and another key is pinned for it;" in done.stderr
    )
    assert (project / "known_hosts.mine").read_text() == bastion + pinned
    assert not (project / "Pulumi.mine.yaml").exists()


def test_hosts_that_do_not_answer_are_all_named(project: Path, servers: ssh_hosts.Servers) -> None:
    del servers.ports["192.0.2.12"], servers.ports["192.0.2.31"]
    done = run(project, *options(servers, "--accept-host-keys"))
    assert done.exit_code == 1
    for name, address in (("wudang", "192.0.2.12"), ("lb1", "192.0.2.31")):
        assert f"evenkeel:hosts.{name}.address: {address}: shows no key at port 22 (" in done.stderr
    assert "see that its sshd runs and is reached from here" in done.stderr
    assert not (project / "Pulumi.mine.yaml").exists()


def test_a_bastion_that_lets_nobody_in_is_named(project: Path, servers: ssh_hosts.Servers) -> None:
    (project / "other").write_text(samples_key())
    done = run(project, *options(servers, "--accept-host-keys", "--private-key-file", "other"))
    assert done.exit_code == 1
    assert "evenkeel:ssh.bastion.host: 127.0.0.1: lets nobody through (" in done.stderr
    assert "see that deploy is let in there with" in done.stderr


def samples_key() -> str:
    import asyncssh

    return asyncssh.generate_private_key("ssh-ed25519").export_private_key("openssh").decode()


@pytest.fixture
def agent(project: Path, servers: ssh_hosts.Servers, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The socket of an SSH agent that has the user's key; the key's file is gone."""
    socket = project / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
    eventually(socket.exists, SECONDS, "the agent's socket")
    servers.private_key_file.chmod(0o600)
    subprocess.run(["ssh-add", "-q", str(servers.private_key_file)], check=True)
    servers.private_key_file.unlink()
    yield socket
    process.kill()
    process.wait()


def by_agent(servers: ssh_hosts.Servers, *more: str) -> list[str]:
    words = options(servers, "--accept-host-keys", "--no-preflight", *more)
    place = words.index("--private-key-file")
    told = shlex.split(pages.command("least-privilege", "python -m ops init mine --agent"))
    return [*words[:place], *told[5:], *words[place + 2 :]]


def test_a_key_that_an_agent_has_opens_the_bastion_and_no_file_is_named(
    project: Path, servers: ssh_hosts.Servers, agent: Path
) -> None:
    """A key with a passphrase, or on a token, had no way to begin a stack: `up` would have taken it."""
    done = run(project, *by_agent(servers))
    assert done.exit_code == 0, done.stderr
    assert begun(project)["config"]["evenkeel:ssh"]["agent"] is True
    stack = settings.parse(begun(project)["config"], project)
    assert all(host.ssh.by_agent for host in stack.hosts.values())
    assert "privateKeyFile" not in (project / "Pulumi.mine.yaml").read_text()


def test_an_agent_without_a_key_is_told(project: Path, servers: ssh_hosts.Servers, agent: Path) -> None:
    subprocess.run(["ssh-add", "-q", "-D"], check=True, capture_output=True)
    done = run(project, *by_agent(servers))
    assert done.exit_code == 1
    assert "lets nobody through (the SSH agent has no key); see that deploy is let in there with a key" in done.stderr
    assert untouched(project, but="known_hosts.mine")


def test_what_was_typed_for_an_agent_need_not_be_typed_again(
    project: Path, servers: ssh_hosts.Servers, agent: Path
) -> None:
    done = run(project, *by_agent(servers, "--address", "192.0.2.11"))
    assert "python -m ops init mine --agent --host shaolin" in done.stderr


FAULTS = [
    (("--agent",), "--agent: is given, and so is --private-key-file id_ed25519; give one of them"),
    (("--address", "192.0.2.11"), "evenkeel:loadBalancer.vip.address: 192.0.2.11: is the address of host shaolin; "),
    (("--pod-cidr", "192.0.2.0/24"), "lies within cluster.podCidr 192.0.2.0/24; choose a cluster.podCidr that"),
    (("--host", "Two:192.0.2.12:master"), "evenkeel:hosts: Two: is not a DNS-1123 name; use lower-case letters"),
    (("--host", "x:192.0.2.300:worker"), "evenkeel:hosts.x.address: 192.0.2.300: is not an IPv4 address; write it"),
    (("--host", "x:192.0.2.99:boss"), "evenkeel:hosts.x.roles.0: boss: is not one of the choices; choose one of"),
    (("--host", "x,192.0.2.99"), "--host: x,192.0.2.99: is not NAME:ADDRESS:ROLE,ROLE; write it like shaolin:"),
    (("--host", "x:192.0.2.99:hub"), "evenkeel:hosts.x.roles: hub: is not served by init, since Harbor wants"),
    (("--environment", "test"), "evenkeel:cluster.environment: test: is not one of the choices; choose one of"),
    (("--user", "de ploy"), "evenkeel:ssh.user: de ploy: is not a user's name; write it like root or deploy"),
    (("--private-key-file", "absent"), "evenkeel:ssh.privateKeyFile: absent: cannot be read (No such file"),
    (("--release", "1999.01"), "evenkeel:release.name: 1999.01: is not a release that there is; choose one of"),
    (("--lock", "no.yaml"), "no.yaml: does not exist; write it with `python -m ops lock 2026.11 --output no.yaml`"),
    (("--mirror-images", "http://m"), "--mirror-images: is given without --mirror-artifacts; a mirror serves both"),
    (("--bastion", "a@b@c"), "--bastion: a@b@c: is not [USER@]HOST[:PORT]; write it like deploy@192.0.2.5:22"),
    (("--name", "a: {b"), "evenkeel:cluster.name: a: {b: is not a DNS-1123 name; use lower-case letters"),
    (("--name", "two\nlines"), "evenkeel:cluster.name: (not shown): is not a DNS-1123 name; use lower-case letters"),
]


@pytest.mark.parametrize(("wrong", "told"), FAULTS)
def test_what_is_wrong_is_told_with_key_value_and_remedy_before_anybody_is_asked(
    project: Path, servers: ssh_hosts.Servers, wrong: tuple[str, ...], told: str
) -> None:
    done = run(project, *options(servers, "--accept-host-keys", *wrong))
    assert done.exit_code == 1
    assert told in done.stderr
    assert done.stdout == ""
    assert untouched(project)


def test_what_is_missing_without_a_terminal_is_told_at_once(project: Path) -> None:
    done = run(project, "--lock", "lock.yaml")
    assert done.exit_code == 1
    assert "--host: is not given, and there is no terminal to ask at; give each as NAME:" in done.stderr
    assert "--address: is not given, and there is no terminal to ask at; give it" in done.stderr


def test_a_release_without_a_lock_is_told_before_the_hosts_are_asked_for(project: Path) -> None:
    done = run(project, "--release", "2026.11")
    assert "evenkeel:release.lock: releases/2026.11.lock.yaml: does not exist; write it with" in done.stderr


def test_a_release_that_a_mirror_serves_is_locked_from_there(project: Path) -> None:
    """The publishers may be out of reach, and what the mirror has need not be the same."""
    mirror = ("--mirror-artifacts", "http://m/a", "--mirror-images", "https://i")
    done = run(project, "--release", "2026.11", *mirror, "--lock", "no.yaml")
    assert f"write it with `python -m ops lock 2026.11 {' '.join(mirror)} --output no.yaml`" in done.stderr


def test_elsewhere_than_in_the_projects_folder_nothing_is_written(project: Path, servers: ssh_hosts.Servers) -> None:
    (project / "Pulumi.yaml").unlink()
    done = run(project, *options(servers))
    assert done.exit_code == 1
    assert "has no Pulumi.yaml; run this in the project's folder" in done.stderr


@pytest.mark.parametrize("missing", [False, True])
def test_the_hosts_are_checked_at_the_end(
    project: Path, servers: ssh_hosts.Servers, missing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By preflight's own way: `ssh` is stood in for, and what it is told to run is preflight's script."""
    (project / "bin").mkdir()
    said = "echo 'evenkeel: a: preflight: curl is missing; install it' >&2; exit 1" if missing else "exit 0"
    (project / "bin" / "ssh").write_text(f"#!/bin/sh\ngrep -q 'MIN_CORES=' || exit 255\n{said}\n")
    (project / "bin" / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(project / "bin"), prepend=os.pathsep)
    done = run(project, *options(servers, "--accept-host-keys"))
    assert (done.exit_code != 0) == missing
    assert (project / "Pulumi.mine.yaml").exists()
    if missing:
        assert "curl is missing; install it" in done.stderr
        assert "Pulumi.mine.yaml stays; see to what is missing" in done.stderr
    else:
        assert "6 hosts have what they need." in done.stdout


def test_at_a_terminal_all_is_asked_and_a_slip_of_the_pen_is_asked_again(
    project: Path, servers: ssh_hosts.Servers
) -> None:
    hosts = [line for name, (address, roles) in samples.HOSTS.items() for line in (name, address, ",".join(roles))]
    typed = [
        "",
        "",
        "Mine!",
        "mine",
        "",
        "shaolin",
        "192.0.2.11",
        "boss",
        *hosts[2:],
        "",
        "deploy",
        "192.0.2.300",
        "192.0.2.30",
        "eth0",
        "",
    ]
    bastion = f"127.0.0.1:{servers.ports['127.0.0.1']}"
    typed += ["", "id_ed25519", bastion, "", "", "y", "y"]
    done, said = at_terminal(project, typed, "--lock", "lock.yaml", "--no-preflight")
    assert done == 0, said
    assert "Mine!: is not a DNS-1123 name" in said
    assert "192.0.2.300: is " in said
    assert "boss: has boss in it; choose of master, worker, lb" in said
    assert "Are these the hosts' own" in said
    stack = settings.parse(begun(project)["config"], project)
    assert list(stack.hosts) == list(samples.HOSTS)
    assert (stack.cluster.name, stack.load_balancer.address) == ("mine", "192.0.2.30")


@pytest.mark.parametrize("hosts", [HOSTS, ["a:192.0.2.11:master,lb"]], ids=["two balancers", "one"])
def test_a_name_is_no_address_of_the_api_where_that_is_asked(hosts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be refused with the whole file, once all else had been typed."""
    typed = iter(["api.example.com", "192.0.2.30"])

    def answer(question: str, default: str = "", **_: object) -> str:
        return next(typed) if question.startswith("Address of the API") else default

    monkeypatch.setattr("ops.init.asking.Prompt.ask", answer)
    source = answers.Source(samples.RELEASE, "", "", "")
    found = answers.rest("mine", Given(tuple(hosts)), Asker(Console(quiet=True), terminal=True), source)
    assert found.address == "192.0.2.30"


def test_no_at_a_terminal_pins_nothing(project: Path, servers: ssh_hosts.Servers) -> None:
    more = ["--release", "2026.11", "--name", "mine", "--environment", "staging", "--port", "22", "--api-port", "6443"]
    more += ["--pod-cidr", "10.244.0.0/16", "--service-cidr", "10.96.0.0/16", "--mirror-artifacts", ""]
    done, said = at_terminal(project, ["n"], *options(servers, *more))
    assert done == 1
    assert "nothing was pinned and no file written" in said
    assert untouched(project)


def at_terminal(folder: Path, typed: list[str], *words: str) -> tuple[int, str]:
    """Runs the command at a terminal where these lines are typed; its status and all that is seen there."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "ops", "init", "mine", *words]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "TERM": "dumb", "COLUMNS": "500"}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        os.close(theirs)
        os.write(ours, "".join(f"{line}\n" for line in typed).encode())
        try:
            said, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired as error:
            process.kill()
            pytest.fail(f"it still asks: {(error.stdout or b'').decode()}")
    os.close(ours)
    return process.returncode, said


def test_what_was_typed_and_refused_need_not_be_typed_again(project: Path, servers: ssh_hosts.Servers) -> None:
    done = run(project, *options(servers, "--address", "192.0.2.11"))
    (line,) = [line.strip() for line in done.stderr.splitlines() if line.strip().startswith("python -m ops init mine")]
    for host in HOSTS:
        assert f"--host {host}" in line
    assert "--address 192.0.2.11" in line
    assert "--interface eth0" in line


def test_a_key_is_read_without_a_bastion_too(servers: ssh_hosts.Servers) -> None:
    ends = [End("a", "127.0.0.1", servers.host("a"), "k"), End("b", "127.0.0.1", servers.host("b"), "k")]
    seen, faults = pins.read(ends, [])
    assert faults == []
    assert [one.key for one in seen] == [servers.keys["a"], servers.keys["b"]]
    assert seen[0].line == f"[127.0.0.1]:{servers.ports['a']} {servers.keys['a']}\n"


@pytest.mark.parametrize("kind", ["ecdsa-sha2-nistp256", "ssh-rsa"])
def test_a_host_without_an_ed25519_key_is_pinned_by_what_it_has(servers: ssh_hosts.Servers, kind: str) -> None:
    seen, faults = pins.read([End("a", "127.0.0.1", servers.host("a", kind), "k")], [])
    assert faults == []
    assert seen[0].key == servers.keys["a"]


def test_a_port_where_nobody_listens_is_a_fault_with_its_key(servers: ssh_hosts.Servers) -> None:
    port = servers.host("a")
    servers.close()
    seen, faults = pins.read([End("a", "127.0.0.1", port + 1, "evenkeel:hosts.a.address")], [])
    assert seen == []
    assert faults[0].startswith("evenkeel:hosts.a.address: 127.0.0.1: shows no key at port")


def test_pins_are_added_to_what_the_file_has(tmp_path: Path, servers: ssh_hosts.Servers) -> None:
    path = tmp_path / "known_hosts"
    path.write_text("# ours\nother ssh-ed25519 AAAA")
    seen, _ = pins.read([End("a", "127.0.0.1", servers.host("a"), "k")], [])
    pins.add(path, seen)
    assert path.read_text() == f"# ours\nother ssh-ed25519 AAAA\n{seen[0].line}"


def written(**given: Any) -> str:
    ask = Asker(Console(quiet=True), terminal=False)
    options = Given(**{"host": tuple(HOSTS), "address": "192.0.2.30"} | given)
    source = answers.source(options, ask, [samples.RELEASE])
    found = answers.rest("mine", options, ask, source)
    assert ask.faults == []
    return text.of(found)


def test_every_key_of_the_file_is_explained(root: Path) -> None:
    lines = written(interface="eth0", bastion="b@192.0.2.5", mirror_artifacts="http://m", mirror_images="http://i")
    keys = [line for line in lines.splitlines() if line.startswith("    ") and ":" in line and "#" not in line]
    hosts = [line for line in keys if "roles:" in line]
    assert {line.split(":")[0].strip() for line in keys if line not in hosts} == {
        "port",
        "privateKeyFile",
        "vip",
        "name",
    }


def test_a_load_balancer_on_a_masters_host_leaves_the_apiservers_port_alone(root: Path) -> None:
    hosts = ("a:192.0.2.11:master,lb,worker",)
    stack = text.checked(written(host=hosts, address=None, private_key_file="id_ed25519", lock="lock.yaml"), root, ANY)
    assert (stack.load_balancer.address, stack.load_balancer.port) == ("192.0.2.11", 8443)


ANY = Path("known_hosts.any")


@pytest.fixture(autouse=True)
def any_key(root: Path) -> None:
    (root / ANY).write_text(f"* {samples.host_key('any')}\n")


def test_values_that_yaml_would_take_for_something_else_stay_what_they_are(root: Path) -> None:
    for file in ("a: b, {c}", "no", "#x", "'\"", "über"):
        assert yaml.safe_load(written(private_key_file=file))["config"]["evenkeel:ssh"]["privateKeyFile"] == file


def test_a_mirror_and_a_lock_are_named_as_they_were_given() -> None:
    release = yaml.safe_load(written(mirror_artifacts="http://m:1/a", mirror_images="https://i", lock="my.lock.yaml"))[
        "config"
    ]["evenkeel:release"]
    assert release == {
        "name": "2026.11",
        "lock": "my.lock.yaml",
        "mirror": {"artifacts": "http://m:1/a", "images": "https://i"},
    }
