"""look.sh, run here over a folder of files instead of a host."""

import subprocess

from ops.adopt.look import SCRIPT, Look, read


def test_lines_are_read_back_as_the_host_has_them() -> None:
    printed = "file /etc/x.crt YQpiCg==\nanswer clock 0 MTc=\nanswer nodes 7 bm8=\nanswer adopted 1 \n"
    look = read(printed)
    assert look.files == {"/etc/x.crt": "a\nb\n"}
    assert {name: (one.status, one.text) for name, one in look.answers.items()} == {
        "clock": (0, "17"),
        "nodes": (7, "no"),
        "adopted": (1, ""),
    }


def test_a_host_without_a_cluster_answers_every_question_too() -> None:
    done = subprocess.run(["sh", "-s"], input=SCRIPT.read_text(), capture_output=True, text=True, check=True)
    look: Look = read(done.stdout)
    assert look.answers["clock"].status == 0
    assert look.answers["nodes"].status != 0
    assert look.answers["etcd-members"].status != 0
