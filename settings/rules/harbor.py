"""Rules about Harbor: which hosts run it, on which stores, and how clients find it.

Owns: what can be told without a host. Does not own: the forms of keys and certificates that a user brings
(``settings.rules.harbor_secrets``, ``settings.harbor_certificate``), whether servers and mounts are there and fit (the
hubs' preflight), or which version may follow on the one that runs (the hub's own turn, which alone can tell).
"""

from collections.abc import Iterator

from settings.draft import HARBOR, HOSTS, Draft
from settings.errors import Fault, fault, nearest
from settings.harbor import METRICS_PORT, POSTGRESQL_PORT, REDIS_PORT
from settings.rules.load_balancer import HARBOR_ADDRESS, taken, whose

HUBS_FOR_AVAILABILITY = 2

_STORE, _BUNDLED_ON, _STORAGE = (HARBOR, "store"), (HARBOR, "bundledOn"), (HARBOR, "storage")
_URL, _REDIS = (HARBOR, "url"), (HARBOR, "redis")


def hubs_and_harbor_go_together(draft: Draft) -> Iterator[Fault]:
    """Neither is of use without the other."""
    if not draft.hosts_complete:
        return
    hubs = draft.with_role("hub")
    if draft.harbor_wanted and not hubs:
        remedy = f"give two hosts roles: [hub], or remove {HARBOR}"
        yield fault([HOSTS], "no hub", f"no host has the role hub, and {HARBOR} is there", remedy)
    if hubs and not draft.harbor_wanted:
        what = f"is not set, and {', '.join(hubs)} {'has' if len(hubs) == 1 else 'have'} the role hub"
        yield fault([HARBOR], None, what, "describe Harbor as Pulumi.staging.yaml does, or take the role away")


def hubs_are_hubs_alone(draft: Draft) -> Iterator[Fault]:
    """Docker's engine on a hub and the nodes' containerd, nginx and Harbor's proxy, would get in each other's way."""
    for name, host in draft.with_role("hub").items():
        others = [role for role in host.roles if role != "hub"]
        if others:
            what = f"puts a hub, which runs Docker's engine, on one host with the {' and the '.join(others)}"
            remedy = "give the hub a host of its own; the two together are not served yet"
            yield fault([HOSTS, name, "roles"], ", ".join(host.roles), what, remedy)


def storage_is_the_same_on_all_hubs(draft: Draft) -> Iterator[Fault]:
    """What one hub keeps for itself is not there when a client meets the other."""
    harbor, hubs = draft.harbor, draft.with_role("hub")
    if harbor and harbor.storage.local and len(hubs) > 1:
        what = f"is a folder of each of {', '.join(hubs)} by itself: what is pushed to one is missing from the others"
        remedy = "use storage.shared (the same mount on all hubs) or storage.s3, or keep one hub"
        yield fault((*_STORAGE, "local", "path"), harbor.storage.local.path, what, remedy)


def object_store_is_spoken_to_in_one_way(draft: Draft) -> Iterator[Fault]:
    """``secure`` and the endpoint's scheme say the same."""
    s3 = draft.harbor.storage.s3 if draft.harbor else None
    if s3 and s3.endpoint and s3.endpoint.startswith("https:") != s3.secure:
        what = f"does not go with storage.s3.secure {str(s3.secure).lower()}"
        yield fault((*_STORAGE, "s3", "endpoint"), s3.endpoint, what, "use https with secure: true, http with false")


def external_store_is_named(draft: Draft) -> Iterator[Fault]:
    """PostgreSQL and Redis are somewhere that all hubs reach."""
    harbor = draft.harbor
    if harbor is None or harbor.store != "external":
        return
    for name, server in (("database", harbor.database), ("redis", harbor.redis)):
        if server is None:
            remedy = "name the server that all hubs share, or set harbor.store to bundled for evaluation"
            yield fault([HARBOR, name], None, "is not set, and harbor.store is external", remedy)
    if harbor.bundled_on is not None:
        remedy = "remove it, or set harbor.store to bundled"
        yield fault(_BUNDLED_ON, harbor.bundled_on, "is set, and harbor.store is external", remedy)


