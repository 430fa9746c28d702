"""Values that are well formed but do not go together are refused, or warned of, with key, value and remedy."""

import re
from pathlib import Path
from typing import Any

import pytest

from render import static_pods
from settings.rules import promises
from tests.settings import samples

CLUSTER, CONTROLLERS = "cluster", "cluster.controllerManager.extraArgs"
FEW_PODS: dict[str, object] = {"cluster.kubelet": {"config": {"maxPods": 5}}}
MOVED_PROXY = {"config": {"metricsBindAddress": "0.0.0.0:8443"}}
NODE_PORTS = {"extraArgs": {"service-node-port-range": "8400+9"}}

CLASHES: list[tuple[dict[str, object], list[str]]] = [
    (
        {"hosts.emei.roles": ["worker"]},
        ["evenkeel:hosts: shaolin, wudang as masters: is one master fewer than quorum needs"],
    ),
    (
        {f"hosts.{name}.roles": ["worker"] for name in ("shaolin", "wudang", "emei")},
        ["evenkeel:hosts: no master: no host has the role master; give three hosts roles: [master]"],
    ),
    (
        {"hosts.emei.address": "192.0.2.11"},
        ["evenkeel:hosts.emei.address: 192.0.2.11: is the address of shaolin too; give emei its own address"],
    ),
    (
        {"loadBalancer.address": "192.0.2.13", "loadBalancer.vip.address": "192.0.2.13"},
        ["evenkeel:loadBalancer.vip.address: 192.0.2.13: is the address of host emei; give the VIP an address"],
    ),
    (
        {"hosts.emei.ssh": {"host": "192.0.2.11"}, "hosts.wudang.ssh": {"host": "192.0.2.11"}},
        ["evenkeel:hosts.emei.ssh.host: 192.0.2.11: is how wudang is reached too; give the address or port"],
    ),
    (
        {"hosts.emei.roles": ["master", "lb"], "loadBalancer.port": 6443},
        ["evenkeel:loadBalancer.port: 6443: is the port of kube-apiserver on host emei; choose another"],
    ),
    (
        {"hosts.huashan.roles": ["worker", "lb"], "loadBalancer.statusPort": 10250},
        ["evenkeel:loadBalancer.statusPort: 10250: is the port of kubelet on host huashan; choose"],
    ),
    (
        {"hosts.huashan.roles": ["worker", "lb"], "loadBalancer.port": 8081},
        ["evenkeel:loadBalancer.port: 8081: is the port of flannel's health on host huashan; choose another port"],
    ),
    (
        {"hosts.emei.roles": ["master", "lb"], "loadBalancer.port": 8443, "cluster.kubeProxy": MOVED_PROXY},
        ["evenkeel:loadBalancer.port: 8443: is the port of kube-proxy's metrics on host emei; choose another port"],
    ),
    (
        {"loadBalancer.statusPort": 6443},
        ["evenkeel:loadBalancer.statusPort: 6443: is loadBalancer.port too; choose another port, like 8404"],
    ),
    (
        {"loadBalancer.port": 22},
        [f"evenkeel:loadBalancer.port: 22: is the port of sshd on host {name}" for name in ("lb1", "lb2")],
    ),
    (
        {"hosts.lb1.roles": ["worker"], "hosts.lb2.roles": ["worker"]},
        ["evenkeel:hosts: no load balancer: no host has the role lb; give two hosts roles: [lb]"],
    ),
    (
        {"loadBalancer.vip.address": "192.0.2.99"},
        ["evenkeel:loadBalancer.vip.address: 192.0.2.99: is not loadBalancer.address 192.0.2.30"],
    ),
    (
        {"loadBalancer.vip": None, "loadBalancer.address": "192.0.2.11"},
        ["evenkeel:loadBalancer.address: 192.0.2.11: is the address of host shaolin, which has no role lb"],
    ),
    (
        {"loadBalancer.weights": {"wudan": 2}},
        ["evenkeel:loadBalancer.weights.wudan: 2: is not a master's weight; did you mean wudang?"],
    ),
    (
        {"loadBalancer.weights": {"huashan": 2}},
        ["evenkeel:loadBalancer.weights.huashan: 2: is not a master's weight"],
    ),
    (
        {"cluster.serviceCidr": "10.244.128.0/17"},
        ["evenkeel:cluster.serviceCidr: 10.244.128.0/17: overlaps cluster.podCidr 10.244.0.0/16; choose two ranges"],
    ),
    (
        {"cluster.podCidr": "192.0.2.0/25", CONTROLLERS: {"node-cidr-mask-size": 28}, **FEW_PODS},
        [
            f"evenkeel:{key}: {address}: lies within cluster.podCidr 192.0.2.0/25; choose a cluster.podCidr that holds"
            for key, address in [
                *((f"hosts.{name}.address", address) for name, (address, _) in samples.HOSTS.items()),
                ("loadBalancer.address", "192.0.2.30"),
            ]
        ],
    ),
    (
        {"cluster.podCidr": "169.254.0.0/17"},
        ["evenkeel:cluster.podCidr: 169.254.0.0/17: overlaps 169.254.0.0/16, which is not routed; choose a private"],
    ),
    (
        {"cluster.serviceCidr": "10.96.0.0/25"},
        ["evenkeel:cluster.serviceCidr: 10.96.0.0/25: is too small for Services; choose a /24 or larger"],
    ),
    (
        {"cluster.serviceCidr": "10.0.0.0/11", "cluster.podCidr": "172.20.0.0/16"},
        ["evenkeel:cluster.serviceCidr: 10.0.0.0/11: is larger than kube-apiserver accepts; choose a /12 or smaller"],
    ),
    (
        {"cluster.podCidr": "10.244.0.0/23"},
        ["evenkeel:cluster.podCidr: 10.244.0.0/23: is too small: it holds 2 subnets of /24, and there are 4 nodes; "
         "choose a /22 or larger"],
    ),
    (
        {"cluster.podCidr": "10.244.0.0/26"},
        ["evenkeel:cluster.podCidr: 10.244.0.0/26: is too small: it holds 0 subnets of /24"],
    ),
    (
        {"cluster.podCidr": "10.244.0.0/16", CONTROLLERS: {"node-cidr-mask-size": 17}},
        ["evenkeel:cluster.podCidr: 10.244.0.0/16: is too small: it holds 2 subnets of /17, and there are 4 nodes"],
    ),
    (
        {"cluster.podCidr": "172.16.0.0/12", CONTROLLERS: {"node-cidr-mask-size": 29}, **FEW_PODS},
        ["evenkeel:cluster.podCidr: 172.16.0.0/12: is too large: kube-controller-manager divides it into at most 2^16"],
    ),
    (
        {CONTROLLERS: {"node-cidr-mask-size": "many"}},
        [f"evenkeel:{CONTROLLERS}.node-cidr-mask-size: many: is not a size of a node's subnet; use"],
    ),
    (
        {"cluster.kubelet": {"config": {"maxPods": 254}}},
        ["evenkeel:cluster.kubelet.config.maxPods: 254: is more than the 253 addresses for pods of a node's /24; "
         "use at most 253, or a smaller cluster.controllerManager.extraArgs.node-cidr-mask-size"],
    ),
    (
        {"hosts.emei.kubelet": {"config": {"maxPods": 110}}, CONTROLLERS: {"node-cidr-mask-size": 26}, **FEW_PODS},
        ["evenkeel:hosts.emei.kubelet.config.maxPods: 110: is more than the 61 addresses for pods of a node's /26"],
    ),
    (
        {CONTROLLERS: {"node-cidr-mask-size": 26}},
        [f"evenkeel:{CONTROLLERS}.node-cidr-mask-size: 26: leaves a node 61 addresses for pods, and "
         "cluster.kubelet.config.maxPods is 110 unless set; set that to at most 61, or use a smaller number here"],
    ),
]  # fmt: skip

