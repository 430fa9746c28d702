#!/bin/sh
# What a kubeadm master is, said on standard output for `python -m ops adopt`, a line for each thing:
#   file PATH BASE64            a file of the host
#   answer NAME STATUS BASE64   what a question was answered, and how its command ended
# Reads only: no file is written on the host. Keys of authorities are among what it says, so the lines must go nowhere
# but through SSH. Does not own what any of it means (ops/adopt/cluster.py).
set -u
umask 077
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin
export KUBECONFIG=/etc/kubernetes/admin.conf
export HOME=/nonexistent # kubectl keeps a cache in its user's home
export LC_ALL=C # what programs say is read
export NO_PROXY='*' no_proxy='*' # the host's environment may name a proxy, and nothing here is behind one
ETCD_PKI=/etc/kubernetes/pki/etcd

show() {
    [ ! -f "$1" ] || printf 'file %s %s\n' "$1" "$(base64 -w 0 <"$1")"
}

# ask NAME COMMAND...
ask() {
    ask_name=$1
    shift
    ask_status=0
    ask_text=$("$@" 2>&1) || ask_status=$?
    printf 'answer %s %s %s\n' "$ask_name" "$ask_status" "$(printf '%s' "$ask_text" | base64 -w 0)"
}

api() {
    kubectl get --request-timeout=10s --raw "$1"
}

etcd() {
    curl -q -fsS --max-time 10 --cacert $ETCD_PKI/ca.crt --cert $ETCD_PKI/healthcheck-client.crt --key $ETCD_PKI/healthcheck-client.key -d '{}' "https://127.0.0.1:2379/v3/$1"
}

free_kilobytes() {
    df -Pk /var/lib | awk 'NR == 2 { print $4 }'
}

containerd_version() {
    containerd --version | awk '{ print $3 }'
}

# Each by itself: only its kubelet knows what a node runs with.
kubelets() {
    for node in $(kubectl get nodes --request-timeout=10s -o name 2>/dev/null); do
        ask "kubelet/${node#node/}" api "/api/v1/nodes/${node#node/}/proxy/configz"
    done
}

adopted() {
    [ -d /var/lib/evenkeel/applied ]
}

find /etc/kubernetes/manifests -maxdepth 1 -type f -name '*.yaml' 2>/dev/null | sort | while read -r path; do show "$path"; done
find /etc/kubernetes/pki -type f -name '*.crt' 2>/dev/null | sort | while read -r path; do show "$path"; done
for key in ca.key front-proxy-ca.key etcd/ca.key sa.key sa.pub; do show "/etc/kubernetes/pki/$key"; done
for path in /etc/kubernetes/admin.conf /etc/kubernetes/controller-manager.conf /etc/kubernetes/scheduler.conf \
    /var/lib/kubelet/config.yaml /var/lib/kubelet/kubeadm-flags.env /etc/default/kubelet /etc/sysconfig/kubelet \
    /etc/containerd/config.toml; do
    show "$path"
done
ask clock date +%s
ask free-kilobytes free_kilobytes
ask containerd-version containerd_version
ask kubelet-certificate openssl x509 -in /var/lib/kubelet/pki/kubelet-client-current.pem
ask adopted adopted
ask version api /version
ask nodes api /api/v1/nodes
ask config-maps api /api/v1/namespaces/kube-system/configmaps
ask cluster-info api /api/v1/namespaces/kube-public/configmaps/cluster-info
ask control-plane api '/api/v1/namespaces/kube-system/pods?labelSelector=tier%3Dcontrol-plane'
ask daemon-sets api /apis/apps/v1/daemonsets
ask coredns api /apis/apps/v1/namespaces/kube-system/deployments/coredns
ask node-leases api /apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases
ask leases api /apis/coordination.k8s.io/v1/namespaces/kube-system/leases
kubelets
ask etcd-members etcd cluster/member/list
ask etcd-status etcd maintenance/status
ask etcd-health curl -q -sS --max-time 10 http://127.0.0.1:2381/health
