"""The provider's own inputs, and what happens where the cluster can't be reached or must not be trusted."""

import asyncio
import socket
import time

import pytest

from lab.plugins.kubernetes import kubeconfig
from lab.plugins.kubernetes.cluster import Cluster
from lab.plugins.values import UNKNOWN, plain
from tests.plugins.engine import lab_only
from tests.plugins.kubernetes import control_plane, relay
from tests.plugins.kubernetes.control_plane import Api
from tests.plugins.kubernetes.samples import CONFIG_MAP, DAEMON_SET, MAPS, config_map, workload
from tests.plugins.plugin_process import Plugin, RefusedError, started
from tests.ports import free_port
from tests.waiting import eventually

pytestmark = pytest.mark.built


@lab_only
def test_a_provider_input_that_nobody_knows_is_refused_by_the_lab(unconfigured: Plugin, config: dict[str, str]) -> None:
    failures = unconfigured.check_config(config | {"kubeConfig": "x"})
    assert failures == ["kubeConfig: the lab's plugin does not implement this input; did you mean 'kubeconfig'?"]


@lab_only
def test_client_side_apply_is_refused_by_the_lab(unconfigured: Plugin, config: dict[str, str]) -> None:
    assert "enableServerSideApply" in unconfigured.check_config(config | {"enableServerSideApply": "false"})[0]


@lab_only
def test_a_kubeconfig_that_turns_verification_off_is_refused_by_the_lab(unconfigured: Plugin, api: Api) -> None:
    lax = api.kubeconfig.replace('"server"', '"insecure-skip-tls-verify": true, "server"')
    assert "insecure-skip-tls-verify" in unconfigured.check_config({"kubeconfig": lax})[0]


def test_a_kubeconfig_known_only_later_is_no_fault(unconfigured: Plugin) -> None:
    assert unconfigured.check_config({"kubeconfig": UNKNOWN}) == []


def test_another_server_replaces_the_provider(unconfigured: Plugin, config: dict[str, str]) -> None:
    moved = {"kubeconfig": config["kubeconfig"].replace("127.0.0.1", "127.0.0.2")}
    assert unconfigured.diff_config(config, moved) == ["kubeconfig"]


def test_a_kept_cluster_identifier_says_that_it_is_the_same_cluster(
    unconfigured: Plugin, config: dict[str, str]
) -> None:
    named = {"clusterIdentifier": "dev"}
    moved = {"kubeconfig": config["kubeconfig"].replace("127.0.0.1", "127.0.0.2")}
    assert unconfigured.diff_config(config | named, moved | named) == []
    assert unconfigured.diff_config(config | named, {"kubeconfig": UNKNOWN} | named) == []


def test_another_cluster_identifier_replaces_the_provider(unconfigured: Plugin, config: dict[str, str]) -> None:
    old, new = config | {"clusterIdentifier": "dev"}, config | {"clusterIdentifier": "prod"}
    assert unconfigured.diff_config(old, new) == ["clusterIdentifier"]


def test_a_renewed_client_certificate_replaces_nothing(unconfigured: Plugin, api: Api) -> None:
    other = control_plane.Authority("x").issue("admin")
    renewed = control_plane.kubeconfig(api.server, api.authority, other)
    assert unconfigured.diff_config({"kubeconfig": api.kubeconfig}, {"kubeconfig": renewed}) == []


def test_a_first_preview_works_before_there_is_a_cluster(executable: str, nowhere: str) -> None:
    with started(executable, "kubernetes") as plugin:
        plugin.configure({"kubeconfig": nowhere})
        assert plain(plugin.preview(CONFIG_MAP, "m", config_map("m", a="1"))["data"]) == {"a": "1"}
        assert "spec" in plugin.preview(DAEMON_SET, "d", workload("DaemonSet", "d"))


def test_an_unreachable_cluster_is_an_error_for_everything_but_previews(
    plugin: Plugin, executable: str, nowhere: str
) -> None:
    made = plugin.create(CONFIG_MAP, "lost", config_map("lost", a="1"))
    with started(executable, "kubernetes") as cut_off:
        cut_off.configure({"kubeconfig": nowhere})
        with pytest.raises(RefusedError, match="unreachable"):
            cut_off.read(made)
        with pytest.raises(RefusedError, match="unreachable"):
            cut_off.delete(made)
        with pytest.raises(RefusedError, match="unreachable"):
            cut_off.create(CONFIG_MAP, "m", config_map("m"))


