# shellcheck shell=sh
# One master's part in a restore of etcd: telling what it holds, ending what uses it, setting it aside, beginning anew
# as a cluster of one. Travels behind lib.sh, static-pods.sh and etcd.sh, as a host that is lost has none of its own.
# Does not own which master begins, nor how others join: as any host without data does, in its turn of an `up`.
#   RESTORE   look | end | aside | begin
#   SUM       begin: the sha256 of the snapshot in $SNAPSHOT, or nothing to begin with what this host holds
#
#   /var/lib/etcd/restored            data that is ready to take the place of /var/lib/etcd/member
#   /var/lib/etcd/before-restore-*    what was there before

DATA=/var/lib/etcd
SNAPSHOT=$EVENKEEL_STATE/restore.db
ENDED=$EVENKEEL_STATE/before-restore # manifests of what was ended here
BEGIN="etcd kube-apiserver"

# Lines "KEY VALUE", and "end" when all is said.
restore_look() {
    restore_database=$(find "$DATA/member/snap/db" "$DATA/restored/member/snap/db" 2>/dev/null | head -n 1)
    restore_revision=$(etcd_number revision "$(etcd_status 2>/dev/null)")
    if [ -n "$restore_database" ]; then
        echo "data $restore_database"
        [ -n "$restore_revision" ] ||
            restore_revision=$(etcd_number revision "$(timeout 60 etcdutl snapshot status "$restore_database" --write-out=json 2>/dev/null)")
        echo "revision ${restore_revision:-0}"
    fi
    [ ! -f "$EVENKEEL_STATE/applied/kube-apiserver" ] || echo "turn yes"
    ! command -v etcdutl >/dev/null || echo "prepared yes"
    ! etcd_healthy || echo "majority yes"
    { [ ! -f "$MANIFESTS/etcd.yaml" ] && [ ! -f "$ENDED/etcd.yaml" ]; } || echo "manifest yes"
    echo end
}

# Also where a member does well: two clusters from one past would both take writes.
restore_end() {
    ctr -n k8s.io tasks ls >/dev/null 2>&1 || {
        [ ! -d "$DATA/member" ] || fail restore "containerd does not answer, so nobody knows what runs here" "run 'systemctl start containerd kubelet', and this again"
        return 0
    }
    mkdir -p "$ENDED"
    for ended_name in $BEGIN; do
        [ ! -f "$MANIFESTS/$ended_name.yaml" ] || cp -p "$MANIFESTS/$ended_name.yaml" "$ENDED/"
    done
    end_pod kube-apiserver etcd
}

# Its next turn finds no data here, and joins.
restore_aside() {
    [ ! -d "$DATA/member" ] || mv "$DATA/member" "$(restore_kept)"
    rm -rf "$DATA/restored" "$DATA/restoring" "$ENDED"
    rm -f "$EVENKEEL_STATE/applied/etcd"
}

restore_kept() {
    printf '%s/before-restore-%s' "$DATA" "$(date -u +%Y%m%dT%H%M%SZ)"
}

restore_begin() {
    if [ -n "$SUM" ]; then
        [ "$(sha256sum <"$SNAPSHOT" | cut -c 1-64)" = "$SUM" ] || fail restore "the snapshot did not arrive whole" "run this again"
        restore_from "$SNAPSHOT"
    elif [ -d "$DATA/member" ]; then
        restore_from "$DATA/member/snap/db" --skip-hash-check
    fi
    [ -d "$DATA/restored/member" ] || fail restore "this host holds no etcd data" "begin with another master, or with a snapshot"
    [ ! -d "$DATA/member" ] || mv "$DATA/member" "$(restore_kept)"
    mv "$DATA/restored/member" "$DATA/member"
    rm -rf "$DATA/restored" "$SNAPSHOT"
    restore_start
}

# The revisions jump ahead, so that nobody takes what they knew for newer.
restore_from() {
    rm -rf "$DATA/restored" "$DATA/restoring"
    restore_said=$(etcdutl snapshot restore "$@" --data-dir "$DATA/restoring" --name "$NODE" \
        --initial-cluster "$NODE=$ETCD_PEER_URL" --initial-advertise-peer-urls "$ETCD_PEER_URL" \
        --bump-revision 1000000000 --mark-compacted 2>&1) ||
        fail restore "etcdutl makes no data of $1: $(printf '%s\n' "$restore_said" | tail -n 1)" "see that $DATA has room for a copy, or choose another snapshot; what was there is there still"
    mv "$DATA/restoring" "$DATA/restored"
}

# A machine that nothing ran on is started by the `up` that follows.
restore_start() {
    [ -f "$ENDED/etcd.yaml" ] || return 0
    for start_name in $BEGIN; do
        [ ! -f "$ENDED/$start_name.yaml" ] || replace 0600 root:root "$ENDED/$start_name.yaml" "$MANIFESTS/$start_name.yaml"
    done
    await_healthy etcd 330 etcd_healthy # a pod that has ended too often is started only after 300 s
    await_healthy kube-apiserver 330 answers "https://$ADDRESS:6443/readyz" /etc/kubernetes/pki/ca.crt
    rm -rf "$ENDED"
}

case $RESTORE in
look) restore_look ;;
*)
    lock
    "restore_$RESTORE"
    ;;
esac
