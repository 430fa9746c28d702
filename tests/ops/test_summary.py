"""A preview's summary: what is interrupted, where and in which order, and what is written, for whoever reviews it."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.__main__ import commands
from ops.review import PreviewError, read, summary
from ops.review.files import MOST_LINES
from ops.review.turns import UNITS, turns
from render.files import File
from tests.ops import previews
from tests.ops.previews import preview, staging, step, turn

SCRIPTS = Path(__file__).parents[2] / "scripts"
OLD, NEW = (File("/etc/kubernetes/manifests/etcd.yaml", f"image: {tag}\nname: etcd\n") for tag in ("one", "two"))
KUBELET = [File("/var/lib/kubelet/config.yaml", f"kind: KubeletConfiguration\nmaxPods: {pods}\n") for pods in (50, 60)]


def of(*steps: previews.Json, hosts: tuple[str, ...] = previews.HOSTS) -> str:
    return summary(read(preview(*steps, hosts=hosts)))


def test_a_change_of_one_kubelet_setting_of_one_worker_is_that_line_on_that_host_and_nothing_else() -> None:
    text = of(staging("huashan", "kubelet", "kubelet", *KUBELET), turn("huashan"))
    assert text == (
        "### staging, release 2026.10 → 2026.11: 2 changed, 7 unchanged\n"
        "\n"
        "**In this order**, a host when those before it are well again; the same number: side by side\n"
        "- 1: `huashan`: restarts kubelet\n"
        "\n"
        "**Written on the hosts**\n"
        "`huashan`:\n"
        "```diff\n"
        "  /var/lib/kubelet/config.yaml\n"
        "-maxPods: 50\n"
        "+maxPods: 60\n"
        "```\n"
    )


def test_masters_are_named_in_the_order_of_their_turns_and_what_changes_alike_is_told_once() -> None:
    stages = [staging(name, "etcd", "etcd", OLD, NEW) for name in ("emei", "shaolin")]
    text = of(*stages, turn("emei", after=["shaolin-activate"]), turn("shaolin"))
    assert "- 1 to 2: `shaolin`, then `emei`: restarts etcd, kube-apiserver\n" in text
    assert text.count("+image: two") == 1
    assert "`emei`, `shaolin`:\n```diff" in text


def test_hosts_that_wait_for_nobody_go_side_by_side() -> None:
    stages = [staging(name, "etcd", "etcd", OLD, NEW) for name in ("emei", "shaolin")]
    assert "- 1: `emei`, `shaolin`: restarts etcd, kube-apiserver\n" in of(*stages, turn("emei"), turn("shaolin"))


def test_a_load_balancer_reloads_and_restarts_nothing() -> None:
    """Who reads "restarts nginx" expects cut connections, and waits for a quiet hour for no reason."""
    files = [File("/etc/nginx/nginx.conf", f"proxy_timeout {minutes}m;\n") for minutes in (10, 20)]
    text = of(staging("lb1", "lb", "lb", *files), turn("lb1", "activate-lb"))
    assert "- 1: `lb1`: reloads nginx\n" in text
    assert "restarts" not in text


def test_what_a_renewal_leaves_to_do_on_masters_has_its_place_after_their_turns() -> None:
    left = turn("shaolin", "renewal", op="delete")
    text = of(turn("emei", "renewal", ["emei-activate"], op="create"), turn("emei"), left)
    assert "- 2: `emei`: restarts kubelet, if its certificate is not of the authority that issues now\n" in text
    assert "shaolin" not in text


def test_a_host_that_is_both_master_and_load_balancer_has_two_turns() -> None:
    nginx = [File("/etc/nginx/nginx.conf", f"proxy_timeout {minutes}m;\n") for minutes in (10, 20)]
    stages = [staging("emei", "lb", "lb", *nginx), staging("emei", "etcd", "etcd", OLD, NEW)]
    text = of(*stages, turn("emei", "activate-lb"), turn("emei"))
    assert "`emei`: reloads nginx\n" in text
    assert "`emei`: restarts etcd, kube-apiserver\n" in text


def test_a_restart_that_waits_for_no_turn_is_told_too() -> None:
    watch = [File("/etc/systemd/system/evenkeel-silent-peers.service", f"ExecStart={peer}\n") for peer in ("a", "b")]
    told = "Beside, and interrupting nothing: `emei`: restarts evenkeel-silent-peers\n"
    alone = of(staging("emei", "prepare", "silent-peers", *watch))
    assert told in alone
    assert "Nothing restarts" not in alone
    stages = [staging("emei", "prepare", "silent-peers", *watch), staging("emei", "etcd", "etcd", OLD, NEW)]
    assert f"restarts etcd, kube-apiserver\n\n{told}" in of(*stages, turn("emei"))


def test_of_secret_files_only_that_they_change_is_told_and_whom_it_concerns() -> None:
    hidden = step("update", "command:remote:Command", "emei-etcd-secrets", {"stdin": "[secret]"}, {"stdin": "[secret]"})
    hidden["detailedDiff"] = {"stdin": {"kind": "update"}}
    text = of(hidden, turn("emei"))
    assert "- 1: `emei`: may restart, for files not shown, etcd\n" in text
    assert "Secret, or known after `up`: files on `emei`\n" in text


def test_a_file_that_only_an_up_will_tell_is_not_shown_as_gone() -> None:
    later = {"stdin": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}
    old = {"stdin": "put lb.ca 0644 root:root /ca.pem newline <<'EVENKEEL_EOF'\nold\nEVENKEEL_EOF\n"}
    text = of(step("update", "command:remote:Command", "lb1-lb-ca", old, later), turn("lb1", "activate-lb"))
    assert "/ca.pem" not in text
    assert "may restart, for files not shown, nginx" in text


def test_a_hub_names_the_containers_that_it_replaces() -> None:
    container = "docker:index/container:Container"
    core = step("replace", container, "hub1-harbor-core", {"image": "a"}, {"image": "b"})
    text = of(core, turn("hub1", "leave"), turn("hub1", "return", ["hub1-leave"]), hosts=("hub1",))
    assert "- 1: `hub1`: takes no new clients, replaces harbor-core, and returns\n" in text


def test_hosts_whose_names_begin_alike_are_kept_apart() -> None:
    text = of(staging("emei-2", "etcd", "etcd", OLD, NEW), turn("emei-2"), hosts=("emei", "emei-2"))
    assert "`emei-2`: restarts etcd, kube-apiserver\n" in text
    assert "`emei`" not in text


def test_a_new_host_is_told_by_its_folders_and_one_that_goes_writes_nothing() -> None:
    files = [File(f"/usr/local/lib/evenkeel/{name}", "text\n") for name in ("a.sh", "b.sh")]
    new = staging("emei", "prepare", "scripts", None, files[0])
    new["newState"]["inputs"]["stdin"] += staging("emei", "x", "scripts", None, files[1])["newState"]["inputs"]["stdin"]
    gone = staging("huashan", "kubelet", "kubelet", *KUBELET) | {"op": "delete"}
    text = of(new, turn("emei", op="create"), gone, turn("huashan", op="delete"))
    assert "+ /usr/local/lib/evenkeel/: 2 files\n" in text
    assert "`emei`: starts for the first time\n" in text
    assert "`huashan`: leaves\n" in text
    assert "maxPods" not in text


def programs(host: str, *versions: str, row: str) -> previews.Json:
    """The preparation of a host whose programs become others; ``row`` is what the table says of one."""
    tables = [row.format(version=version, sha256=str(number) * 64) for number, version in enumerate(versions)]
    old, new = ({"stdin": f"ARTIFACTS='{table}\n'\n"} for table in tables)
    return step("update", "command:remote:Command", f"{host}-prepare", old, new)


def test_programs_of_a_release_are_told_by_version_and_checksum_and_restart_what_runs_them() -> None:
    row = "runtime x86_64 {version} containerd {sha256} tar /usr/local/bin *"
    text = of(programs("emei", "2.3.0", "2.3.1", row=row), turn("emei"))
    assert "program containerd (x86_64): 2.3.0 (000000000000…) → 2.3.1 (111111111111…)\n" in text
    assert "`emei`: restarts containerd\n" in text


@pytest.mark.parametrize(
    ("was", "restarted"),
    [("1.36.3", "kubelet"), ("1.35.8", "etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubelet")],
)
def test_a_kubelet_of_another_minor_version_restarts_every_pod_of_a_manifest_though_none_differs(
    was: str, restarted: str
) -> None:
    """It takes the pod of an unchanged manifest for another pod, and kills the one that runs."""
    row = "kubelet x86_64 {version} kubelet {sha256} plain /usr/local/bin kubelet"
    steps = [one for host in ("emei", "huashan") for one in (programs(host, was, "1.36.4", row=row), turn(host))]
    told = {one.host: one.what for one in turns(read(preview(*steps)))}
    assert told == {"emei": f"restarts {restarted}", "huashan": "restarts kubelet"}


def test_a_file_that_differs_in_most_lines_does_not_fill_the_screen() -> None:
    files = [File("/etc/long.conf", "".join(f"{text} {line}\n" for line in range(200))) for text in ("old", "new")]
    text = of(staging("emei", "etcd", "etcd", *files))
    assert f"  ... and {400 - MOST_LINES} lines more\n" in text
    assert len(text.splitlines()) < MOST_LINES + 20


def test_lines_that_begin_like_a_diff_s_own_are_shown() -> None:
    files = [File("/etc/a", f"{begin}-- mine\n") for begin in ("-", "+")]
    assert "---- mine\n++-- mine\n" in of(staging("emei", "etcd", "etcd", *files))


def test_a_changed_mode_is_a_change() -> None:
    files = [File("/etc/a", "same\n", mode=mode) for mode in ("0644", "0600")]
    assert "-mode 0644 root:root\n+mode 0600 root:root\n" in of(staging("emei", "etcd", "etcd", *files))


def test_an_object_in_the_cluster_is_told_by_the_values_that_differ() -> None:
    inputs: list[previews.Json] = [
        {
            "metadata": {"name": "kube-proxy", "namespace": "kube-system"},
            "spec": {"template": {"spec": {"containers": [{"name": "main", "image": image}]}}},
            "data": {"config.conf": f"mode: nftables\nmetrics: {image}\n"},
        }
        for image in ("one", "two")
    ]
    text = of(step("update", "kubernetes:apps/v1:DaemonSet", "addons-daemonset-kube-proxy", inputs[0], inputs[1]))
    assert "  ~ DaemonSet kube-system/kube-proxy\n" in text
    assert "-containers[0].image: one\n+containers[0].image: two\n" in text
    assert "  data.config.conf\n-metrics: one\n+metrics: two\n" in text
    assert "**Nothing restarts.**" in text


def test_nothing_that_a_preview_has_is_left_out() -> None:
    key = step("create", "tls:index/privateKey:PrivateKey", "pki-new", None, {"algorithm": "ECDSA"})
    check = step("update", "command:remote:Command", "emei-preflight", {"stdin": "a"}, {"stdin": "b"})
    text = of(key, check)
    assert "Checked and run again: preflight (1)\n" in text
    assert "Also: 1 new PrivateKey\n" in text


def test_a_preview_without_changes_is_one_line() -> None:
    assert of() == "### staging, release 2026.10 → 2026.11: no change, 7 unchanged\n"


def test_a_preview_that_failed_says_why() -> None:
    fault = {"severity": "error", "message": "evenkeel:hosts.emei.address: is missing; add it"}
    text = summary(read(preview(diagnostics=[fault])))
    assert "**The engine reports errors:**\n```\nevenkeel:hosts.emei.address: is missing; add it\n```" in text


@pytest.mark.parametrize("text", ["", "no JSON at all", "{\n", "{}", '{"steps": []}'])
def test_what_is_no_preview_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(PreviewError, match=r"`pulumi preview --json`"):
        read(text)


def test_the_command_reads_standard_input_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "preview.json"
    path.write_text(f"warning: printed before\n{preview(turn('emei'))}")
    given = CliRunner().invoke(commands(), ["summarize-preview", str(path)])
    piped = CliRunner().invoke(commands(), ["summarize-preview"], input=path.read_text())
    assert given.exit_code == 0
    assert given.output == piped.output
    assert "`emei`: looks whether all is as it should be" in given.output
    refused = CliRunner().invoke(commands(), ["summarize-preview"], input="nothing")
    assert refused.exit_code == 1
    assert "pipe the output of `pulumi preview --json` here" in refused.output


def test_each_unit_is_restarted_for_the_parts_that_the_scripts_restart_it_for() -> None:
    """A summary that forgets a restart is worse than none."""
    names = {
        "runtime": "containerd",
        "etcd": "etcd",
        "apiserver": "kube-apiserver",
        "controller_manager": "kube-controller-manager",
        "scheduler": "kube-scheduler",
        "kubelet": "kubelet",
        "approver": "csr-approver",
        "balancer": "nginx",
    }
    texts = "".join(path.read_text() for path in SCRIPTS.glob("activate-*.sh")) + (SCRIPTS / "kubelet.sh").read_text()
    found = dict(re.findall(r'^(\w+)_PARTS="([^"]*)"$', texts, re.MULTILINE))
    in_scripts = {names[name.lower()]: set(parts.split()) for name, parts in found.items()}
    assert in_scripts | {"keepalived": {"vip"}} == {unit: set(parts) for unit, parts in UNITS.items()}
