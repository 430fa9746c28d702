#!/bin/sh
# shellcheck disable=SC2046,SC2086 # lists of parts and of pods are words
# Makes a master run what is staged for it, in an order that costs no request and no write, and waits until it is well.
# Usage: activate-master.sh first|roll, with the variables of etcd.sh and kubelet.sh, and
#   LOAD_BALANCERS    one "address:port" of a status page a word
#   MASTERS           how many masters the stack has
# first: at the end of staging. Starts a host that holds a founding ticket and runs nothing yet; on one whose etcd will
#        restart, stands by for the moments in which etcd's lead moves; gives an etcd whose certificates have ended the
#        new ones. Nothing else.
# roll:  when the chain of hosts has come to this one.
set -eu
umask 077
here=/usr/local/lib/evenkeel
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
# shellcheck source=scripts/static-pods.sh
. "$here/static-pods.sh"
# shellcheck source=scripts/etcd.sh
. "$here/etcd.sh"
# shellcheck source=scripts/artifacts.sh
. "$here/artifacts.sh"
# shellcheck source=scripts/activate-runtime.sh
. "$here/activate-runtime.sh"
# shellcheck source=scripts/kubelet.sh
. "$here/kubelet.sh"

ETCD_PARTS="etcd etcd.secret"
APISERVER_PARTS="apiserver apiserver.secret pki.secret ca"
CONTROLLER_MANAGER_PARTS="controller-manager controller-manager.secret pki.secret ca"
SCHEDULER_PARTS="scheduler scheduler.secret"
APPROVER_PARTS="csr-approver csr-approver.secret"
POD_SECONDS=330     # in which a pod must be well: one that has ended too often is started only after 300 s
ETCD_LAST_ANSWERS=1 # seconds in which a member that has closed answers what it was asked before

ready() {
    listens 6443 && answers "https://$ADDRESS:6443/readyz" "$KUBERNETES_CA"
}

# upstreams PAGE: what a load balancer says of the apiservers. Fails when nobody answers there, so that one that is away
# holds nothing up; prints nothing when it answers but doesn't know (its check has a turn of its own just then).
upstreams() {
    upstreams_said=$(curl -q -s --max-time 2 -w '%{http_code}\n' "http://$1/upstreams/apiserver") || return 1
    [ "${upstreams_said##*[!0-9]}" != 200 ] || printf '%s\n' "$upstreams_said"
}

# Every load balancer that answers sends new connections here. Sets ADMITTED_SILENT, those that don't answer.
admitted() {
    ADMITTED_SILENT=
    for admitted_page in $LOAD_BALANCERS; do
        if admitted_list=$(upstreams "$admitted_page"); then
            printf '%s\n' "$admitted_list" | grep -qx "$NODE up" || return 1
        else
            ADMITTED_SILENT="$ADMITTED_SILENT $admitted_page"
        fi
    done
}

# A load balancer that is away must not hold a roll up, and its absence must not pass unseen: it may be alive, and only
# its status page out of reach.
await_admission() {
    await 60 admitted || fail activate "a load balancer still keeps this apiserver out after 60 s" "look at 'journalctl -u evenkeel-upstreams' on the load balancers ($LOAD_BALANCERS)"
    [ -z "$ADMITTED_SILENT" ] ||
        say "warning: no answer from load balancers$ADMITTED_SILENT, so this turn went by what this host sees of the apiservers"
}

# Somebody else must be serving before this apiserver stops.
others_serve() {
    [ "$MASTERS" -gt 1 ] || return 0
    # One that serves nobody itself costs nobody anything: as where all certificates have ended, and nobody serves.
    await 3 ready || return 0
    await 20 others_are_up ||
        fail activate "no other apiserver is ready, as a load balancer ($LOAD_BALANCERS) or, if none answers, this host sees it" "mend another master first; stopping this one would stop the API"
}

others_are_up() {
    others_told=no
    for others_page in $LOAD_BALANCERS; do
        others_list=$(upstreams "$others_page") || continue
        others_told=yes
        printf '%s\n' "$others_list" | grep -v "^$NODE " | grep -q ' up$' || return 1
    done
    [ "$others_told" = yes ] || another_answers
}

