"""The contract of ``command:remote:Command``: what runs when, what is kept, what is shown, and what must never be."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from tests.plugins.engine import Project, blank, engine, is_secret, kill_engine, lab_only, project, wait_until
from tests.plugins.sshd import Sshd

__all__ = ["blank", "engine", "project"]

pytestmark = pytest.mark.built

COMMAND = """
from pulumi_command import remote
connection = remote.ConnectionArgs(**data["connection"])
"""
ONE = COMMAND + 'made = remote.Command("made", connection=connection, **data["made"])'
UNTIL_GO = "touch started; until test -e go; do sleep 0.1; done; echo finished"
SECRET = "s3cret-n0t-to-be-seen"


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    """A host."""
    made = Sshd(tmp_path)
    yield made
    made.close()


def one(project: Project, sshd: Sshd, **inputs: object) -> None:
    """A program with one command of these inputs."""
    project.program(ONE)
    project.data(connection=sshd.connection(), made=inputs)


def test_a_command_keeps_its_output_and_a_second_run_dials_no_more(project: Project, sshd: Sshd) -> None:
    stdin = "two lines\nwith 'quotes', \"quotes\", $dollar and ünïcode\n"
    one(project, sshd, create="cat; echo trouble >&2", stdin=stdin, triggers=[1, "a"])
    text = project.up()
    made = project.resources()["made"]
    assert made["outputs"]["stdout"] == stdin.removesuffix("\n")
    assert made["outputs"]["stderr"] == "trouble"
    assert made["id"].startswith("made")
    assert made["inputs"]["triggers"] == [1, "a"]
    assert "trouble" in text
    assert project.changes() == {}
    project.up()
    assert (sshd.connections, len(sshd.commands)) == (1, 1)


def test_secrets_are_in_no_state_and_in_no_log(project: Project, sshd: Sshd) -> None:
    """From -v=9 on the engine itself logs every value that it sends to a plugin; no plugin can help that."""
    project.program(
        COMMAND
        + """
box = pulumi.ComponentResource("contract:box:Box", "box")
hidden = remote.Command("hidden", connection=connection, create="cat", logging="none",
                        stdin=pulumi.Output.secret(data["secret"]),
                        opts=pulumi.ResourceOptions(parent=box, additional_secret_outputs=["stdout"]))
plain = remote.Command("plain", connection=connection, create="cat >/dev/null; echo fine",
                       stdin=pulumi.Output.secret(data["secret"]))
"""
    )
    project.data(connection=sshd.connection(), secret=SECRET)
    text = project.up("--logtostderr", "-v=8") + project.run("preview", "--diff").text
    hidden, plain = (project.resources()[name] for name in ("hidden", "plain"))
    assert is_secret(hidden["inputs"]["connection"])
    assert is_secret(hidden["outputs"]["connection"])
    assert is_secret(hidden["inputs"]["stdin"])
    assert is_secret(hidden["outputs"]["stdout"])
    assert plain["outputs"]["stdout"] == "fine", "output is as secret as it is marked, whatever the inputs are"
    for secret in (SECRET, sshd.private_key.splitlines()[1]):
        assert secret not in project.state_text()
        assert secret not in text


def test_what_is_logged(project: Project, sshd: Sshd) -> None:
    project.program(
        COMMAND
        + """
for logging in ("stdout", "stderr", "stdoutAndStderr", "none", None):
    create = f"echo {logging}-to-std''out; echo {logging}-to-std''err >&2"
    remote.Command(f"c-{logging}", connection=connection, create=create, logging=logging)
