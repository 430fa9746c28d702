"""scripts/upstream-check.sh with a real nginx: an upstream leaves before it stops and returns when it is well.

The figures behind the limits: a round begins every 0.5 s and waits at most 1 s for an answer; the rest is for a busy
machine.
"""

import http.client
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from render.load_balancer import HttpCheck
from tests.scripts.nginx_host import Load, NginxHost, nginx_host
from tests.scripts.tls_upstream import authority_and_context
from tests.waiting import eventually

NAMES = ("shaolin", "wudang", "emei")
LEAVES_WITHIN = 2.0
HUNG_LEAVES_WITHIN = 3.0
RETURNS_WITHIN = 2.0
AT_ALL = 15.0  # where not the time is looked at, but what follows


@pytest.fixture
def host() -> Iterator[NginxHost]:
    """A load balancer before three ready upstreams, with the check running."""
    with nginx_host("shaolin", "wudang", "emei") as running:
        running.start_check()
        running.await_verdicts(3, shaolin="up", wudang="up", emei="up")
        yield running


def await_answers(host: NginxHost, *names: str) -> None:
    """Until these alone answer: after a reload a worker of before may take one more connection, on a busy machine."""
    eventually(lambda: {host.answered_by() for _ in range(12)} == set(names), 2, f"{names} alone answer")


def test_nginx_starts_and_serves_before_the_check_has_ever_run() -> None:
    with nginx_host("shaolin", "wudang") as host:
        assert {host.answered_by() for _ in range(8)} == {"shaolin", "wudang"}
        assert host.page("/upstreams/apiserver") == (503, "the check does not run, or nginx does not heed it\n")


def test_an_upstream_that_says_it_is_not_ready_leaves_and_returns(host: NginxHost) -> None:
    host.upstreams[1].readiness = 500
    host.await_verdicts(LEAVES_WITHIN, shaolin="up", wudang="down", emei="up")
    await_answers(host, "shaolin", "emei")
    host.upstreams[1].readiness = 200
    host.await_verdicts(RETURNS_WITHIN, shaolin="up", wudang="up", emei="up")
    assert "apiserver: wudang is not ready (HTTP 500): no new connections" in host.log.read_text()


def test_an_apiserver_without_its_rules_yet_gets_no_connections(host: NginxHost) -> None:
    """It listens 1-4 s before RBAC is there and answers 403: 11-27 failures a roll, once."""
    host.upstreams[0].readiness = 403
    host.await_verdicts(LEAVES_WITHIN, shaolin="down", wudang="up", emei="up")


def test_an_upstream_that_refuses_connections_leaves(host: NginxHost) -> None:
    host.upstreams[2].stop()
    host.await_verdicts(LEAVES_WITHIN, shaolin="up", wudang="up", emei="down")


def test_an_upstream_that_accepts_and_never_answers_leaves(host: NginxHost) -> None:
    host.upstreams[2].hung = True
    host.await_verdicts(HUNG_LEAVES_WITHIN, shaolin="up", wudang="up", emei="down")


def test_the_last_ready_upstream_stays_and_when_nobody_is_ready_all_take_connections(host: NginxHost) -> None:
    host.upstreams[0].readiness = 500
    host.upstreams[1].readiness = 500
    host.await_verdicts(LEAVES_WITHIN, shaolin="down", wudang="down", emei="up")
    host.upstreams[2].readiness = 500
    seen = set()

    def all_are_up() -> bool:
        verdicts = host.verdicts()
        seen.add(verdicts["emei"])
        return set(verdicts.values()) == {"up"}

    eventually(all_are_up, 5, "all take connections")
    assert seen == {"up"}
    host.upstreams[1].readiness = 200
    host.await_verdicts(LEAVES_WITHIN, shaolin="down", wudang="up", emei="down")


def test_while_nobody_is_ready_failures_are_not_held_against_anybody(host: NginxHost) -> None:
    """At a cluster's birth nginx remembered three refusals, and answered nobody for 5 s after the first had come up."""
    for upstream in host.upstreams:
        upstream.stop()
    eventually(lambda: "nor is any other" in host.log.read_text(), 5, "nobody is ready")
    time.sleep(0.5)
    for _ in range(6):
        assert host.answered_by() not in NAMES
    for upstream in host.upstreams:
        upstream.readiness = 500
        upstream.start()
    eventually(lambda: host.answered_by() in NAMES, 1, "somebody answers")


def test_one_failure_does_not_shut_out_the_only_choice(host: NginxHost) -> None:
    """The check is still meanwhile: its next round would find nobody ready, and let all take connections."""
    for upstream in host.upstreams[:2]:
        upstream.readiness = 500
    host.await_verdicts(AT_ALL, shaolin="down", wudang="down", emei="up")
    await_answers(host, "emei")
    host.kill_check()
    host.upstreams[2].stop()
    assert host.answered_by() not in NAMES
    host.upstreams[2].start()
    eventually(lambda: host.answered_by() == "emei", 2, "it is asked again at once, not after nginx's 5 s")


