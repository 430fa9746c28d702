"""Rules between keys: what is well formed by itself but does not go together.

Owns: which rules there are, and the difference between a fault and a warning.
Does not own: the form of single values (``settings.schema``), or anything that only a host can tell (its preflight).

A rule is a function from a draft to faults. It looks only at sections that could be read: one that is missing has been
reported already.
"""

from collections.abc import Callable, Iterator

from settings.draft import Draft
from settings.errors import Fault
from settings.rules import adopted, harbor, harbor_secrets, hosts, load_balancer, network, promises, trees

Rule = Callable[[Draft], Iterator[Fault]]

REFUSED: tuple[Rule, ...] = (
    hosts.quorum_survives_a_loss,
    adopted.keys_and_cluster_go_together,
    hosts.addresses_differ,
    network.cidrs_do_not_overlap,
    network.hosts_lie_outside_the_cidrs,
    network.service_cidr_has_a_fit_size,
    network.pod_cidr_serves_every_node,
    network.subnet_serves_every_pod,
    load_balancer.somebody_balances,
    load_balancer.vip_is_the_address,
    load_balancer.addresses_are_no_strangers,
    load_balancer.ports_are_free,
    load_balancer.weights_name_masters,
    promises.arguments_keep_promises,
    promises.configuration_keeps_promises,
    trees.fields_are_of_their_kind,
    harbor.hubs_and_harbor_go_together,
    harbor.hubs_are_hubs_alone,
    harbor.storage_is_the_same_on_all_hubs,
    harbor.object_store_is_spoken_to_in_one_way,
    harbor.external_store_is_named,
    harbor.bundled_store_has_a_hub,
    harbor.redis_is_one_server,
    harbor.resources_are_of_what_runs,
    harbor.port_is_free_on_hubs,
    harbor_secrets.passwords_are_there,
    harbor_secrets.access_key_has_its_secret_key,
    harbor_secrets.user_has_its_password,
    harbor_secrets.passwords_are_one_line,
    harbor_secrets.database_password_needs_no_quotes,
    harbor_secrets.certificate_is_complete,
    harbor_secrets.keys_have_their_length,
    harbor_secrets.token_key_signs_tokens,
)
WARNED: tuple[Rule, ...] = (
    hosts.masters_are_odd_and_several,
    load_balancer.address_moves,
    load_balancer.watches_survive,
    load_balancer.ports_are_no_services,
    harbor.one_hub_is_not_available,
    harbor.bundled_store_is_a_single_point,
    harbor.address_moves,
    harbor_secrets.default_password_is_known,
    harbor_secrets.first_block_counts,
    harbor_secrets.generations_renew_what_the_stack_makes,
)


def refused(draft: Draft) -> list[Fault]:
    """Everything that must be corrected."""
    return [fault for rule in REFUSED for fault in rule(draft)]


def warned(draft: Draft) -> list[Fault]:
    """Everything that works, but probably not as the user thinks."""
    return [fault for rule in WARNED for fault in rule(draft)]
