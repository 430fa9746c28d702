"""One stack of Evenkeel: bare hosts become a highly available Kubernetes control plane behind a load balancer."""

import pulumi

import settings
from components import configuration
from components.adoption import Adoption, AdoptionArgs
from components.api_server_node import ApiServerNode, ApiServerNodeArgs, kubeconfig_of
from components.certificates import summary
from components.cluster_addons import ClusterAddons, ClusterAddonsArgs
from components.debug_log import without_debug
from components.etcd_member import EtcdMember, EtcdMemberArgs, genesis
from components.harbor import Harbor, HarborArgs
from components.harbor_secrets import HubSecrets, HubSecretsArgs
from components.harbor_trust import pull_secrets, trust
from components.host import RemoteHost, RemoteHostArgs
from components.nginx_stream_lb import NginxStreamLB, NginxStreamLBArgs
from components.pki import ClusterPki, ClusterPkiArgs
from components.preparation import Preparation, PreparationArgs
from components.release_pin import release_pin
from components.rollout import Rollout, RolloutArgs, forget_departed
from components.settling import settled
from components.worker_node import WorkerNode, WorkerNodeArgs
from render.network import api_endpoint

without_debug()
try:
    stack = configuration.stack(pulumi.Config("evenkeel"))
except settings.SettingsError as error:
    raise pulumi.RunError(str(error)) from None
for warning in stack.warnings:
    pulumi.log.warn(warning)

hosts = {name: RemoteHost(name, RemoteHostArgs(host, stack.repair)) for name, host in stack.hosts.items()}
prepared = Preparation("preparation", PreparationArgs(stack, hosts)).prepared
pki = ClusterPki("pki", ClusterPkiArgs(stack))
birth = genesis(stack)

members = {
    name: EtcdMember(f"{name}-etcd", EtcdMemberArgs(stack, hosts[name], prepared[name], pki, birth))
    for name in stack.masters()
}
masters = {
    name: ApiServerNode(
        f"{name}-control-plane", ApiServerNodeArgs(stack, hosts[name], prepared[name], pki, members[name])
    )
    for name in stack.masters()
}
workers = {
    name: WorkerNode(f"{name}-node", WorkerNodeArgs(stack, hosts[name], prepared[name], pki))
    for name in stack.workers()
    if name not in masters
}
hub_secrets = HubSecrets("harbor", HubSecretsArgs(stack)) if stack.harbor else None
balancers: list[NginxStreamLB] = []
for name in stack.load_balancers():
    before = [balancer.active for balancer in balancers[-1:]]  # one at a time
    args = NginxStreamLBArgs(stack, hosts[name], prepared[name], pki, before, hub_secrets.ca if hub_secrets else None)
    balancers.append(NginxStreamLB(f"{name}-lb", args))

adoption = Adoption("adoption", AdoptionArgs(stack, hosts, prepared))
rollout_args = RolloutArgs(stack, birth, list(masters.values()), list(workers.values()), adoption.done)
rollout = Rollout("rollout", rollout_args)
addons = ClusterAddons(
    "addons",
    ClusterAddonsArgs(
        stack,
        kubeconfig=kubeconfig_of(stack, pki, "break-glass"),
        trusted=pki.trusted["ca"],
        cluster_identifier=stack.cluster.name,
        hosts=rollout.registered(),
        after=[*rollout.control_plane, *(balancer.active for balancer in balancers)],
        await_ready=stack.cluster.cni != "none",  # CoreDNS waits for the network that the user brings afterwards
    ),
)
last: list[pulumi.Resource] = []
if stack.harbor and hub_secrets:
    trusting = trust(stack, hosts, prepared, hub_secrets.ca)
    harbor = Harbor("harbor", HarborArgs(stack, hosts, prepared, hub_secrets, [lb.active for lb in balancers]))
    pull_secrets(stack, harbor, addons)
    last += [*(one.command for one in trusting), *harbor.probes]
    pulumi.export("harborUrl", stack.harbor.url)
    pulumi.export("harborNodes", {name: host.address for name, host in stack.hubs().items()})
    pulumi.export("harborCa", hub_secrets.ca)

# A node's annotation tells which are the stack's own; pods that still start are nothing to wait for.
membership = forget_departed(stack, next(iter(masters.values())), after=[*addons.node_roles.values(), rollout])

pulumi.export("apiEndpoint", api_endpoint(stack))
pulumi.export("kubeconfig", kubeconfig_of(stack, pki, "admin"))
pulumi.export("masters", {name: host.address for name, host in stack.masters().items()})
pulumi.export("workers", {name: host.address for name, host in stack.workers().items()})
pulumi.export("loadBalancers", {name: host.address for name, host in stack.load_balancers().items()})
pulumi.export("certificates", summary([*pki.listed, *(hub_secrets.listed if hub_secrets else ())]))
pulumi.export("etcdCluster", membership.stdout)
release = release_pin(stack, [membership, *addons.objects, *last])
pulumi.export("release", release)
pulumi.run(settled(release))
