#!/bin/sh
# What is left of hosts that are no longer in the stack: their etcd members and their Node objects are removed.
# Prints the etcd cluster's id, which the stack's state keeps. Does not own joining: that is etcd.sh.
# Needs the variables of etcd.sh and NODES, the names of all nodes of the stack.
set -eu
umask 077
here=/usr/local/lib/evenkeel
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
# shellcheck source=scripts/etcd.sh
. "$here/etcd.sh"

api() {
    kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=10s "$@"
}

lock
members=$(etcd_local member list) || fail membership "etcd does not answer on this host" "look at its log under /var/log/pods, then run up again"
etcd_drop_strangers "$members"
# Only nodes that a stack has brought here carry the annotation; others are somebody else's.
api get nodes -o go-template='{{range .items}}{{if index .metadata.annotations "evenkeel.dev/host"}}{{.metadata.name}}{{"\n"}}{{end}}{{end}}' |
    while read -r node; do
        case " $NODES " in
        *" $node "*) ;;
        *)
            say "removing node $node: no host of the stack"
            api delete node "$node" --wait=false >/dev/null
            ;;
        esac
    done
etcd_local member list -w fields | sed -n 's/^"ClusterID" : /etcd cluster /p' | head -n 1