def test_a_planned_restart_of_each_upstream_fails_no_request_on_a_fresh_connection(host: NginxHost) -> None:
    """The sequence of an apiserver: not ready but serving, gone, listening without rules, ready."""
    load = Load("127.0.0.1", host.port)
    for upstream in host.upstreams:
        upstream.readiness = 500
        time.sleep(2)
        upstream.stop()
        time.sleep(0.5)
        upstream.readiness = upstream.service = 403
        upstream.start()
        time.sleep(1)
        upstream.readiness = upstream.service = 200
        host.await_verdicts(RETURNS_WITHIN, shaolin="up", wudang="up", emei="up")
    answers = load.stop(NAMES)
    assert answers.good > 200
    assert answers.bad == []


def test_a_connection_that_is_there_already_outlives_the_drain(host: NginxHost) -> None:
    connection = _connected_to(host, "shaolin")
    host.upstreams[0].readiness = 500
    host.await_verdicts(LEAVES_WITHIN, shaolin="down", wudang="up", emei="up")
    assert _asked(connection) == "shaolin"
    connection.close()


def test_nothing_is_reloaded_while_nothing_changes(host: NginxHost) -> None:
    workers = host.workers()
    rounds = host.upstreams[0].checks
    eventually(lambda: host.upstreams[0].checks >= rounds + 6, 6, "six rounds")
    assert host.workers() == workers


def test_a_check_that_starts_again_finds_nginx_in_step_and_does_not_reload_it(host: NginxHost) -> None:
    workers = host.workers()
    host.kill_check()
    assert host.page("/upstreams/apiserver")[0] == 503
    host.start_check()
    host.await_verdicts(3, shaolin="up", wudang="up", emei="up")
    assert host.workers() == workers


def test_a_check_killed_between_its_lists_and_the_reload_catches_up_when_it_starts_again(host: NginxHost) -> None:
    host.kill_check()
    host.upstreams[1].readiness = 500
    served = host.state / "live" / "apiserver.upstream.conf"
    wanted = "".join(
        line.replace("fail_timeout=5s;", "fail_timeout=5s down;") if "wudang" in line else line
        for line in served.read_text().splitlines(keepends=True)
    )
    served.write_text(wanted)
    (host.state / "unloaded").touch()
    host.start_check()
    host.await_verdicts(3, shaolin="up", wudang="down", emei="up")
    assert not (host.state / "unloaded").exists()


def test_lists_that_nginx_refuses_never_go_live_and_the_page_says_that_it_is_not_heeded(host: NginxHost) -> None:
    served = host.state / "live" / "apiserver.upstream.conf"
    before, conf = served.read_text(), host.conf.read_text()
    host.conf.write_text(conf + "nonsense on;\n")
    host.upstreams[1].readiness = 500
    eventually(lambda: host.page("/upstreams/apiserver")[0] == 503, 3, "the page admits it")
    time.sleep(6)
    assert served.read_text() == before
    assert host.log.read_text().count('unknown directive "nonsense"') == 1, "it is tried again, but said once"
    host.conf.write_text(conf)
    host.await_verdicts(15, shaolin="up", wudang="down", emei="up")


def test_an_upstream_that_left_the_table_is_forgotten(host: NginxHost) -> None:
    host.upstreams[2].readiness = 500
    host.await_verdicts(AT_ALL, shaolin="up", wudang="up", emei="down")
    host.write(host.upstreams[:2])
    host.kill_check()
    host.start_check()
    host.await_verdicts(3, shaolin="up", wudang="up")
    assert "emei" not in (host.state / "live" / "apiserver.upstream.conf").read_text()


def test_the_status_page_names_the_configuration_that_nginx_runs_with(host: NginxHost) -> None:
    def revision() -> str:
        return subprocess.run(["sha256sum", host.conf], capture_output=True, text=True, check=True).stdout.split()[0]

    assert host.page("/revision") == (200, revision() + "\n")
    host.conf.write_text(host.conf.read_text().replace("proxy_timeout 10m", "proxy_timeout 11m"))
    assert host.page("/revision") != (200, revision() + "\n")
    host.kill_check()
    host.start_check()
    eventually(lambda: host.page("/revision") == (200, revision() + "\n"), 3, "nginx runs with the new file")


def test_strangers_may_not_read_the_status_page(host: NginxHost) -> None:
    assert host.page("/upstreams/apiserver", source="127.0.0.2")[0] == 403
    assert host.page("/alive", source="127.0.0.2")[0] == 403


def test_an_upstream_proves_itself_with_a_certificate_of_the_service_s_ca(tmp_path: Path) -> None:
    ca, context = authority_and_context(tmp_path)
    with nginx_host("shaolin", "wudang", check=HttpCheck(), tls=context) as host:
        (host.state / "apiserver.ca.pem").write_text(ca)
        host.start_check()
        host.await_verdicts(3, shaolin="up", wudang="up")
        host.upstreams[0].stop()
        host.upstreams[0].tls = authority_and_context(tmp_path)[1]
        host.upstreams[0].start()
        host.await_verdicts(LEAVES_WITHIN, shaolin="down", wudang="up")
        assert "apiserver: shaolin is not ready" in host.log.read_text()


def _asked(connection: http.client.HTTPConnection) -> str:
    connection.request("GET", "/")
    return connection.getresponse().read().decode()


def _connected_to(host: NginxHost, name: str) -> http.client.HTTPConnection:
    """A connection through the load balancer that is kept, to the upstream of this name."""
    for _ in range(12):
        connection = http.client.HTTPConnection("127.0.0.1", host.port, timeout=5)
        if _asked(connection) == name:
            return connection
        connection.close()
    raise AssertionError(f"no connection reached {name}")
