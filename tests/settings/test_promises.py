"""What a user's flags and fields may not say of what a promise rests on, and what is left to users."""

import re
from pathlib import Path

import pytest

from render import static_pods
from settings.rules import promises
from tests.settings import samples

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
    lines = samples.refusals(root, samples.changed({f"cluster.{program}.extraArgs": {flag: "x"}}))
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
    (line,) = samples.refusals(root, samples.changed({f"cluster.{program}.extraArgs": {flag: refused}}))
    assert line.startswith(f"evenkeel:cluster.{program}.extraArgs.{flag}: ")
    assert samples.refusals(root, samples.changed({f"cluster.{program}.extraArgs": {flag: accepted}})) == []


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
    assert samples.refusals(root, samples.changed({f"cluster.{program}.extraArgs": {flag: value}})) == []


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
    (line,) = samples.refusals(root, samples.changed({f"cluster.{program}.extraArgs": {flag: value}}))
    assert line.startswith(f"evenkeel:cluster.{program}.extraArgs.{flag}: {value}: {promises.OUT_OF_SIGHT}; ")


@pytest.mark.parametrize(("program", "flag", "value"), NO_STRANGE_FILES)
def test_a_file_that_the_pod_mounts_may_be_named_and_a_value_may_look_like_a_path(
    root: Path, program: str, flag: str, value: str
) -> None:
    assert samples.refusals(root, samples.changed({f"cluster.{program}.extraArgs": {flag: value}})) == []


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
    (line,) = samples.refusals(root, samples.changed({f"cluster.{section}.config": config}))
    assert line.startswith(f"evenkeel:cluster.{section}.config.{path.replace('/', '.')}: ")


def test_a_hosts_own_kubelet_settings_are_held_to_the_same_promises(root: Path) -> None:
    (line,) = samples.refusals(root, samples.changed({"hosts.emei.kubelet": {"config": {"staticPodPath": "/tmp"}}}))
    assert line.startswith("evenkeel:hosts.emei.kubelet.config.staticPodPath: /tmp: ")


def test_a_whole_mapping_cannot_be_replaced_to_get_around_a_promise(root: Path) -> None:
    lines = samples.refusals(root, samples.changed({"cluster.kubelet.config": {"authentication": "none"}}))
    assert {line.split(": ")[0] for line in lines} == {
        "evenkeel:cluster.kubelet.config.authentication.anonymous",
        "evenkeel:cluster.kubelet.config.authentication.x509",
        "evenkeel:cluster.kubelet.config.authentication.webhook.enabled",
    }


def test_fields_that_users_tune_are_left_to_them(root: Path) -> None:
    values = samples.changed(
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