another_answers() {
    for another in $ETCD_MEMBERS; do
        [ "${another%%=*}" != "$NODE" ] || continue
        another_url=${another#*=}
        ! answers "${another_url%:*}:6443/readyz" "$KUBERNETES_CA" || return 0
    done
    return 1
}

# The manifest of a first start says how; the staged one, which says nothing, comes with the next change of etcd.
etcd_place_first() {
    install_part etcd.secret >/dev/null
    etcd_start_fresh
    place_pod etcd $ETCD_PARTS
    ETCD_FIRST_START=
    applied etcd $ETCD_PARTS
}

# A manifest that has no data to start on is one of a first start that came to nothing, or of a disk that was lost since.
# What it says of the members then is not what they are now: the next one is of what they say.
etcd_lost_data() {
    [ -f "$MANIFESTS/etcd.yaml" ] || return 0
    await 30 etcd_has_data || {
        say "etcd: there is no data here, and its pod has not made any: it starts anew"
        end_pod etcd
        rm -f "$EVENKEEL_STATE/applied/etcd"
    }
}

is_kubeadms_apiserver() {
    [ -f "$MANIFESTS/kube-apiserver.yaml" ] && ! grep -q evenkeel.dev/revision "$MANIFESTS/kube-apiserver.yaml"
}

etcd_activate() {
    if ! etcd_has_data; then
        etcd_place_first
        # A host that joins runs nothing yet, and the other members answer its apiserver.
        [ -n "$(running kube-apiserver)" ] || place_others
    else
        etcd_may_stop
        [ -z "$(running kube-apiserver)" ] || {
            others_serve
            say "taking the apiserver out of service while etcd restarts"
            # The controllers could do nothing without it.
            apiserver_end $(controllers_that_change)
        }
        etcd_end
        place_pod etcd $ETCD_PARTS
        # They need not wait for their own member: the others answer the apiserver.
        [ "$MASTERS" = 1 ] || place_others
    fi
}

# apiserver_end NAME...: and these pods with it.
apiserver_end() {
    # kubeadm's takes no connection once it is to end, and yet waits 30 s for old ones. Killed at once it loses nothing:
    # what it has acknowledged is in etcd.
    ! is_kubeadms_apiserver || kill_once_closed kube-apiserver "https://$ADDRESS:6443/livez" 0
    end_pod kube-apiserver "$@"
}

etcd_end() {
    etcd_yield
    # It would wait 7 s for the other apiservers' watches, which end only with it; all else they ask elsewhere by then.
    kill_once_closed etcd "https://$ADDRESS:2379/" "$ETCD_LAST_ANSWERS"
}

etcd_gate() {
    await_healthy etcd "$POD_SECONDS" etcd_healthy
    etcd_promote
    # A founder is where it has just been founded.
    [ -f "$EVENKEEL_STATE/applied/etcd" ] || [ -f "$ETCD_TICKET" ] || etcd_tell_address
    rm -f "$ETCD_TICKET"
    applied etcd $ETCD_PARTS
}

# pod_activate NAME HEALTH_COMMAND PART...
pod_activate() {
    pod_name=$1 pod_health=$2
    shift 2
    place_pod "$pod_name" "$@"
    await_healthy "$pod_name" "$POD_SECONDS" "$pod_health"
    applied "$pod_name" "$@"
}

place_others() {
    place_pod kube-apiserver $APISERVER_PARTS
    place_pod kube-controller-manager $CONTROLLER_MANAGER_PARTS
    place_pod kube-scheduler $SCHEDULER_PARTS
}

# release_lease NAME: of a leader that ran here and has ended; nobody would lead for the 15 s until the lease is over.
release_lease() {
    lease_holder=$(lease get "$1" -o 'jsonpath={.spec.holderIdentity}' 2>/dev/null) || return 0
    case $lease_holder in
    "$(uname -n)_"*)
        lease patch "$1" --type=json -p '[{"op":"test","path":"/spec/holderIdentity","value":"'"$lease_holder"'"},
            {"op":"replace","path":"/spec/holderIdentity","value":""},
            {"op":"replace","path":"/spec/leaseDurationSeconds","value":1}]' >/dev/null 2>&1 || :
        ;;
    esac
}

