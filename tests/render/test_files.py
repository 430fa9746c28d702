"""Whoever reviews a script that stages files sees the files that it stages."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from render.files import HEREDOC_END, File, stage_script, staged_parts, wrap

texts = st.text(st.characters(exclude_characters="\x00\r", exclude_categories=["Cs"]), max_size=80).filter(
    lambda text: HEREDOC_END not in text.splitlines()
)
paths = st.sampled_from(["/etc/kubernetes/manifests/etcd.yaml", "/srv/a name/$HOME", "/it's"])
files = st.builds(File, paths, texts, st.sampled_from(["0644", "0600"]), st.sampled_from(["root:root", "10000:10000"]))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["etcd", "etcd.secret", "lb"]), st.lists(files, min_size=1, max_size=3)))
def test_the_files_of_a_script_are_those_that_it_was_made_of(parts: dict[str, list[File]]) -> None:
    assert staged_parts(wrap(f". lib.sh\nlock\n{stage_script(parts)}unlock\n")) == parts


def test_a_script_that_lays_down_nothing_has_no_files() -> None:
    assert staged_parts("put here, said the script\ncat <<'EVENKEEL_EOF'\nsomething\nEVENKEEL_EOF\n") == {}
