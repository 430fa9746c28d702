#!/bin/sh
# Holds this host's apiserver still for the moment in which another member hands etcd's lead over: raft refuses or loses
# what it is asked until the new leader is known, and each such write would be an HTTP 500 to somebody.
# Does not own when the lead moves: that is etcd.sh, whose variables it needs.
#   watch    while a roll takes place; started as a unit that ends by itself (etcd_stand_by)
#   hold     what etcdctl runs when the key HANDOVER changes
#   resume   what systemd runs when the unit ends, however it does: no apiserver stays stopped
set -eu
umask 077
here=/usr/local/lib/evenkeel
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
# shellcheck source=scripts/etcd.sh
. "$here/etcd.sh"

LONGEST=3 # seconds, whatever becomes of the handover

apiservers() {
    { grep -lsx kube-apiserver /proc/[0-9]*/comm || :; } | while IFS=/ read -r _ _ apiserver _; do
        kill -s "$1" "$apiserver" 2>/dev/null || :
    done
}

another_leads() {
    another_status=$(etcd_status) || return 1
    another_leader=$(etcd_number leader "$another_status")
    [ -n "$another_leader" ] && [ "$another_leader" != "$1" ]
}

# hold MEMBER: until another member than this one leads. The timer goes by no answer of etcd's, which may be long in coming.
hold() {
    (sleep "$LONGEST" && apiservers CONT) &
    timer=$!
    trap 'kill "$timer" 2>/dev/null || :; apiservers CONT' EXIT
    apiservers STOP
    etcd_local put "$HELD/$NODE" "$1" >/dev/null
    await "$LONGEST" another_leads "$1" || say "etcd: the lead has not moved after $LONGEST s; the apiserver goes on"
}

case $1 in
watch) exec etcdctl --endpoints="https://127.0.0.1:2379,$(etcd_others)" watch "$HANDOVER" -- "$0" hold ;;
hold)
    said=$(printf '%s' "$ETCD_WATCH_VALUE" | tr -d '"')
    case $said in
    over) systemctl stop --no-block "$HANDOVER_UNIT" ;;
    "$NODE "*) ;;
    *) hold "${said#* }" ;;
    esac
    ;;
resume) apiservers CONT ;;
esac