WARNINGS: list[tuple[dict[str, object], str]] = [
    (
        {"hosts.emei.roles": ["worker"], "hosts.wudang.roles": ["worker"]},
        "evenkeel:hosts: shaolin as masters: is not highly available: losing this host loses the API",
    ),
    (
        {"hosts.huashan.roles": ["master", "worker"]},
        "evenkeel:hosts: shaolin, wudang, emei, huashan as masters: survives the loss of 1, as 3 masters would",
    ),
    (
        {"hosts.lb2.roles": ["worker"]},
        "evenkeel:loadBalancer.vip.address: 192.0.2.30: has only lb1 to live on: nobody takes it over",
    ),
    (
        {"loadBalancer.vip": None, "loadBalancer.address": "192.0.2.31"},
        "evenkeel:loadBalancer.address: 192.0.2.31: is lb1's own address: losing that host loses the API's address",
    ),
    (
        {"loadBalancer.vip": None},
        "evenkeel:loadBalancer.address: 192.0.2.30: belongs to no host of role lb: something outside this stack",
    ),
    (
        {"loadBalancer.proxyTimeout": "3s"},
        "evenkeel:loadBalancer.proxyTimeout: 3s: ends every watch and `kubectl logs -f` that is idle for that long",
    ),
    (
        {"hosts.huashan.roles": ["worker", "lb"], "loadBalancer.port": 30443},
        "evenkeel:loadBalancer.port: 30443: is a port that a Service may be given (30000-32767), which would take "
        "nginx's clients on nodes (huashan); choose another port, like 8443",
    ),
    (
        {"hosts.huashan.roles": ["worker", "lb"], "cluster.apiServer": NODE_PORTS},
        "evenkeel:loadBalancer.statusPort: 8404: is a port that a Service may be given (8400+9), which would take",
    ),
]


