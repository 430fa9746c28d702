"""How the lab's tests are shared out among workers, asked of pytest and pytest-xdist themselves."""

import subprocess
import sys

from lab.paths import CLONE

COMMAND = ["pytest", "tests/lab", "-n", "1", "--dist", "loadgroup", "-m", "lab", "--setup-plan", "--verbose"]


def test_every_test_of_the_lab_has_a_group_that_the_workers_share_out() -> None:
    # A pytest whose node ids pytest-xdist could not write to dropped all groups without a word: two workers made and
    # removed each other's hosts, and two runs of the engine met the same stack's lock.
    plan = subprocess.run([sys.executable, "-m", *COMMAND], cwd=CLONE, capture_output=True, text=True, check=True)
    tests = [line.strip() for line in plan.stdout.splitlines() if line.startswith("tests/lab/") and "::" in line]
    groups = {test.partition("::")[0]: test.rpartition("@")[2] for test in tests if "@" in test}
    assert groups
    assert [test for test in tests if not test.endswith((f"@{test.partition('::')[0]}", "@dev", "@cluster"))] == []
