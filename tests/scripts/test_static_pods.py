"""What a master says of a static pod that does not become well (scripts/static-pods.sh).

Its replacement, and the last lines of a pod that ran, are seen where hosts run them (tests/lab/test_rolls.py).
"""

import os
import subprocess
from pathlib import Path

import pytest

from tests.scripts.bare_host import SCRIPTS_FOLDER

CAUSE = 'E1128 "Error syncing pod, skipping" err="failed to start sandbox of etcd-one_kube-system: oom_score_adj"'
OTHERS = 'E1128 "Error syncing pod, skipping" err="failed to start sandbox of kube-scheduler-one_kube-system"'


def test_a_pod_that_never_ran_is_explained_by_the_kubelet(tmp_path: Path) -> None:
    """containerd could start nothing, and the message ended with "the last lines of etcd:" and no line."""
    journal = tmp_path / "journalctl"
    journal.write_text(f"#!/bin/sh\nprintf '%s\\n' '{CAUSE.replace('adj', 'old')}' '{CAUSE}' '{OTHERS}'\n")
    journal.chmod(0o755)
    script = (
        f"set -eu\n. {SCRIPTS_FOLDER}/lib.sh\n. {SCRIPTS_FOLDER}/static-pods.sh\npod_failed etcd 'it keeps ending'\n"
    )
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "EVENKEEL_HOST": "one"}
    done = subprocess.run(["sh", "-s"], input=script, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    said, cause, remedy = done.stderr.splitlines()
    assert said == "evenkeel: one: etcd has said nothing; the last that the kubelet says of it:"
    assert cause == f"    {CAUSE}"
    assert remedy.startswith("evenkeel: one: activate etcd: it keeps ending; ")


@pytest.mark.parametrize(("newest", "ends"), [(3, False), (5, False), (6, True)])
def test_starts_from_an_earlier_life_of_a_pod_do_not_count(tmp_path: Path, newest: int, ends: bool) -> None:
    """A pod that was changed and changed back within a minute has its folder of before, and was given up at once."""
    script = (
        f"set -eu\n. {SCRIPTS_FOLDER}/lib.sh\n. {SCRIPTS_FOLDER}/static-pods.sh\n"
        f"log_folder() {{ echo {tmp_path}; }}\nrunning() {{ echo one; }}\n"
        "healthy_name=etcd healthy_folder=/another healthy_starts=0\n"
        f"! keeps_ending\n>{tmp_path}/{newest}.log\nkeeps_ending && echo ends\n"
    )
    (tmp_path / "3.log").touch()
    done = subprocess.run(["sh", "-s"], input=script, capture_output=True, text=True, check=False)
    assert (done.stdout == "ends\n", done.stderr) == (ends, "")


def test_a_pod_that_comes_back_unchanged_is_another_pod(tmp_path: Path) -> None:
    """Put back, it was the same pod to the kubelet, and waited for up to 5 minutes as if it had crashed."""
    manifests = tmp_path / "etc/kubernetes/manifests"
    manifests.mkdir(parents=True)
    staged = tmp_path / "staged/scheduler/files" / manifests.relative_to("/") / "kube-scheduler.yaml"
    staged.parent.mkdir(parents=True)
    for folder in ("staged/kubeconfig", "applied"):
        (tmp_path / folder).mkdir()
    kubeconfig = tmp_path / "staged/kubeconfig/scheduler.conf"

    def place(*, text: str = "image", secret: str, now: int) -> tuple[str, bool]:
        """The manifest as place_pod would leave it, and whether the one that is there may stay."""
        staged.write_text(f"evenkeel.dev/revision: '@REVISION@'\n{text}\n")
        kubeconfig.write_text(secret)
        script = (
            f"set -eu\n. {SCRIPTS_FOLDER}/lib.sh\n. {SCRIPTS_FOLDER}/static-pods.sh\n"
            f"EVENKEEL_STATE={tmp_path} MANIFESTS={manifests}\ndate() {{ echo {now}; }}\n"
            f"in_place kube-scheduler scheduler kubeconfig && echo stays\n"
            f"fill_manifest {staged} >{tmp_path}/live\n"
            f"mv {tmp_path}/live $MANIFESTS/kube-scheduler.yaml\n"
        )
        done = subprocess.run(["sh", "-s"], input=script, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return (manifests / "kube-scheduler.yaml").read_text(), done.stdout == "stays\n"

    first, stays = place(secret="a", now=1)
    assert not stays
    assert place(secret="a", now=2) == (first, True)
    changed, stays = place(secret="b", now=3)
    assert not stays
    assert not place(secret="b", text="another image", now=4)[1]
    back, stays = place(secret="a", now=5)
    assert not stays
    assert len({first, changed, back}) == 3