def changed(changes: dict[str, object]) -> dict[str, Any]:
    values = samples.values()
    for path, value in changes.items():
        samples.put(values, path, value)
    return values


@pytest.mark.parametrize(("changes", "expected"), CLASHES)
def test_what_does_not_go_together_is_refused_with_key_value_and_remedy(
    root: Path, changes: dict[str, object], expected: list[str]
) -> None:
    lines = samples.refusals(root, changed(changes))
    assert len(lines) == len(expected), lines
    for line, start in zip(lines, expected, strict=True):
        assert line.startswith(start)
        assert "; " in line


@pytest.mark.parametrize(("changes", "start"), WARNINGS)
def test_what_works_but_not_as_one_thinks_is_warned_of(root: Path, changes: dict[str, object], start: str) -> None:
    (warning,) = samples.warnings(root, changed(changes))
    assert warning.startswith(start)


def test_more_than_seven_masters_are_warned_of(root: Path) -> None:
    values = samples.values()
    for number in range(5):
        address, name = f"192.0.2.{40 + number}", f"master{number}"
        values["hosts"][name] = {"address": address, "roles": ["master"]}
        with (root / "known_hosts").open("a") as known_hosts:
            known_hosts.write(f"{address} {samples.host_key(name)}\n")
    even, many = samples.warnings(root, values)
    assert "survives the loss of 3, as 7 masters would" in even
    assert "makes every write wait for 5 members; use at most 7 masters" in many


def test_a_pod_cidr_may_fit_the_nodes_exactly(root: Path) -> None:
    assert len(samples.stack(root).nodes()) == 4
    assert samples.refusals(root, changed({"cluster.podCidr": "10.244.0.0/22"})) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"cluster.kubelet": {"config": {"maxPods": 253}}},
        {"cluster.kubelet": {"config": {"maxPods": 500}}, CONTROLLERS: {"node-cidr-mask-size": 22}},
        {"cluster.kubelet": {"config": {"maxPods": 500}}, "cluster.cni": "none"},
    ],
    ids=["all-of-the-subnet", "a-larger-subnet", "another-network"],
)
def test_a_node_may_take_as_many_pods_as_there_are_addresses_for(root: Path, changes: dict[str, object]) -> None:
    assert samples.refusals(root, changed(changes)) == []


def test_a_load_balancer_may_share_a_master_on_another_port(root: Path) -> None:
    values = changed({"hosts.emei.roles": ["master", "lb"], "loadBalancer.port": 8443})
    assert samples.refusals(root, values) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"loadBalancer.port": 30443},
        {"loadBalancer.port": 10249, "hosts.huashan.roles": ["worker", "lb"], "cluster.kubeProxy": MOVED_PROXY},
        {"loadBalancer.port": 8081, "hosts.huashan.roles": ["worker", "lb"], "cluster.cni": "none"},
    ],
    ids=["a-nodes-port-where-no-node-is", "a-port-that-kube-proxy-has-left", "flannels-port-without-flannel"],
)
def test_a_port_that_nobody_takes_is_left_to_the_load_balancer(root: Path, changes: dict[str, object]) -> None:
    assert samples.warnings(root, changed(changes)) == []