"""
    )
    project.data(connection=sshd.connection())
    shown = set(re.findall(r"\w+-to-std(?:out|err)\b", project.up()))
    both = {f"{logging}-to-{stream}" for logging in ("stdoutAndStderr", "None") for stream in ("stdout", "stderr")}
    assert shown == {"stdout-to-stdout", "stderr-to-stderr", *both}


def test_a_change_updates_in_place_and_sees_the_previous_output(project: Project, sshd: Sshd) -> None:
    one(project, sshd, create="cat", update="echo $PULUMI_COMMAND_STDOUT again; cat", stdin="one")
    project.up()
    one(project, sshd, create="cat", update="echo $PULUMI_COMMAND_STDOUT again; cat", stdin="two")
    step = project.steps()["made"]
    assert (step["op"], list(step["detailedDiff"])) == ("update", ["stdin"])
    project.up()
    assert project.resources()["made"]["outputs"]["stdout"] == "one again\ntwo"
    one(project, sshd, create="cat; echo ${PULUMI_COMMAND_STDOUT:-unset}", stdin="3", add_previous_output_in_env=False)
    project.up()
    assert project.resources()["made"]["outputs"]["stdout"] == "3unset", "without `update`, `create` runs again"


def test_triggers_replace_and_the_new_one_is_made_before_the_old_one_goes(project: Project, sshd: Sshd) -> None:
    one(project, sshd, create="echo create", delete="cat > deleted", stdin="old", triggers=["a"])
    project.up()
    one(project, sshd, create="echo create", delete="cat > deleted", stdin="new", triggers=["b"])
    text = project.up()
    assert "[diff: ~stdin,triggers]" in text
    assert sshd.commands == ["echo create", "echo create", "cat > deleted"]
    assert (sshd.folder / "deleted").read_text() == "old", "a deletion reads the old stdin"


def test_a_failing_command_tells_its_status_command_and_output_and_is_tried_again(project: Project, sshd: Sshd) -> None:
    one(project, sshd, create="echo partly done; echo no space left >&2; exit 3")
    text = project.failing_up()
    assert 'Process exited with status 3: running "echo partly done' in text
    assert "no space left" in text
    assert "made" not in project.resources(), "what was not made is not in the state"
    one(project, sshd, create="echo whole")
    project.up()
    one(project, sshd, create="exit 4")
    project.failing_up()
    assert project.resources()["made"]["outputs"]["stdout"] == "whole"
    assert project.changes() == {"made": "update"}, "a failed update is tried again"


def test_wrong_hosts_and_wrong_keys_are_refused_after_the_tries_allowed(project: Project, sshd: Sshd) -> None:
    project.program(
        """
from pulumi_command import remote
for name, connection in data.items():
    remote.Command(name, connection=remote.ConnectionArgs(**connection), create="echo never")
"""
    )
    other = asyncssh.generate_private_key("ssh-ed25519")
    stranger = other.export_private_key("openssh").decode()
    project.data(
        impostor=sshd.connection(host_key=other.export_public_key("openssh").decode()),
        stranger=sshd.connection(private_key=stranger, dial_error_limit=2),
        nobody=sshd.connection(port=1),
    )
    text = project.failing_up("--continue-on-error")
    failures = text.partition("Diagnostics:")[2]
    assert [failures.count(f"after {tries} failed attempts") for tries in (1, 2)] == [2, 1]
    assert (sshd.connections, sshd.commands) == (5, [])
    for key in (sshd.private_key, stranger):
        assert key.splitlines()[1] not in text


@pytest.fixture
def agent(sshd: Sshd) -> Iterator[Path]:
    """An SSH agent that holds the key."""
    socket, key = sshd.folder / "agent", sshd.folder / "key"
    key.write_text(sshd.private_key)
    key.chmod(0o600)
    process = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    wait_until(socket.exists, "the agent listens")
    subprocess.run(["ssh-add", "-q", key], env=os.environ | {"SSH_AUTH_SOCK": str(socket)}, check=True)
    yield socket
    process.terminate()
    process.wait()


def test_a_key_of_an_agent_through_a_bastion_with_an_encrypted_key(project: Project, sshd: Sshd, agent: Path) -> None:
    key = asyncssh.import_private_key(sshd.private_key).export_private_key("openssh", passphrase="x").decode()
    project.program(
        """
from pulumi_command import remote
proxy = remote.ProxyConnectionArgs(**data["proxy"])
connection = remote.ConnectionArgs(**data["connection"], proxy=proxy)
made = remote.Command("made", connection=connection, create="echo through")
"""
    )
    bastion = sshd.connection(private_key=key, private_key_password="x")
    project.data(connection=sshd.connection(private_key=None, agent_socket_path=str(agent)), proxy=bastion)
    project.up()
    assert project.resources()["made"]["outputs"]["stdout"] == "through"
    assert sshd.connections == 2


def test_a_large_stdin_arrives_whole_and_one_that_is_not_read_is_no_error(project: Project, sshd: Sshd) -> None:
    project.program(
        COMMAND
        + """
