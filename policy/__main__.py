"""The policy pack: every policy that there is. Beside it lies, for each environment, what is mandatory there."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pulumi_policy import PolicyPack

from policy import certificates, control_plane, harbor, hosts, load_balancer, release, secrecy
from policy.pack import of_each_resource, of_the_stack
from policy.secret_text import mark_secrets

mark_secrets()
PolicyPack(
    "evenkeel",
    [
        of_each_resource(hosts.host_keys_are_pinned),
        of_each_resource(load_balancer.watches_live_ten_minutes),
        of_each_resource(certificates.leaves_end_within_13_months),
        of_each_resource(release.artifacts_are_checked),
        of_each_resource(release.images_are_pinned),
        of_each_resource(release.no_container_is_privileged),
        of_each_resource(secrecy.secrets_are_secret),
        of_the_stack(control_plane.masters_are_odd),
        of_the_stack(control_plane.masters_survive_a_loss),
        of_the_stack(control_plane.apiserver_certificates_are_complete),
        of_the_stack(load_balancer.apiservers_keep_their_port),
        of_the_stack(certificates.authorities_are_protected),
        of_the_stack(certificates.authorities_outlive_leaves),
        of_the_stack(harbor.hubs_share_their_keys),
        of_the_stack(harbor.storage_is_not_one_hubs),
    ],
)
