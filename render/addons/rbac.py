"""Who may do what in a new cluster, beyond the roles that the apiserver makes by itself.

Names are kubeadm's where kubeadm has the same binding, so that an adopted cluster ends up with one of each. Left out
of kubeadm's set: everything for bootstrap tokens and ``cluster-info``, because nodes get their first certificate from
the stack's own PKI, and ``kubeadm-config``, because nothing here reads it. Does not own the add-ons' own roles.
"""

from render.addons.objects import Object, cluster_role, cluster_role_binding, of_group, of_user, rule

CLUSTER_ADMINS = "kubeadm:cluster-admins"
CSR_APPROVER = "evenkeel:csr-approver"
KUBELET_CLIENT = "kube-apiserver-kubelet-client"
KUBELET_SERVING_SIGNER = "kubernetes.io/kubelet-serving"


def objects() -> list[Object]:
    """The cluster-wide bindings. The first one is what an administrator's kubeconfig lives by."""
    return [
        cluster_role_binding(CLUSTER_ADMINS, "cluster-admin", of_group(CLUSTER_ADMINS)),
        _apiserver_to_kubelets(),
        _client_certificate_rotation(),
        *_serving_certificate_approval(),
    ]


def _apiserver_to_kubelets() -> Object:
    """Since 1.35.5 the certificate carries no organization: without this, ``kubectl logs`` and ``exec`` are refused."""
    return cluster_role_binding("kubeadm:apiserver-kubelet-client", "system:kubelet-api-admin", of_user(KUBELET_CLIENT))


def _client_certificate_rotation() -> Object:
    """A node may renew its own client certificate; the controller manager then approves the request by itself."""
    return cluster_role_binding(
        "kubeadm:node-autoapprove-certificate-rotation",
        "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        of_group("system:nodes"),
    )


def _serving_certificate_approval() -> list[Object]:
    """What approving kubelets' serving certificates takes, and nothing else: no other signer, no signing."""
    group = "certificates.k8s.io"
    rules = [
        rule(group, ["certificatesigningrequests"], ["get", "list", "watch"]),
        rule(group, ["certificatesigningrequests/approval"], ["update"]),
        rule(group, ["signers"], ["approve"], [KUBELET_SERVING_SIGNER]),
    ]
    return [cluster_role(CSR_APPROVER, rules), cluster_role_binding(CSR_APPROVER, CSR_APPROVER, of_user(CSR_APPROVER))]
