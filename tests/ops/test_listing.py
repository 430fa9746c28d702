"""What ``ops status`` asks kubectl for, asked of a real API server."""

import os
import subprocess
from pathlib import Path

import pytest

from lab import toolchain
from ops import health, status
from tests.ops import readings
from tests.plugins.kubernetes import control_plane
from tests.settings import samples

pytestmark = pytest.mark.built

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
ADMIN = "/etc/kubernetes/admin.conf"


def test_nodes_and_leaders_come_in_one_answer(tmp_path: Path) -> None:
    """The API server has a lease of its own there too; no scheduler ever led here."""
    (tmp_path / "api").mkdir()
    with control_plane.running(tmp_path / "api") as api:
        api.add_node("shaolin")
        api.post(LEASES, readings.lease("kube-controller-manager", "shaolin_4c1f", "2100-01-01T00:00:00.000000Z"))
        (tmp_path / "admin.conf").write_text(api.kubeconfig)
        script = status.LISTED.replace(ADMIN, str(tmp_path / "admin.conf"))
        path = f"{toolchain.binary('kubernetes', 'kubectl').parent}:{os.environ['PATH']}"
        done = subprocess.run(["sh", "-euc", script], env={"PATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = health.report("sample", samples.stack(tmp_path), {}, done.stdout, readings.NOW)
    assert "shaolin" in [node.name for node in found.nodes]
    assert found.leaders == {"kube-controller-manager": "shaolin", "kube-scheduler": None}
