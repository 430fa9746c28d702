#!/bin/sh
# Takes away from this host what a role of it has brought: when the host stays in the stack without that role, and, by
# hand, when the host itself leaves the stack. Trust in Harbor counts as a role. What is gone already is no error.
# Does not own what the cluster knows of the host: membership.sh makes it forget, and has done so before this runs.
# Usage: retire.sh lb|master|node|hub|trust   does nothing while the stack's settings give this host that role (a node is
#                                             a master or a worker): a step that is replaced, and not given up, ends
#                                             here as well
#        retire.sh everything NAME            all roles, and every trace of the stack; NAME is this host's, so that
#                                             nobody does it to another one
set -eu
umask 077
here=/usr/local/lib/evenkeel
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
# shellcheck source=scripts/static-pods.sh
. "$here/static-pods.sh"

# What prepare.sh notes of this host's place in the stack: its NAME and its ROLES there, and whether it trusts Harbor.
PLACE=$EVENKEEL_STATE/place
MASTER_PARTS="etcd etcd.secret apiserver apiserver.secret pki.secret controller-manager controller-manager.secret
    scheduler scheduler.secret csr-approver csr-approver.secret admin.secret"
MASTER_UNITS="etcd kube-apiserver kube-controller-manager kube-scheduler csr-approver"
NODE_PARTS="kubelet kubelet.secret ca registries runtime" # the last one says that something is left to do
NODE_PROGRAMS="kubelet runtime tools"
HUB_PARTS="harbor.secret harbor"
HUB_LABEL=evenkeel.revision # on each container that the stack made, and on no other
HUB_NETWORK=harbor
HUB_SECONDS_TO_STOP=30
HUB_DATA=$EVENKEEL_STATE/harbor
HUB_FOLDERS="log job_logs trivy redis" # what Harbor keeps there, but for the database
HUB_BACKUPS=$EVENKEEL_ROOT/var/backups/evenkeel/harbor
TRUST_PART=harbor-trust

# still ROLE: the stack's settings give this host the role.
still() {
    case "$1:$ROLES" in
    *" $1 "* | node:*" master "* | node:*" worker "*) return 0 ;;
    esac
    return 1
}

# drop PART...: removes the files that these parts installed, and what is kept of the parts themselves.
drop() {
    for drop_part in "$@"; do
        [ -e "$EVENKEEL_STATE/applied/$drop_part.index" ] || [ -e "$EVENKEEL_STATE/staged/$drop_part" ] || continue
        stage_begin "$drop_part"
        stage_end "$drop_part"
        install_part "$drop_part" >/dev/null
        rm -rf "$EVENKEEL_STATE/staged/$drop_part" "$EVENKEEL_STATE/applied/$drop_part.index"
    done
}

# forget UNIT...: nothing is known to run well here any more.
forget() {
    for forget_unit in "$@"; do rm -f "$EVENKEEL_STATE/applied/$forget_unit" "$EVENKEEL_STATE/applied/$forget_unit.live"; done
}

# stop UNIT...: now and at the next boot; a unit that there isn't is stopped already.
stop() {
    for stop_unit in "$@"; do systemctl disable --now --quiet "$stop_unit" 2>/dev/null || :; done
}

# remove FOLDER...: with all that is in it; the folder itself stays where it is a disk of its own.
remove() {
    for remove_folder in "$@"; do
        remove_said=$(rm -rf "$remove_folder" 2>&1) || [ -z "$(ls -A "$remove_folder")" ] ||
            fail retire "$remove_folder cannot be removed: $(printf '%s\n' "$remove_said" | tail -n 1)" "see what holds it ('findmnt', 'fuser -vm'), then do this again"
    done
}

