"""What lies on a master for the approver of kubelet serving certificates."""

from pathlib import Path

from render import csr_approver
from tests.settings import samples


def test_a_changed_script_changes_the_approvers_own_part_and_so_restarts_it(tmp_path: Path) -> None:
    """It lay among the host's other scripts once: a running approver went on with its first text, and approved late."""
    program, _, unit = csr_approver.files(samples.stack(tmp_path))
    assert (program.content, program.mode) == (csr_approver.SCRIPT.read_text(), "0755")
    assert f"\nExecStart={program.path}\n" in unit.content


def test_each_node_may_ask_for_its_own_name_and_address_and_no_load_balancer_for_any(tmp_path: Path) -> None:
    _, names, _ = csr_approver.files(samples.stack(tmp_path))
    assert names.content.splitlines() == [
        "shaolin shaolin 192.0.2.11",
        "wudang wudang 192.0.2.12",
        "emei emei 192.0.2.13",
        "huashan huashan 192.0.2.21",
    ]