def test_a_forwarded_ssh_port_is_not_taken_for_the_hosts_own(root: Path) -> None:
    values = changed({"hosts.lb1.ssh": {"host": "lb1", "port": 6443}})
    with (root / "known_hosts").open("a") as known_hosts:
        known_hosts.write(f"[lb1]:6443 {samples.host_key('lb1')}\n")
    assert samples.refusals(root, values) == []


# Written out: what is dropped from the rules' own tables would take its case along.
NOT_THE_USERS: dict[str, str] = {
    "apiServer": """
        advertise-address bind-address etcd-servers-overrides etcd-servers secure-port client-ca-file cert-dir
        etcd-cafile etcd-certfile etcd-keyfile service-account-key-file service-account-signing-key-file
        service-account-signing-endpoint service-account-issuer service-cluster-ip-range etcd-prefix
        authorization-config tls-cert-file tls-private-key-file tls-sni-cert-key requestheader-allowed-names
        requestheader-client-ca-file requestheader-extra-headers-prefix requestheader-group-headers
        requestheader-uid-headers requestheader-username-headers kubelet-client-certificate kubelet-client-key
        kubelet-certificate-authority proxy-client-cert-file proxy-client-key-file
    """,
    "controllerManager": """
        kubeconfig authentication-kubeconfig authorization-kubeconfig master secure-port client-ca-file root-ca-file
        service-account-private-key-file cert-dir cluster-cidr service-cluster-ip-range allocate-node-cidrs
        tls-cert-file tls-private-key-file requestheader-client-ca-file requestheader-allowed-names
        cluster-signing-cert-file cluster-signing-key-file cluster-signing-kubelet-client-cert-file
        cluster-signing-kubelet-serving-key-file cluster-signing-kube-apiserver-client-key-file
        cluster-signing-legacy-unknown-cert-file cluster-signing-legacy-unknown-key-file
    """,
    "scheduler": """
        kubeconfig authentication-kubeconfig authorization-kubeconfig master secure-port config client-ca-file cert-dir
        tls-cert-file tls-private-key-file requestheader-client-ca-file
    """,
    "etcd": """
        name data-dir wal-dir force-new-cluster cert-file key-file trusted-ca-file client-cert-auth auto-tls config-file
        listen-client-urls listen-peer-urls listen-metrics-urls advertise-client-urls initial-advertise-peer-urls
        initial-cluster initial-cluster-state initial-cluster-token discovery discovery-srv peer-cert-file
        peer-key-file peer-trusted-ca-file peer-client-cert-auth peer-auto-tls
    """,
}
OWNED_FLAGS = [(program, flag) for program, flags in NOT_THE_USERS.items() for flag in flags.split()]


@pytest.mark.parametrize(("program", "flag"), OWNED_FLAGS)
def test_a_flag_that_a_promise_rests_on_is_refused(root: Path, program: str, flag: str) -> None:
    lines = samples.refusals(root, changed({f"cluster.{program}.extraArgs": {flag: "x"}}))
    (line,) = lines
    assert line.startswith(f"evenkeel:cluster.{program}.extraArgs.{flag}: ")
    assert "; remove it" in line


FLAG_VALUES = [
    ("apiServer", "shutdown-delay-duration", "5s", "10s"),
    ("apiServer", "shutdown-delay-duration", "1m", "20s"),
    ("apiServer", "shutdown-delay-duration", "soon", "10s"),
    ("apiServer", "shutdown-send-retry-after", False, True),
    ("apiServer", "authorization-mode", "RBAC", "Webhook,Node,RBAC"),
    ("apiServer", "enable-admission-plugins", "AlwaysPullImages", "NodeRestriction,AlwaysPullImages"),
    ("apiServer", "disable-admission-plugins", "NodeRestriction", "ServiceAccount"),
    ("apiServer", "anonymous-auth", False, True),
    ("apiServer", "enable-bootstrap-token-auth", "false", "true"),
    ("apiServer", "allow-privileged", "false", "true"),
    ("apiServer", "audit-log-path", "/var/log/audit.log", "-"),
    ("controllerManager", "leader-elect", False, True),
    ("controllerManager", "bind-address", "192.0.2.11", "0.0.0.0"),
    ("controllerManager", "use-service-account-credentials", False, True),
    ("controllerManager", "controllers", "*", "*,bootstrapsigner,tokencleaner,-ttl"),
    ("controllerManager", "node-cidr-mask-size", 33, 24),
    ("scheduler", "leader-elect", "no", "true"),
    ("scheduler", "bind-address", "192.0.2.11", "127.0.0.1"),
    ("etcd", "feature-gates", "StopGRPCServiceOnDefrag=true", "InitialCorruptCheck=true,StopGRPCServiceOnDefrag=true"),
]


