#!/bin/sh
# What the cluster must learn of the stack's hosts: members and nodes that are no longer in the stack are removed, and
# who became a worker, or is no longer one, loses or gets the control plane's taint.
# Prints the etcd cluster's id, which the stack's state keeps. Does not own joining: that is etcd.sh.
# Needs the variables of etcd.sh, NODES, the names of all nodes of the stack, and TAINTED, of those with the taint.
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

TAINT="node-role.kubernetes.io/control-plane"
# A line a node that a stack has brought here, others being somebody else's: its name, and its taints' keys.
LISTED='{{range .items}}{{if index .metadata.annotations "evenkeel.dev/host"}}{{.metadata.name}}{{range .spec.taints}} {{.key}}{{end}}{{"\n"}}{{end}}{{end}}'

# is_in WORD LIST
is_in() {
    case " $2 " in
    *" $1 "*) return 0 ;;
    esac
    return 1
}

remove_node() {
    say "removing node $1: no host of the stack; on that machine all is as it was: '$here/retire.sh everything $1' there takes it away"
    api delete node "$1" --wait=false >/dev/null
}

# set_taint NODE TAINTS
set_taint() {
    if is_in "$1" "$TAINTED"; then
        is_in "$TAINT" "$2" || api taint node "$1" "$TAINT:NoSchedule" >/dev/null
    elif is_in "$TAINT" "$2"; then
        say "node $1 takes any pod from now on"
        api taint node "$1" "$TAINT-" >/dev/null
    fi
}

lock
members=$(await 30 etcd_local member list) || fail membership "etcd does not answer on this host" "look at its log under /var/log/pods, then run up again"
etcd_drop_strangers "$members"
listed=$(await 30 api get nodes -o go-template="$LISTED") || fail membership "the API of this host does not list the nodes" "mend what the lines above name and run up again"
printf '%s\n' "$listed" | while read -r node taints; do
    [ -n "$node" ] || continue
    if is_in "$node" "$NODES"; then set_taint "$node" "$taints"; else remove_node "$node"; fi
done
etcd_local member list -w fields | sed -n 's/^"ClusterID" : /etcd cluster /p' | head -n 1