counted = remote.Command("counted", connection=connection, create="wc -c", stdin="x" * 3_000_000)
unread = remote.Command("unread", connection=connection, create="exec <&-; echo done", stdin="x" * 3_000_000)
"""
    )
    project.data(connection=sshd.connection())
    project.up()
    resources = project.resources()
    assert resources["counted"]["outputs"]["stdout"].strip() == "3000000"
    assert resources["unread"]["outputs"]["stdout"] == "done"


def test_an_error_hook_is_told_of_the_failure_and_can_have_it_tried_again(project: Project, sshd: Sshd) -> None:
    project.program(
        COMMAND
        + """
def explain(failure):
    pulumi.log.error(f"{failure.name}: {failure.failed_operation}: tried {len(failure.errors)}: {failure.errors[0]}")
    return len(failure.errors) < 2
hooks = pulumi.ResourceHookBinding(on_error=[pulumi.ErrorHook("explain", explain)])
remote.Command("made", connection=connection, create="echo the cause >&2; exit 9",
               opts=pulumi.ResourceOptions(hooks=hooks))
"""
    )
    project.data(connection=sshd.connection())
    text = project.failing_up()
    assert "made: create: tried 2: Process exited with status 9" in text
    assert text.count("the cause") >= 2
    assert len(sshd.commands) == 2


@lab_only
def test_an_input_that_is_not_implemented_is_refused_by_name(project: Project, sshd: Sshd) -> None:
    one(project, sshd, create="echo never", environment={"A": "b"})
    text = project.failing_up()
    assert "environment" in text
    assert "does not implement this input" in text
    assert sshd.connections == 0


def test_an_engine_that_is_killed_is_followed_by_one_that_converges(project: Project, sshd: Sshd) -> None:
    """kill -9 leaves a lock, which `cancel` takes away, and a creation that stays pending until a refresh clears it."""
    one(project, sshd, create=UNTIL_GO)
    process = project.start("up", "--yes", "--skip-preview")
    wait_until((sshd.folder / "started").exists, "the command runs")
    kill_engine(process)
    (sshd.folder / "go").touch()
    wait_until(lambda: not project.processes(), "plugins and program have noticed and are gone")
    assert sshd.open == 0
    assert "locked" in project.failing_up()
    assert project.run("cancel", "--yes").status == 0
    project.up()
    assert project.resources()["made"]["outputs"]["stdout"] == "finished"
    assert project.run("refresh", "--yes", "--skip-preview", "--clear-pending-creates").status == 0
    assert "pending operations" not in project.up()


def interrupted(project: Project, sshd: Sshd) -> "subprocess.Popen[str]":
    """An engine that was interrupted while a command runs, and still waits for it."""
    one(project, sshd, create=UNTIL_GO)
    process = project.start("up", "--yes", "--skip-preview")
    wait_until((sshd.folder / "started").exists, "the command runs")
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1)
    return process


def test_an_interrupted_engine_waits_for_the_command_that_runs_and_keeps_what_it_did(
    project: Project, sshd: Sshd
) -> None:
    """It must not lose what a host has done, and whoever interrupts it must know that it takes as long as that step."""
    process = interrupted(project, sshd)
    (sshd.folder / "go").touch()
    text, _ = process.communicate(timeout=10)
    assert process.returncode != 0, text
    assert project.resources()["made"]["outputs"]["stdout"] == "finished"


def test_an_engine_that_is_interrupted_twice_waits_for_nothing_and_leaves_no_lock(project: Project, sshd: Sshd) -> None:
    process = interrupted(project, sshd)
    process.send_signal(signal.SIGINT)
    text, _ = process.communicate(timeout=10)
    assert process.returncode != 0, text
    (sshd.folder / "go").touch()
    assert "interrupted while creating" in project.up()
