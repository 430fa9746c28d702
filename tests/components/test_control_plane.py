"""A control plane's components: what travels where, in the open or not, and in which order."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from components.etcd_member import genesis
from components.host import RemoteHost, RemoteHostArgs
from components.rollout import Rollout, RolloutArgs
from tests.components.composed import control_plane
from tests.components.recorder import RUN, Registration, commands, is_secret, plain_texts, run, unwrapped
from tests.settings import samples


@pytest.fixture(params=[False, True], ids=["up", "preview"])
def registered(request: pytest.FixtureRequest, tmp_path: Path) -> list[Registration]:
    stack = samples.stack(tmp_path)
    return run(lambda: control_plane(stack), preview=request.param)


def test_no_private_key_or_kubeconfig_is_ever_registered_in_the_open(registered: list[Registration]) -> None:
    for one in registered:
        for text in plain_texts(one.inputs):
            assert "PRIVATE KEY" not in text, f"{one.name} shows a private key"
            assert "client-key-data" not in text, f"{one.name} shows a kubeconfig's key"
            assert samples.PRIVATE_KEY not in text, f"{one.name} shows the SSH key"


def test_secrets_travel_on_standard_input_and_nothing_of_them_is_logged(tmp_path: Path) -> None:
    stack = samples.stack(tmp_path)
    found = commands(run(lambda: control_plane(stack)))
    for name in ("shaolin-etcd-secrets", "shaolin-control-plane-secrets", "huashan-kubelet-secrets"):
        assert is_secret(found[name].inputs["stdin"]), f"{name} is readable in state"
        assert found[name].inputs["logging"] == "none"
        assert "PRIVATE KEY" in unwrapped(found[name].inputs["stdin"])


def test_the_manifest_of_a_master_can_be_read_in_a_preview(tmp_path: Path) -> None:
    stack = samples.stack(tmp_path)
    found = commands(run(lambda: control_plane(stack), preview=True))
    assert "--advertise-address=192.0.2.12\n" in found["wudang-control-plane"].inputs["stdin"]
    assert "--initial-cluster-state=existing" in found["emei-etcd"].inputs["stdin"]


def test_a_founding_ticket_is_given_only_by_the_first_staging_of_a_host(tmp_path: Path) -> None:
    """A host that lost its data and came back with a ticket would found a second, empty cluster."""
    stack = samples.stack(tmp_path)
    found = commands(run(lambda: control_plane(stack)))
    secrets = found["shaolin-etcd-secrets"].inputs
    assert secrets["create"] == "sh -s -- first"
    assert secrets["update"] == "sh -s -- again"
    ticket = unwrapped(secrets["stdin"]).partition('if [ "$1" = first ]; then\n')[2]
    assert "founding-ticket.sh 00000000-0000-4000-8000-000000000000 shaolin=https://192.0.2.11:2380," in ticket


def test_a_turn_runs_again_whenever_something_was_staged_again(tmp_path: Path) -> None:
    """A turn failed on a bad flag, and its author went back to the old one: for the engine, which keeps the inputs of
    the last turn that succeeded, nothing had changed, and the master kept what it had failed with."""
    stack = samples.stack(tmp_path)
    turn = commands(run(lambda: control_plane(stack)))["shaolin-activate"].inputs
    assert turn["create"] == "sh -s -- first"
    assert turn["update"].split()[:4] == ["sh", "-s", "--", "again"]
    assert turn["update"].split().count(RUN) == 4  # etcd and the rest, secret and plain


def test_masters_stand_by_for_etcds_lead_whatever_of_etcd_was_staged(tmp_path: Path) -> None:
    """Renewed certificates of etcd alone, or another flag of it, restarted members whose apiservers nobody held still:
    the step that has them stand by had not changed itself, so it was not run, and writes failed as the lead moved."""
    stack = samples.stack(tmp_path)
    found = commands(run(lambda: control_plane(stack)))
    stands_by = found["shaolin-control-plane"]
    assert "activate-master.sh first" in stands_by.inputs["stdin"]
    assert stands_by.inputs["update"].split().count(RUN) == 3  # etcd's two, and the other secrets
    assert {"shaolin-etcd", "shaolin-etcd-secrets", "shaolin-prepare"} <= stands_by.after


BORN_BEFORE = {"etcd-genesis": {"keepers": {"founders": "shaolin=https://192.0.2.11:2380"}}}


def test_masters_have_their_turns_one_after_another(tmp_path: Path) -> None:
    stack = samples.stack(tmp_path)
    found = commands(run(lambda: control_plane(stack), known=BORN_BEFORE))
    assert "shaolin-activate" in found["wudang-activate"].after
    assert "wudang-activate" in found["emei-activate"].after
    assert "emei-activate" in found["huashan-activate"].after


def test_workers_have_their_turns_in_few_lanes_so_that_most_of_them_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        monkeypatch.setitem(samples.HOSTS, f"worker{number}", (f"192.0.2.{100 + number}", ["worker"]))
    stack = samples.stack(tmp_path)

    def rollout() -> None:
        hosts = [RemoteHost(name, RemoteHostArgs(host)) for name, host in stack.workers().items()]
        workers: list[Any] = [SimpleNamespace(host=host, variables={}, staged=()) for host in hosts]
        Rollout("rollout", RolloutArgs(stack, genesis(stack), (), workers))

    found = commands(run(rollout, known=BORN_BEFORE))
    turns = [f"{name}-activate" for name in stack.workers()]
    assert len(turns) == 21
    before = {name: found[name].after & set(turns) for name in turns}
    assert before == {name: {turns[at - 3]} if at >= 3 else set() for at, name in enumerate(turns)}


def test_at_the_clusters_birth_the_masters_are_waited_for_all_at_once(tmp_path: Path) -> None:
    """Nobody can be interrupted, and in a chain each wait would come on top of the one before."""
    stack = samples.stack(tmp_path)
    found = commands(run(lambda: control_plane(stack)))
    turns = {f"{name}-activate" for name in stack.masters()}
    assert not [name for name in turns if found[name].after & turns]
    assert found["huashan-activate"].after >= turns


def test_who_founded_the_cluster_stays_what_it_was_on_that_day(tmp_path: Path) -> None:
    """A master that is added later would otherwise be told that it is a founder, and could found a second cluster."""
    stack = samples.stack(tmp_path)
    found = commands(run(lambda: control_plane(stack), known=BORN_BEFORE))
    ticket = unwrapped(found["emei-etcd-secrets"].inputs["stdin"]).partition('if [ "$1" = first ]; then\n')[2]
    assert "emei=" not in ticket.partition("founding-ticket.sh")[2].splitlines()[0]


def test_every_script_runs_wholly_or_not_at_all(tmp_path: Path) -> None:
    """A connection cut in the middle must not leave half a script running: the last line is what starts it."""
    stack = samples.stack(tmp_path)
    for name, command in commands(run(lambda: control_plane(stack))).items():
        text = unwrapped(command.inputs["stdin"])
        assert text.startswith("main() {\n"), name
        assert text.endswith('\n}\nmain "$@"\n'), name


def test_every_host_shows_the_pinned_key(registered: list[Registration]) -> None:
    for name, command in commands(registered).items():
        connection = unwrapped(command.inputs["connection"])
        assert connection["hostKey"].startswith("ssh-ed25519 "), f"{name} would talk to any host"


def test_a_sudo_user_needs_no_root_login(tmp_path: Path) -> None:
    stack = samples.stack(tmp_path, {"ssh": {**samples.values()["ssh"], "user": "operator"}})
    found = commands(run(lambda: control_plane(stack)))
    assert "sudo -n sh -s" in found["shaolin-etcd"].inputs["create"]


def test_a_role_that_leaves_a_host_is_taken_away_there_by_the_step_that_leaves_the_stack(tmp_path: Path) -> None:
    """An nginx, a keepalived or an etcd member that nobody manages any more goes on with what it was told last."""
    stack = samples.stack(tmp_path)
    found = commands(run(lambda: control_plane(stack)))
    retire = "/usr/local/lib/evenkeel/retire.sh"
    given = {name: one.inputs["delete"] for name, one in found.items() if one.inputs.get("delete")}
    masters, nodes = {f"{name}-control-plane" for name in stack.masters()}, {f"{n}-activate" for n in stack.nodes()}
    assert given == dict.fromkeys(masters, f"{retire} master") | dict.fromkeys(nodes, f"{retire} node")


def test_a_step_that_is_replaced_takes_nothing_away(tmp_path: Path) -> None:
    """The engine ends a replaced step after it has begun the new one. So the host knows by itself which roles it has,
    and is told so before anything else is done there."""
    stack = samples.stack(tmp_path)
    prepare = commands(run(lambda: control_plane(stack)))["shaolin-prepare"].inputs["stdin"]
    assert "name shaolin\nroles master\n" in prepare
