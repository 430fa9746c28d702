#!/bin/sh
# A kubeadm master before others join it: its files as they are now are kept, and its etcd member is known by an address
# that others reach. What it runs stays as it is. Does not own its turn: that is activate-master.sh.
# Usage: adopt.sh, with the variables of etcd.sh
set -eu
umask 077
here=/usr/local/lib/evenkeel
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
# shellcheck source=scripts/etcd.sh
. "$here/etcd.sh"

ORIGINALS=$EVENKEEL_STATE/adopted
KEPT="etc/kubernetes var/lib/kubelet/config.yaml var/lib/kubelet/kubeadm-flags.env etc/containerd/config.toml
    etc/systemd/system/kubelet.service etc/systemd/system/kubelet.service.d etc/systemd/system/containerd.service"
LEFT=etc/kubernetes/tmp # where each `kubeadm upgrade` leaves a copy of etcd's data

# Whole or not at all, with their modes and times, and once: what a second run finds may be the stack's already.
keep_originals() {
    [ ! -d "$ORIGINALS" ] || return 0
    rm -rf "$ORIGINALS.new"
    mkdir -p "$ORIGINALS.new/files"
    kept_here=$(for kept_path in $KEPT; do [ ! -e "$EVENKEEL_ROOT/$kept_path" ] || printf '%s\n' "$kept_path"; done)
    printf '%s\n' "$kept_here" | tar -C "$EVENKEEL_ROOT/" --exclude="$LEFT" -c -T - -f "$ORIGINALS.new/tar"
    tar -C "$ORIGINALS.new/files" -xp -f "$ORIGINALS.new/tar"
    rm "$ORIGINALS.new/tar"
    (cd "$ORIGINALS.new/files" && find . -type f -exec sha256sum {} + | sort -k 2) >"$ORIGINALS.new/sha256"
    mv "$ORIGINALS.new" "$ORIGINALS"
}

# kubeadm's etcd of old days told others that it is at localhost, and goes on telling that from its data.
peer_reachable() {
    reachable_own=$(etcd_misplaced "$(etcd_local member list)")
    [ -n "$reachable_own" ] || return 0
    ss -Hltn | awk '{ print $4 }' | grep -qxF -e "$ADDRESS:2380" -e '*:2380' -e '0.0.0.0:2380' ||
        fail adopt "etcd listens for other members at ${reachable_own#* } only" "set --listen-peer-urls=$ETCD_PEER_URL in /etc/kubernetes/manifests/etcd.yaml (etcd restarts once), and run up again"
    etcd_move "$reachable_own"
}

# Another machine may stand behind the name by now, or this one have lost its disk: it joins the others like any master.
nothing_is_left() {
    [ "$1" = again ] && ! etcd_has_data
}

lock
if nothing_is_left "$1"; then
    say "nothing of kubeadm's is left on this host: in its turn it joins the other members"
    exit 0
fi
etcd_local member list >/dev/null || fail adopt "etcd does not answer on this host" "look at its log under /var/log/pods, then run up again"
keep_originals
peer_reachable