lease() {
    lease_verb=$1
    shift
    kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=5s -n kube-system "$lease_verb" lease "$@"
}

controllers_that_change() {
    in_place kube-controller-manager $CONTROLLER_MANAGER_PARTS || echo kube-controller-manager
    in_place kube-scheduler $SCHEDULER_PARTS || echo kube-scheduler
}

# Neither answers anybody, so both end, and both start, side by side.
controllers_activate() {
    controllers_end $(controllers_that_change)
    place_pod kube-scheduler $SCHEDULER_PARTS
    pod_activate kube-controller-manager controller_manager_healthy $CONTROLLER_MANAGER_PARTS
    pod_activate kube-scheduler scheduler_healthy $SCHEDULER_PARTS
}

controllers_end() {
    end_pod "$@"
    for controllers_lease in "$@"; do release_lease "$controllers_lease"; done
}

controller_manager_healthy() { listens 10257 && curl -q -kfs --max-time 2 -o /dev/null https://127.0.0.1:10257/healthz; }
scheduler_healthy() { listens 10259 && curl -q -kfs --max-time 2 -o /dev/null https://127.0.0.1:10259/healthz; }

# What takes a while and interrupts nothing: systemd learns of the unit. Again it does nothing.
approver_install() {
    for approver_part in $APPROVER_PARTS; do install_part "$approver_part" >/dev/null; done
    reread evenkeel-csr-approver
    systemctl is-enabled --quiet evenkeel-csr-approver 2>/dev/null || systemctl enable --quiet --no-reload evenkeel-csr-approver
}

approver_activate() {
    if ! pending csr-approver $APPROVER_PARTS; then
        keep evenkeel-csr-approver
        return 0
    fi
    approver_install
    systemctl restart evenkeel-csr-approver
    applied csr-approver $APPROVER_PARTS
}

# Everything at once: nothing runs here that could be interrupted.
start_all() {
    etcd_place_first
    place_others
    kubelet_start
    approver_install
}

# A kubelet of another minor version makes other pods of the same manifests: a static pod's UID is a hash over all fields
# that a pod has in the kubelet's version. It kills the old ones within 2 s of its start, etcd and apiserver at once, so
# these end in order before it comes, and begin with it.
replace_all() {
    etcd_may_stop
    others_serve
    say "taking this master out of service while its kubelet becomes another version"
    controllers_end kube-controller-manager kube-scheduler
    apiserver_end
    etcd_end
    end_pod etcd
    systemctl stop kubelet
    place_pod etcd $ETCD_PARTS
    [ "$MASTERS" = 1 ] || place_others
    kubelet_start
}

# A kubelet that is well stays as it is until its own apiserver is new: no pod is replaced without a kubelet, and none
# shall meet an apiserver that is older than itself.
roll_all() {
    runtime_activate
    # A kubelet that finds no such folder when it starts notices what comes into it first only after 20 s.
    (umask 022 && mkdir -p "$MANIFESTS")
    kubelet_healthy || kubelet_start
    await 60 kubelet_healthy || kubelet_failed "it is not healthy after 60 s"
    etcd_begin_anew
    etcd_lost_data
    if etcd_has_data && kubelet_leaps; then
        replace_all
    elif pending etcd $ETCD_PARTS; then
        etcd_activate
    fi
    etcd_gate
    if ! in_place kube-apiserver $APISERVER_PARTS && [ -n "$(running kube-apiserver)" ]; then others_serve; fi
    pod_activate kube-apiserver ready $APISERVER_PARTS
    controllers_activate
    kubelet_start
    kubelet_gate
    install_part admin.secret >/dev/null
    # kubeadm's, for emergencies. Nobody would renew it, and the stack has one of its own, which lies on no host.
    rm -f /etc/kubernetes/super-admin.conf
    approver_activate
    await_admission
    etcd_roll_over
}

lock
case $1 in
first)
    if etcd_has_data; then
        etcd_renew_ended
        if pending etcd $ETCD_PARTS || kubelet_leaps; then etcd_stand_by; fi
    elif [ -f "$ETCD_TICKET" ]; then
        start_all
    fi
    ;;
roll) roll_all ;;
esac