# nginx and keepalived get back what they had before; keepalived, which is stopped where its file came from here, is
# started with that by its owner. The address leaves first.
retire_lb() {
    [ -d "$EVENKEEL_STATE/lb" ] || return 0
    say "taking the load balancer away"
    [ ! -s "$EVENKEEL_STATE/applied/vip.index" ] || stop keepalived
    stop evenkeel-upstreams
    drop vip lb lb.ca
    forget nginx keepalived
    give_back /etc/keepalived/keepalived.conf
    give_back /etc/nginx/nginx.conf
    if [ -f "$EVENKEEL_ROOT/etc/nginx/nginx.conf" ]; then
        systemctl daemon-reload
        systemctl restart nginx || say "warning: nginx does not start with the file that it had before: see 'nginx -t'"
    else
        stop nginx
        systemctl daemon-reload
    fi
    rm -rf "$EVENKEEL_STATE/lb"
}

# The pods go with their manifests, as long as a kubelet runs here; where none does, retire_node has ended them.
retire_master() {
    [ -e "$EVENKEEL_STATE/applied/etcd.index" ] || [ -d "$EVENKEEL_ROOT/var/lib/etcd" ] || return 0
    say "taking etcd and the control plane away"
    stop evenkeel-csr-approver evenkeel-handover
    # shellcheck disable=SC2086 # lists are words
    {
        drop $MASTER_PARTS
        forget $MASTER_UNITS
    }
    systemctl daemon-reload
    await 60 control_plane_ended || fail retire "etcd or an apiserver still runs 60 s after its manifest was taken away" "look at 'journalctl -u kubelet' on this host, then run up again"
    remove "$EVENKEEL_ROOT/var/lib/etcd"
    rm -f "$EVENKEEL_STATE/etcd-founding-ticket"
}

control_plane_ended() {
    systemctl is-active --quiet containerd || return 0
    [ -z "$(running etcd)$(running kube-apiserver)" ]
}

retire_node() {
    [ -e "$EVENKEEL_STATE/applied/runtime.index" ] || return 0
    say "taking the kubelet, its pods and the container runtime away"
    stop kubelet
    end_pods
    stop containerd
    end_shims
    remove_network
    awk '$2 ~ "^/(var/lib/kubelet(/|$)|run/containerd|run/netns/cni)" { print $2 }' "$EVENKEEL_ROOT/proc/mounts" | sort -r |
        while read -r node_mount; do is_kubelets_disk "$node_mount" || umount -l "$node_mount"; done
    for node_group in $NODE_PROGRAMS; do remove_programs "$node_group"; done
    remove "$EVENKEEL_ROOT/var/lib/kubelet" "$EVENKEEL_ROOT/var/lib/containerd"
    rm -rf "$EVENKEEL_ROOT/run/containerd" "$EVENKEEL_ROOT/var/lib/cni" "$EVENKEEL_ROOT/run/flannel" "$EVENKEEL_ROOT/etc/cni/net.d" \
        "$EVENKEEL_ROOT/var/log/pods" "$EVENKEEL_ROOT/var/log/containers" "$EVENKEEL_STATE/images"
    still trust || retire_trust
    forget kubelet runtime
    # shellcheck disable=SC2086 # lists are words
    drop $NODE_PARTS
    systemctl daemon-reload
}

# A disk is emptied and stays. Where mounts are not shared, the kubelet mounts its folder on itself, which goes.
is_kubelets_disk() {
    [ "$1" = /var/lib/kubelet ] && [ "$(stat -c %d "$1")" != "$(stat -c %d "$1/..")" ]
}

# Containers outlive their runtime's end, so they are ended first.
end_pods() {
    systemctl is-active --quiet containerd || return 0
    await 60 no_task || say "warning: some containers do not end; they are gone after a boot"
}

no_task() {
    ctr -n k8s.io tasks ls -q | while read -r task; do ctr -n k8s.io tasks rm --force "$task"; done >/dev/null 2>&1
    [ -z "$(ctr -n k8s.io tasks ls -q)" ]
}

# Each pod's shim outlives its containers as long as its runtime has not told it to end.
end_shims() {
    for shim in $(shims k8s.io); do kill -9 "$shim" || :; done
}

# shims NAMESPACE: the processes that containers have above them; Docker's namespace is moby.
shims() {
    for shims_process in "$EVENKEEL_ROOT/proc"/[0-9]*; do
        case $(tr '\0' ' ' 2>/dev/null <"$shims_process/cmdline") in
        *"containerd-shim-runc-v2 -namespace $1 "*) echo "${shims_process##*/}" ;;
        esac
    done
}