@pytest.mark.parametrize(("program", "flag", "refused", "accepted"), FLAG_VALUES)
def test_a_flag_may_be_tuned_as_far_as_the_promise_goes(
    root: Path, program: str, flag: str, refused: object, accepted: object
) -> None:
    (line,) = samples.refusals(root, changed({f"cluster.{program}.extraArgs": {flag: refused}}))
    assert line.startswith(f"evenkeel:cluster.{program}.extraArgs.{flag}: ")
    assert samples.refusals(root, changed({f"cluster.{program}.extraArgs": {flag: accepted}})) == []


# What no promise rests on: users may set it to what they like.
TUNED = {
    ("apiServer", "kubelet-preferred-address-types"),
    ("controllerManager", "cluster-name"),
    ("etcd", "snapshot-count"),
    ("etcd", "watch-progress-notify-interval"),
}


def test_whatever_a_static_pod_is_started_with_has_an_owner(root: Path) -> None:
    """A flag that is new in a manifest, and nobody thought of here, would be the user's to break."""
    stack = samples.stack(root)
    master = stack.hosts["shaolin"]
    manifests = {
        "apiServer": static_pods.kube_apiserver(stack, master),
        "controllerManager": static_pods.kube_controller_manager(stack),
        "scheduler": static_pods.kube_scheduler(stack),
        "etcd": static_pods.etcd(stack, master),
    }
    given = {
        (program, flag)
        for program, manifest in manifests.items()
        for flag in re.findall(r"^ *- --([a-z-]+)=", manifest.content, re.MULTILINE)
    }
    assert len(given) > len(TUNED)
    assert given - {*OWNED_FLAGS, *((program, flag) for program, flag, *_ in FLAG_VALUES)} == TUNED


LIFETIMES = [
    ("apiServer", "service-account-max-token-expiration", "48h"),
    ("apiServer", "service-account-extend-token-expiration", False),
    ("controllerManager", "cluster-signing-duration", "720h"),
]


@pytest.mark.parametrize(("program", "flag", "value"), LIFETIMES)
def test_how_long_tokens_and_kubelets_certificates_live_is_the_users_to_say(
    root: Path, program: str, flag: str, value: object
) -> None:
    """Their keys are the stack's; kubelets renew both by themselves, however long they live."""
    assert samples.refusals(root, changed({f"cluster.{program}.extraArgs": {flag: value}})) == []


UNSEEN = [
    ("apiServer", "audit-policy-file", "/etc/kubernetes/audit/policy.yaml"),
    ("apiServer", "encryption-provider-config", "/etc/kubernetes/enc/enc.yaml"),
    ("apiServer", "oidc-ca-file", "/etc/kubernetes/pki/../oidc.pem"),
    ("apiServer", "allow-metric-labels-manifest", "/etc/kubernetes/pki-of-mine/labels.yaml"),
    ("controllerManager", "flex-volume-plugin-dir", "/usr/libexec/kubernetes/volumes"),
    ("controllerManager", "pv-recycler-pod-template-filepath-nfs", "/srv/pod.yaml"),
    ("scheduler", "allow-metric-labels-manifest", "/etc/kubernetes/pki/labels.yaml"),
    ("scheduler", "write-config-to", "/tmp/config.yaml"),
    ("etcd", "client-crl-file", "/etc/kubernetes/pki/crl.pem"),
    ("etcd", "log-outputs", "/var/log/etcd.log"),
]
NO_STRANGE_FILES = [
    ("apiServer", "oidc-ca-file", "/etc/kubernetes/pki/oidc.pem"),
    ("apiServer", "tracing-config-file", "/etc/ssl/certs/tracing.yaml"),
    ("apiServer", "audit-log-path", "-"),
    ("apiServer", "cors-allowed-origins", r"//example\.com(:|$)"),
    ("apiServer", "oidc-groups-prefix", "/"),
    ("apiServer", "runtime-config", "api/all=true"),
    ("controllerManager", "authorization-always-allow-paths", "/healthz,/readyz,/livez"),
    ("scheduler", "authorization-always-allow-paths", "/healthz"),
    ("etcd", "client-crl-file", "/etc/kubernetes/pki/etcd/crl.pem"),
]


