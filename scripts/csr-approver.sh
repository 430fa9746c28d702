#!/bin/sh
# Approves kubelet serving certificates, each only for the node that it belongs to.
# A request is approved when the node itself asks, for nothing but a server certificate, and every name in it is one
# that the stack's settings give to that node (NAMES: "node name-or-address ..." a line). Anything else is left alone.
# Does not own kubelet client certificates: their rotation is approved by Kubernetes' own rules (render.addons.rbac).
set -euf
NAMES=${NAMES:-/etc/kubernetes/evenkeel/kubelet-serving.names}
export KUBECONFIG="${KUBECONFIG:-/etc/kubernetes/evenkeel/csr-approver.conf}"
TEMPLATE='{{.metadata.name}}|{{.spec.username}}|{{range .spec.usages}}{{.}},{{end}}|{{.spec.request}}|{{range .status.conditions}}{{.type}}{{end}}{{"\n"}}'

say() {
    printf '%s\n' "$*"
}

# readable FILE: Kubernetes, which signs what is approved, reads the same in it as openssl does here. Either passes over
# what it can't read, so there is one block, with one list of extensions: nothing that one of them could find instead.
readable() {
    [ "$(grep -c -e '-----BEGIN' "$1")" = 1 ] || return 1
    readable_form=$(openssl asn1parse -in "$1") || return 1
    [ "$(printf '%s\n' "$readable_form" | grep -c ':Extension Request$')" = 1 ]
}

# request_names FILE: the names in a signing request, one a line. openssl writes a name as it is, line breaks included:
# whatever is not a heading is taken for a name, so that none can hide behind another one.
request_names() {
    openssl req -in "$1" -noout -text -reqopt no_header,no_version,no_subject,no_pubkey,no_attributes,no_sigdump |
        sed -e '/^ *Requested Extensions: *$/d; /^ *X509v3 Subject Alternative Name: *$/d; s/, */\n/g' |
        sed 's/^ *//; s/^DNS://; s/^IP Address://'
}

# allowed NODE FILE: every name in the request is this node's, and there is one at least.
allowed() {
    readable "$2" || return 1
    [ "$(openssl req -in "$2" -noout -subject -nameopt RFC2253)" = "subject=CN=system:node:$1,O=system:nodes" ] || return 1
    allowed_names=$(request_names "$2")
    [ -n "$allowed_names" ] || return 1
    for allowed_name in $allowed_names; do
        awk -v node="$1" -v name="$allowed_name" '$1 == node { for (i = 2; i <= NF; i++) if ($i == name) found = 1 } END { exit !found }' "$NAMES" || return 1
    done
}

# decide NAME USERNAME USAGES REQUEST
decide() {
    case $2 in
    system:node:*) decide_node=${2#system:node:} ;;
    *) return 0 ;;
    esac
    case $3 in
    'digital signature,server auth,' | 'digital signature,key encipherment,server auth,' | 'key encipherment,digital signature,server auth,') ;;
    *)
        say "left alone: $1 of $2: usages $3"
        return 0
        ;;
    esac
    printf '%s' "$4" | base64 -d >"$work/request"
    if allowed "$decide_node" "$work/request"; then
        say "approved: $1 of $2: $(request_names "$work/request" | paste -sd ' ' -)"
        kubectl certificate approve "$1" >/dev/null
    else
        say "left alone: $1 of $2: $(request_names "$work/request" | paste -sd ' ' -) is not what the stack gives to that node"
    fi
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
while :; do
    kubectl get csr --field-selector=spec.signerName=kubernetes.io/kubelet-serving --watch -o "go-template=$TEMPLATE" 2>/dev/null |
        while IFS='|' read -r name username usages request decided; do
            [ -n "$decided" ] || decide "$name" "$username" "$usages" "$request" || :
        done || :
    sleep 2
done