def bundled_store_has_a_hub(draft: Draft) -> Iterator[Fault]:
    """One of the hubs runs PostgreSQL and Redis, and nobody else does."""
    harbor, hubs = draft.harbor, draft.with_role("hub")
    if harbor is None or harbor.store != "bundled":
        return
    for name, server in (("database", harbor.database), ("redis", harbor.redis)):
        if server is not None:
            what = "is set, and harbor.store is bundled, which brings its own"
            yield fault([HARBOR, name], "{...}", what, "remove it, or set harbor.store to external")
    if draft.hosts_complete and hubs and harbor.bundled_on not in hubs:
        what = "is not set, and harbor.store is bundled" if harbor.bundled_on is None else "is not a hub"
        remedy = f"name the hub that runs PostgreSQL and Redis: {nearest(harbor.bundled_on or '', hubs)}"
        yield fault(_BUNDLED_ON, harbor.bundled_on, what, remedy)


def redis_is_one_server(draft: Draft) -> Iterator[Fault]:
    """Harbor knows one server, or Sentinels that know it; a Cluster it does not."""
    redis = draft.harbor.redis if draft.harbor else None
    if redis is None:
        return
    if len(redis.addresses) > 1 and redis.sentinel_master is None:
        what = "are several, and there is no harbor.redis.sentinelMaster: Harbor does not use a Redis Cluster"
        remedy = "name the master that the Sentinels at these addresses know, or keep the one server's address"
        yield fault((*_REDIS, "addresses"), ", ".join(redis.addresses), what, remedy)
    if redis.databases.core != 0:
        remedy = "leave it 0 and choose other numbers for the others"
        yield fault((*_REDIS, "databases", "core"), redis.databases.core, "cannot be used by Harbor's core", remedy)
    users: dict[int, str] = {}
    for name, number in redis.databases:
        if (other := users.setdefault(number, name)) != name:
            remedy = "give each its own, like core 0, jobservice 1, registry 2, trivy 5"
            yield fault((*_REDIS, "databases", name), number, f"is the database of {other} too", remedy)


def resources_are_of_what_runs(draft: Draft) -> Iterator[Fault]:
    """A limit for what does not run is a slip of the pen."""
    harbor = draft.harbor
    if harbor is None:
        return
    for service in harbor.resources:
        if service not in harbor.services():
            switch = f"harbor.{service} is false" if service in ("trivy", "exporter") else "harbor.store is external"
            yield fault([HARBOR, "resources", service], service, f"does not run: {switch}", "remove it, or change that")


def port_is_free_on_hubs(draft: Draft) -> Iterator[Fault]:
    """The URL's port is the one that Harbor's proxy listens on, on each hub."""
    harbor = draft.harbor
    if harbor is None:
        return
    for name, host in draft.with_role("hub").items():
        programs = taken(draft, host)
        if harbor.exporter:
            programs |= {METRICS_PORT: "Harbor's metrics"}
        if harbor.bundled_on == name:
            programs |= {POSTGRESQL_PORT: "PostgreSQL", REDIS_PORT: "Redis"}
        if harbor.port in programs:
            what = f"is the port of {programs[harbor.port]} on host {name}"
            yield fault(_URL, f"{harbor.url} (port {harbor.port})", what, "choose another port, like 9443")


def one_hub_is_not_available(draft: Draft) -> Iterator[Fault]:
    """Warns where the loss of one hub is the loss of Harbor."""
    hubs = draft.with_role("hub")
    if draft.harbor and len(hubs) < HUBS_FOR_AVAILABILITY:
        what = "is not highly available: losing this host loses Harbor"
        yield fault([HOSTS], f"{', '.join(hubs)} as hub", what, "give a second host the role hub")


def bundled_store_is_a_single_point(draft: Draft) -> Iterator[Fault]:
    """Warns where one hub holds everything that the others need."""
    harbor = draft.harbor
    if harbor and harbor.store == "bundled":
        what = f"is a single point of failure: losing {harbor.bundled_on} loses Harbor, on all hubs, with all it knows"
        yield fault(_STORE, harbor.store, what, "use it for evaluation; set store: external with database and redis")


def address_moves(draft: Draft) -> Iterator[Fault]:
    """Warns where Harbor's own address does not survive the loss of a load balancer."""
    harbor, balancer = draft.harbor, draft.load_balancer
    if not harbor or not balancer or not harbor.address or harbor.address == balancer.address:
        return
    remedy = f"leave it out to use loadBalancer.address {balancer.address}"
    yield fault(HARBOR_ADDRESS, harbor.address, whose(draft, harbor.address, "Harbor's"), remedy)
