#!/bin/sh
# A snapshot of this host's etcd member on standard output, checked before it leaves: its sha256 on a line of its own,
# then its bytes. Nothing of it stays here. Does not own where it goes.
# Usage: etcd-snapshot.sh, with the variables of etcd.sh
set -eu
umask 077
here=/usr/local/lib/evenkeel
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
# shellcheck source=scripts/etcd.sh
. "$here/etcd.sh"

# One that is cut off from the others would give what has been overtaken.
etcd_agrees https://127.0.0.1:2379 10s ||
    fail "snapshot of etcd" "this member does not agree with a majority: $(printf '%s\n' "$agrees_said" | tail -n 1)" "see that etcd is well on most masters"
folder=$(mktemp -d "$EVENKEEL_STATE/.snapshot.XXXXXX")
trap 'rm -rf "$folder"' EXIT
said=$(etcdctl --endpoints=https://127.0.0.1:2379 --command-timeout=300s snapshot save "$folder/etcd.db" 2>&1) ||
    fail "snapshot of etcd" "it cannot be taken: $(printf '%s\n' "$said" | tail -n 1)" "see that etcd is well and that /var/lib has room for its data"
said=$(etcdutl snapshot status "$folder/etcd.db" 2>&1) ||
    fail "snapshot of etcd" "it is damaged: $(printf '%s\n' "$said" | tail -n 1)" "run up again; if it stays so, etcd's data on this host is damaged"
sha256sum <"$folder/etcd.db" | cut -c 1-64
cat "$folder/etcd.db"