# What kube-proxy, the pod network and the kubelet put into the kernel by their own names.
remove_network() {
    for network_link in cni0 flannel.1; do ip link delete "$network_link" 2>/dev/null || :; done
    remove_chains
    command -v nft >/dev/null || return 0
    nft list tables 2>/dev/null | awk '$3 == "kube-proxy" || $3 ~ /^flannel-ipv/ { print $2, $3 }' | while read -r family table; do
        nft delete table "$family" "$table"
    done
}

# They stand among the rules of others, which stay.
remove_chains() {
    for chains_tool in iptables ip6tables; do
        command -v "$chains_tool-save" >/dev/null || continue
        ! "$chains_tool-save" | grep -qE 'KUBE-|FLANNEL-' ||
            "$chains_tool-save" | grep -vE 'KUBE-|FLANNEL-' | "$chains_tool-restore"
    done
}

# remove_programs GROUP: those of artifacts.sh's table, where they were installed and where they were unpacked.
remove_programs() {
    programs_table=$EVENKEEL_STATE/artifacts/$1
    [ -f "$programs_table" ] || return 0
    while read -r programs_name programs_sha256 _ programs_folder _; do
        for program in "$here/unpacked/$programs_name-$programs_sha256"/*; do rm -f "$EVENKEEL_ROOT$programs_folder/${program##*/}"; done
        rm -rf "$here/unpacked/$programs_name-$programs_sha256" "$EVENKEEL_STATE/installed/$programs_name"
    done <"$programs_table"
    drop "$1.artifacts"
}

# A node's runtime and a hub's Docker both have it, each with files of its own: whoever changes from one to the other
# keeps it. Both read it at each pull.
retire_trust() {
    drop "$TRUST_PART"
}

# Docker itself stays, and so do its images and what lies on Harbor's storage. The data's folder goes last: as long as it
# is there, something is left to do.
retire_hub() {
    hub_left || return 0
    say "taking Harbor away"
    systemctl stop evenkeel-hub-back.timer evenkeel-hub-back.service 2>/dev/null || :
    end_containers
    keep_database
    forget hub hub.version hub.schema
    still trust || retire_trust
    # shellcheck disable=SC2086 # a list of words
    drop $HUB_PARTS
    systemctl daemon-reload
    rm -rf "$EVENKEEL_ROOT/etc/evenkeel/harbor" "$EVENKEEL_ROOT/run/evenkeel-harbor"
    for hub_folder in $HUB_FOLDERS; do remove_data "$HUB_DATA/$hub_folder"; done
    rmdir "$EVENKEEL_ROOT/etc/evenkeel" "$EVENKEEL_ROOT/etc/systemd/system/docker.service.d" 2>/dev/null || :
    [ ! -d "$HUB_DATA" ] || remove_data_folder
}

# Its turn makes the folder of the data; secrets lie here before that.
hub_left() {
    [ ! -d "$HUB_DATA" ] || return 0
    for hub_part in $HUB_PARTS; do
        if [ -e "$EVENKEEL_STATE/applied/$hub_part.index" ] || [ -e "$EVENKEEL_STATE/staged/$hub_part" ]; then return 0; fi
    done
    return 1
}

# Pulumi ends them too where the role alone leaves, before or after this. Each gets its time, as a database has something
# to write.
end_containers() {
    containers=$(our_containers) || {
        ! containers_possible || fail retire "Docker does not answer, and containers of Harbor may be on this host" "start it ('systemctl start docker'; 'journalctl -u docker' says why it does not), then do this again"
        return 0
    }
    # shellcheck disable=SC2086 # a list of words
    [ -z "$containers" ] || docker stop -t "$HUB_SECONDS_TO_STOP" $containers >/dev/null 2>&1 || :
    await 60 no_container || fail retire "Docker does not remove the containers of Harbor" "see 'docker ps --all --filter label=$HUB_LABEL' and 'journalctl -u docker' on this host, then do this again"
    [ -n "$(docker ps --all --quiet --filter "network=$HUB_NETWORK")" ] ||
        docker network rm "$HUB_NETWORK" >/dev/null 2>&1 || :
}

