#!/bin/sh
# While an authority is renewed, after all masters had their turns: every pod that starts from now on is given all that
# is trusted, and this master's kubelet serves by the authority that issues. In its own turn another master's
# controller manager may still have signed for it with the one before.
# Does not own the workers' kubelets: their turns come after this. Needs the variables of kubelet.sh.
set -eu
umask 077
here=/usr/local/lib/evenkeel
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
# shellcheck source=scripts/artifacts.sh
. "$here/artifacts.sh"
# shellcheck source=scripts/kubelet.sh
. "$here/kubelet.sh"

# The namespaces whose pods would still be given something else.
unpublished() {
    kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=5s get configmaps -A --field-selector metadata.name=kube-root-ca.crt \
        -o go-template='{{range .items}}{{if ne (index .data "ca.crt") `'"$(cat "$KUBERNETES_CA")"'
`}}{{.metadata.namespace}} {{end}}{{end}}'
}

published() {
    renewal_missing=$(unpublished) && [ -z "$renewal_missing" ]
}

lock
await 60 published ||
    fail renewal "pods of the namespaces ${renewal_missing:-?} would not be given what is trusted now, after 60 s" "look at the log of the kube-controller-manager that leads, then run up again"
if ! kubelet_vouched server; then
    kubelet_serving_certificate
    systemctl restart kubelet
    kubelet_gate
    kubelet_serving_gate
fi
