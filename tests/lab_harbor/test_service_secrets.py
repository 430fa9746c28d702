"""The secrets by which core, jobservice and registryctl know one another."""

import pytest

from tests.lab_harbor.site import ADMIN, Program, Site, stand_in_only
from tests.lab_harbor.stores import until
from tests.ports import free_port

pytestmark = pytest.mark.built


def _collect(core: Program) -> str:
    """Runs garbage collection; how it ended."""
    core.request("POST", "/api/v2.0/system/gc/schedule", json={"schedule": {"type": "Manual"}}, auth=ADMIN)

    def status() -> str:
        found: str = core.request("GET", "/api/v2.0/system/gc", auth=ADMIN).json()[0]["job_status"]
        return found

    until(lambda: status() in ("Success", "Error", "Stopped"), "garbage collection ends", 60)
    return status()


def test_garbage_collection_goes_through_while_all_secrets_are_equal(site: Site) -> None:
    port = free_port()
    core = site.core(jobservice_port=port)
    site.jobservice(core.url, site.registryctl(site.registry()), port=port)
    assert _collect(core) == "Success"


def test_a_jobservice_with_another_core_secret_takes_no_jobs(site: Site) -> None:
    port = free_port()
    core = site.core(jobservice_port=port)
    site.jobservice(core.url, site.registryctl(site.registry()), port=port, core_secret="of-jobservice-only")
    answer = core.request("POST", "/api/v2.0/system/gc/schedule", json={"schedule": {"type": "Manual"}}, auth=ADMIN)
    assert answer.status_code == 401


@stand_in_only("Harbor's own asks registryctl only about blobs that nobody used for two hours")
def test_a_registryctl_with_another_secret_refuses_the_job(site: Site) -> None:
    port = free_port()
    core = site.core(jobservice_port=port)
    other = site.registryctl(site.registry(), jobservice_secret="of-registryctl-only")
    site.jobservice(core.url, other, port=port)
    assert _collect(core) == "Error"
    assert "failed to authenticate request" in other.log
    assert other.request("GET", "/api/health").json() == "healthy"


def test_a_jobservice_with_another_secret_than_cores_panics_at_its_start(site: Site) -> None:
    jobservice = site.jobservice(site.core().url, jobservice_secret="of-jobservice-only", wait=False)
    assert jobservice.process.wait(20) == 2
    assert "panic: failed to load configuration, error: failed to load rest config" in jobservice.log


def test_a_jobservice_panics_where_core_is_away(site: Site) -> None:
    jobservice = site.jobservice(f"http://127.0.0.1:{free_port()}", wait=False)
    assert jobservice.process.wait(20) == 2


def test_jobservice_tells_its_state_to_anybody(site: Site) -> None:
    stats = site.jobservice(site.core().url).request("GET", "/api/v1/stats")
    assert stats.json()["worker_pools"][0]["status"] == "Healthy"
