#!/bin/sh
# Undoes what adopt.sh and the joining of others have done to a kubeadm master, for as long as it alone votes: learners
# are taken out of etcd, and its files are as they were kept. What its preparation brought stays, and nothing uses it; the
# address at which its etcd member is known to others stays corrected. Does not own the hosts that were to join
# (retire.sh there), nor the stack.
# Usage: adopt-undo.sh
set -eu
umask 077
here=/usr/local/lib/evenkeel
# shellcheck disable=SC2034 # for etcd.sh
NODE=$(uname -n) ADDRESS=127.0.0.1 ETCD_MEMBERS=
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
# shellcheck source=scripts/etcd.sh
. "$here/etcd.sh"

ORIGINALS=$EVENKEEL_STATE/adopted

still_alone() {
    alone_members=$(etcd_local member list) || fail undo "etcd does not answer on this host" "look at its log under /var/log/pods, then undo again"
    alone_voters=$(printf '%s\n' "$alone_members" | grep -c ', false$')
    [ "$alone_voters" = 1 ] ||
        fail undo "$alone_voters members of etcd vote, so going back would lose what they hold" "go on: correct what the last run named and run up again (docs/adopt.md)"
}

remove_learners() {
    printf '%s\n' "$alone_members" | awk -F ', ' '$6 == "true" { print $1, $4 }' | while read -r learner_id learner_url; do
        say "etcd: removing the learner at $learner_url"
        etcd_local member remove "$learner_id" >/dev/null
    done
}

# Prints the path of each file that it put back, with the owner, mode and times that it had.
put_back() {
    while read -r back_sha256 back_path; do
        back_path=${back_path#./}
        [ "$(sha256sum <"$ORIGINALS/files/$back_path" | cut -d ' ' -f 1)" = "$back_sha256" ] ||
            fail undo "$ORIGINALS/files/$back_path is not what was kept there" "bring that file from a backup of this host to /$back_path yourself, and take its line out of $ORIGINALS/sha256"
        ! cmp -s "$ORIGINALS/files/$back_path" "$EVENKEEL_ROOT/$back_path" || continue
        back_new=${EVENKEEL_ROOT}/${back_path%/*}/.${back_path##*/}.evenkeel
        mkdir -p "$EVENKEEL_ROOT/${back_path%/*}"
        cp -p "$ORIGINALS/files/$back_path" "$back_new"
        mv -f "$back_new" "$EVENKEEL_ROOT/$back_path"
        printf '/%s\n' "$back_path"
    done <"$ORIGINALS/sha256"
}

restart_what_read_them() {
    [ -n "$1" ] || return 0
    systemctl daemon-reload
    case $1 in *containerd*) systemctl restart containerd ;; esac
    systemctl restart kubelet
}

lock
[ -d "$ORIGINALS" ] || fail undo "$ORIGINALS is not there, so no stack has changed this host" "nothing is to be undone"
still_alone
remove_learners
put=$(put_back)
restart_what_read_them "$put"
systemctl disable --now --quiet evenkeel-silent-peers 2>/dev/null || : # its peers go; the next up of a stack starts it
say "undone; put back: ${put:-nothing, all files are as they were}"