our_containers() {
    timeout 60 docker ps --all --quiet --filter "label=$HUB_LABEL" 2>/dev/null
}

no_container() {
    containers=$(our_containers) || return 1
    [ -n "$containers" ] || return 0
    # shellcheck disable=SC2086 # a list of words
    docker rm --force --volumes $containers >/dev/null 2>&1 || :
    return 1
}

# A turn installs its files before there is a container; and a Docker that was removed may have left some running.
containers_possible() {
    [ -e "$EVENKEEL_STATE/applied/harbor.index" ] || return 1
    command -v docker >/dev/null || [ -n "$(shims moby)" ]
}

# With a bundled store all that Harbor knew is in this folder, and nowhere else. Cut short between two file systems, mv
# leaves it whole on the one or on the other.
keep_database() {
    [ -n "$(ls -A "$HUB_DATA/database" 2>/dev/null)" ] || {
        remove_data "$HUB_DATA/database"
        return
    }
    mkdir -p "$HUB_BACKUPS"
    database_kept=$HUB_BACKUPS/database-$(date -u +%Y%m%dT%H%M%SZ)
    mv "$HUB_DATA/database" "$database_kept" ||
        fail retire "the database of Harbor's bundled store cannot be moved to $database_kept" "see to room there, or move $HUB_DATA/database away yourself, then do this again"
    chmod 0700 "$database_kept"
    say "the database of Harbor's bundled store is kept as $database_kept"
}

# remove_data FOLDER: nothing is removed from a file system that is mounted there.
remove_data() {
    rm -rf --one-file-system "$1" || fail retire "$1 cannot be removed" "unmount what is mounted there, then do this again"
}

remove_data_folder() {
    rmdir "$HUB_DATA" || fail retire "$HUB_DATA has something in it that is not of this stack ($(ls -A "$HUB_DATA"))" "move it away, then do this again"
}

# A node that the cluster still knows is one that the stack still has, or had in its last whole run.
still_in_the_cluster() {
    cluster_server=$(sed -n 's/^ *server: *//p' "$EVENKEEL_ROOT/etc/kubernetes/kubelet.conf" 2>/dev/null)
    [ -n "$cluster_server" ] && curl -q -fs --max-time 5 -o /dev/null --cacert "$EVENKEEL_ROOT/etc/kubernetes/pki/ca.crt" \
        --cert "$EVENKEEL_ROOT/var/lib/kubelet/pki/kubelet-client-current.pem" "$cluster_server/api/v1/nodes/$NAME"
}

# The kernel's settings stay as they are until the next boot.
retire_everything() {
    [ "${1:-}" = "$NAME" ] || fail retire "this host is $NAME, not '${1:-}'" "say its own name: retire.sh everything $NAME"
    ! still_in_the_cluster || fail retire "the cluster still has the node $NAME" "take it out of evenkeel:hosts and run up first, so that nothing counts on it"
    retire_hub
    retire_lb
    retire_node
    retire_master
    stop evenkeel-silent-peers
    rm -rf "$EVENKEEL_ROOT/etc/kubernetes"
    retire_trust
    drop system silent-peers
    unlock
    rm -rf "$EVENKEEL_STATE" "$here" "$EVENKEEL_ROOT/var/cache/evenkeel"
    say "nothing of the stack is left; kernel settings and packet filter rules that were made go with the next boot"
}

[ -f "$PLACE" ] || fail retire "$PLACE is not there, so this host was never prepared, or everything is gone" "nothing is left to do"
NAME=$(sed -n 's/^name //p' "$PLACE")
ROLES=" $(sed -n -e 's/^roles //p' -e 's/^trusts harbor$/trust/p' "$PLACE" | tr '\n' ' ')"
lock
case $1 in
everything) retire_everything "${2:-}" ;;
lb | master | node | hub | trust) still "$1" || "retire_$1" ;;
*) fail retire "there is no role $1" "say lb, master, node, hub, trust or everything" ;;
esac