def test_delete_unreachable_drops_what_can_t_be_reached(plugin: Plugin, executable: str, nowhere: str) -> None:
    made = plugin.create(CONFIG_MAP, "dropped", config_map("dropped", a="1"))
    with started(executable, "kubernetes") as cut_off:
        cut_off.configure({"kubeconfig": nowhere, "deleteUnreachable": "true"})
        assert cut_off.read(made) is None
        cut_off.delete(made)
    with started(executable, "kubernetes", PULUMI_K8S_DELETE_UNREACHABLE="true") as cut_off:
        cut_off.configure({"kubeconfig": nowhere})
        cut_off.delete(made)


def test_skip_update_unreachable_leaves_things_as_they_are(plugin: Plugin, executable: str, nowhere: str) -> None:
    made = plugin.create(CONFIG_MAP, "left", config_map("left", a="1"))
    with started(executable, "kubernetes") as cut_off:
        cut_off.configure({"kubeconfig": nowhere, "skipUpdateUnreachable": "true"})
        assert cut_off.diff(made, config_map("left", a="2")).changes is False


def test_a_server_with_another_authority_is_not_trusted(executable: str, api: Api) -> None:
    stranger = control_plane.Authority("stranger")
    with started(executable, "kubernetes") as plugin:
        plugin.configure({"kubeconfig": control_plane.kubeconfig(api.server, stranger.pem, stranger.issue("admin"))})
        begun = time.monotonic()
        with pytest.raises(RefusedError, match=r"(?i)certificate"):
            plugin.create(CONFIG_MAP, "m", config_map("m"))
    assert time.monotonic() - begun < 5


def test_a_client_that_nobody_knows_is_told_so(executable: str, api: Api) -> None:
    stranger = control_plane.Authority("stranger").issue("admin", "system:masters")
    with started(executable, "kubernetes") as plugin:
        plugin.configure({"kubeconfig": control_plane.kubeconfig(api.server, api.authority, stranger)})
        with pytest.raises(RefusedError):
            plugin.create(CONFIG_MAP, "m", config_map("m"))


def test_an_api_server_that_comes_too_late_is_none_for_the_whole_run(executable: str, api: Api) -> None:
    """Nothing waits for it, or asks a second time: the program has to see to it that it answers by then."""
    port = free_port()
    with started(executable, "kubernetes") as plugin, relay.later(api, port, seconds=1.5) as address:
        plugin.configure({"kubeconfig": api.kubeconfig.replace(api.server, address)})
        with pytest.raises(RefusedError, match="unreachable"):
            plugin.create(CONFIG_MAP, "early", config_map("early"))
        eventually(lambda: _listens(port), 10, "the API server is there")
        with pytest.raises(RefusedError, match="unreachable"):
            plugin.create(CONFIG_MAP, "early", config_map("early"))


def test_a_question_whose_connection_breaks_is_asked_again(executable: str, api: Api) -> None:
    with started(executable, "kubernetes") as plugin, relay.busy(api, "GET", times=2, hangs_up=True) as front:
        plugin.configure({"kubeconfig": control_plane.kubeconfig(front.server, front.authority, front.client)})
        assert plugin.create(CONFIG_MAP, "asked", config_map("asked")).id == "default/asked"
    assert front.turned_away == 2


@pytest.mark.parametrize(("upserting", "method"), [("false", "POST"), ("true", "PATCH")])
def test_a_write_whose_connection_breaks_is_not_repeated(
    executable: str, api: Api, upserting: str, method: str
) -> None:
    """A run that applies objects while the load balancer's address moves ends with that."""
    with started(executable, "kubernetes") as plugin, relay.busy(api, method, times=1, hangs_up=True) as front:
        access = control_plane.kubeconfig(front.server, front.authority, front.client)
        plugin.configure({"kubeconfig": access, "upsertExistingObjects": upserting})
        with pytest.raises(RefusedError):
            plugin.create(CONFIG_MAP, "cut-off", config_map("cut-off"))
    assert front.turned_away == 1
    assert not api.exists(f"{MAPS}/cut-off")


@lab_only
def test_who_waits_for_an_object_bears_an_api_server_that_is_away(api: Api) -> None:
    """The official plugin watches what it waits for, and goes on when it can."""
    port = free_port()
    with relay.later(api, port, seconds=1.5) as address:
        cluster = Cluster(kubeconfig.parse(api.kubeconfig.replace(api.server, address)))
        assert "gitVersion" in asyncio.run(cluster.get("/version", patience=10))


def test_a_busy_api_server_is_asked_again_when_it_says(executable: str, api: Api) -> None:
    """An API server that is about to stop answers 429 with Retry-After."""
    with started(executable, "kubernetes") as plugin, relay.busy(api, method="POST", times=2) as front:
        plugin.configure({"kubeconfig": control_plane.kubeconfig(front.server, front.authority, front.client)})
        assert plugin.create(CONFIG_MAP, "polite", config_map("polite")).id == "default/polite"
    assert front.turned_away == 2


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