@pytest.mark.parametrize(("program", "flag", "value"), UNSEEN)
def test_a_file_that_the_pod_does_not_mount_is_refused(root: Path, program: str, flag: str, value: str) -> None:
    """The program would not start: at a cluster's birth, or at the first master of a roll."""
    (line,) = samples.refusals(root, changed({f"cluster.{program}.extraArgs": {flag: value}}))
    assert line.startswith(f"evenkeel:cluster.{program}.extraArgs.{flag}: {value}: {promises.OUT_OF_SIGHT}; ")


@pytest.mark.parametrize(("program", "flag", "value"), NO_STRANGE_FILES)
def test_a_file_that_the_pod_mounts_may_be_named_and_a_value_may_look_like_a_path(
    root: Path, program: str, flag: str, value: str
) -> None:
    assert samples.refusals(root, changed({f"cluster.{program}.extraArgs": {flag: value}})) == []


RUNTIME, IMAGES = "plugins/io.containerd.cri.v1.runtime", "plugins/io.containerd.cri.v1.images"
FIELDS = [
    (section, path)
    for section, paths in (
        (
            "kubelet",
            """
            apiVersion kind staticPodPath staticPodURL authentication/anonymous authentication/x509
            authentication/webhook/enabled authorization/mode enableServer rotateCertificates serverTLSBootstrap
            tlsCertFile tlsPrivateKeyFile port healthzPort healthzBindAddress clusterDNS clusterDomain
            containerRuntimeEndpoint podCIDR registerNode
            """,
        ),
        ("kubeProxy", "apiVersion kind clientConnection/kubeconfig clusterCIDR hostnameOverride"),
        (
            "containerd",
            f"""
            version root state grpc/address {IMAGES}/registry {IMAGES}/pinned_images/sandbox {RUNTIME}/cni/bin_dir
            {RUNTIME}/cni/bin_dirs {RUNTIME}/cni/conf_dir
            {RUNTIME}/containerd/runtimes/runc/options/SystemdCgroup
            """,
        ),
    )
    for path in paths.split()
]


@pytest.mark.parametrize(("section", "path"), FIELDS)
def test_a_field_that_a_promise_rests_on_is_refused(root: Path, section: str, path: str) -> None:
    config = samples.put({}, path, "x")
    (line,) = samples.refusals(root, changed({f"cluster.{section}.config": config}))
    assert line.startswith(f"evenkeel:cluster.{section}.config.{path.replace('/', '.')}: ")


def test_a_hosts_own_kubelet_settings_are_held_to_the_same_promises(root: Path) -> None:
    (line,) = samples.refusals(root, changed({"hosts.emei.kubelet": {"config": {"staticPodPath": "/tmp"}}}))
    assert line.startswith("evenkeel:hosts.emei.kubelet.config.staticPodPath: /tmp: ")


def test_a_whole_mapping_cannot_be_replaced_to_get_around_a_promise(root: Path) -> None:
    lines = samples.refusals(root, changed({"cluster.kubelet.config": {"authentication": "none"}}))
    assert {line.split(": ")[0] for line in lines} == {
        "evenkeel:cluster.kubelet.config.authentication.anonymous",
        "evenkeel:cluster.kubelet.config.authentication.x509",
        "evenkeel:cluster.kubelet.config.authentication.webhook.enabled",
    }


