"""The README shows the figures that were measured, and no others."""

from bench import table

MEASURED = {
    "up_seconds": 20.0,
    "up_until_ready_seconds": 15.0,
    "floor_seconds": 10.0,
    "kubeadm_seconds": 50.0,
    "noop_up_seconds": 4.0,
    "noop_empty_up_seconds": 2.0,
    "noop_preview_seconds": 6.0,
    "noop_empty_preview_seconds": 2.0,
    "ssh_connections": {"one": 7, "two": 8},
    "lb_p50_ms": 1.1,
    "direct_p50_ms": 1.0,
}


def test_the_readme_shows_the_results_of_the_last_run() -> None:
    assert table.shown(table.README.read_text()) == table.markdown(table.read())


def test_the_results_follow_from_what_was_measured() -> None:
    found = table.read()
    assert found is None or found == table.results(found["measured"])


def test_without_a_run_no_figure_is_shown() -> None:
    rows = table.markdown(None).splitlines()[2:]
    assert [row.split(" | ")[1] for row in rows] == ["not yet"] * len(table.FIGURES)


def test_a_figure_above_its_target_says_so() -> None:
    rows = {row.split("`")[1]: row for row in table.markdown(table.results(MEASURED)).splitlines()[2:]}
    assert "**3.00** (missed) | 2.5" in rows["noop_preview_vs_empty_program"]
    assert "**2.00** | 2.5" in rows["noop_up_vs_empty_program"]


def test_a_figure_without_a_target_is_never_missed_and_one_that_was_not_measured_says_not_yet() -> None:
    found = table.results({**MEASURED, "harbor_pull_one_mb_s": 100.0, "harbor_pull_two_mb_s": 150.0})
    rows = {row.split("`")[1]: row for row in table.markdown(found).splitlines()[2:]}
    assert "**1.50** |  | 150 MB/s / 100 MB/s" in rows["harbor_pull_scale"]
    assert "not yet" in rows["harbor_login_failures"]
    assert "harbor_pull_scale" not in table.missed(found)
    assert "noop_preview_vs_empty_program" in table.missed(found)


def test_the_host_with_the_most_connections_counts() -> None:
    assert table.results(MEASURED)["figures"]["ssh_connections_per_host"]["value"] == 8


def test_a_new_table_takes_the_place_of_the_old_one_and_of_nothing_else() -> None:
    readme = f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n"
    assert table.written(readme, "new") == f"before\n{table.BEGIN}\nnew\n{table.END}\nafter\n"