def test_fields_that_users_tune_are_left_to_them(root: Path) -> None:
    values = changed(
        {
            "cluster.kubelet.config": {"maxPods": 200, "authentication": {"webhook": {"cacheTTL": "1m"}}},
            "hosts.emei.kubelet": {"config": {"maxPods": 50, "featureGates": {"NodeSwap": True}}},
        }
    )
    stack = samples.stack(root, {"cluster": values["cluster"], "hosts": values["hosts"]})
    assert stack.hosts["wudang"].kubelet_config["maxPods"] == 200
    assert stack.hosts["emei"].kubelet_config == {
        "maxPods": 50,
        "authentication": {"webhook": {"cacheTTL": "1m"}},
        "featureGates": {"NodeSwap": True},
    }


TAINT = {"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}
KINDS: list[tuple[str, dict[str, object], str]] = [
    ("kubelet", {"registerWithTaints": ["dedicated=gpu:NoSchedule"]}, "[...]: is not a list of taints; write it like"),
    ("kubelet", {"registerWithTaints": [{"effect": "NoSchedule"}]}, "[...]: is not a list of taints"),
    ("kubelet", {"registerWithTaints": [TAINT, {"key": "dedicated"}]}, "[...]: is not a list of taints"),
    ("kubelet", {"registerWithTaints": TAINT}, "{...}: is not a list of taints"),
    ("kubelet", {"registerWithTaints": None}, "null: is not a list of taints"),
    ("kubelet", {"resolvConf": 5}, "5: is not text; put it in quotes, or leave it out"),
    ("kubelet", {"cgroupDriver": ["systemd"]}, "[...]: is not text"),
    ("kubelet", {"failSwapOn": "false"}, "false: is neither true nor false; write true or false without quotes"),
    ("kubelet", {"failCgroupV1": 0}, "0: is neither true nor false"),
    ("kubelet", {"maxPods": "150"}, "150: is not a number; write a whole number without quotes"),
    ("kubelet", {"maxPods": True}, "True: is not a number"),
    ("kubeProxy", {"metricsBindAddress": 10249}, "10249: is not an address and a port; write it like 127.0.0.1:10249"),
    ("kubeProxy", {"metricsBindAddress": None}, "null: is not an address and a port"),
    ("kubeProxy", {"healthzBindAddress": "10.0.0.1:abc"}, "10.0.0.1:abc: is not an address and a port; write it like"),
    ("kubeProxy", {"healthzBindAddress": "0.0.0.0:65536"}, "0.0.0.0:65536: is not an address and a port"),
    ("kubeProxy", {"healthzBindAddress": "10.0.0.300:10256"}, "10.0.0.300:10256: is not an address and a port"),
    ("kubeProxy", {"mode": ["nftables"]}, "[...]: is not text"),
]


@pytest.mark.parametrize(("section", "config", "start"), KINDS)
def test_a_field_that_is_read_here_is_of_the_kind_that_it_is_read_as(
    root: Path, section: str, config: dict[str, object], start: str
) -> None:
    """They ended in a traceback of whatever read them."""
    (line,) = samples.refusals(root, changed({f"cluster.{section}.config": config}))
    assert line.startswith(f"evenkeel:cluster.{section}.config.{[*config][-1]}: {start}")
    if section == "kubelet":
        (line,) = samples.refusals(root, changed({"hosts.emei.kubelet": {"config": config}}))
        assert line.startswith(f"evenkeel:hosts.emei.kubelet.config.{[*config][-1]}: {start}")


def test_nothing_in_containerds_tree_is_named_wherever_it_stands(root: Path) -> None:
    collector = {"io.containerd.gc.v1.scheduler": {"delays": ["1s", None]}}
    config = {"debug": None, "plugins": collector, "imports": ["/etc/containerd/more.toml"]}
    assert samples.refusals(root, changed({"cluster.containerd.config": config})) == [
        f"evenkeel:cluster.containerd.config.{path}: null: is nothing, for which TOML has no form; "
        "leave the key out to keep containerd's default"
        for path in ("debug", "plugins.io.containerd.gc.v1.scheduler.delays.1")
    ]


def test_fields_of_their_kind_are_taken(root: Path) -> None:
    kubelet = {"registerWithTaints": [TAINT], "resolvConf": "", "maxPods": 0, "failSwapOn": False}
    proxy = {"metricsBindAddress": "[::1]:10249", "healthzBindAddress": "127.0.0.1", "mode": "nftables"}
    assert samples.refusals(root, changed({"cluster.kubelet.config": kubelet, "cluster.kubeProxy.config": proxy})) == []
