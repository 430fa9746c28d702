# shellcheck shell=sh
# Static pods of this master: put a manifest in place, wait for the pod that it makes, and say why when it doesn't come.
# Does not own the order in which pods are replaced: that is activate-master.sh. Needs lib.sh.

# running CONTAINER: the ids of its running containers.
running() {
    ctr -n k8s.io containers ls -q "labels.\"io.kubernetes.container.name\"==$1,labels.\"io.kubernetes.pod.namespace\"==kube-system" |
        LC_ALL=C sort >"$EVENKEEL_STATE/applied/.named"
    ctr -n k8s.io tasks ls 2>/dev/null | awk '$3 == "RUNNING" { print $1 }' | LC_ALL=C sort |
        LC_ALL=C comm -12 "$EVENKEEL_STATE/applied/.named" -
}

# place_pod NAME PART...: installs the pod's parts, its manifest carrying their revision, so that the kubelet replaces
# the pod exactly when something that it reads has changed. Sets PLACED to yes when the manifest changed, else to no.
# shellcheck disable=SC2034 # PLACED is read by activate-master.sh
place_pod() {
    place_name=$1
    shift
    PLACE_REVISION=$(revision_of "$@")
    PLACED=no
    for place_part in "$@"; do
        place_paths=$(install_part "$place_part")
        case $place_paths in
        *"/manifests/$place_name.yaml"*) PLACED=yes ;;
        esac
    done
}

# What lib.sh's install_part does with a file's text. ETCD_FIRST_START: more sed commands, from etcd.sh.
ETCD_FIRST_START=
fill() {
    case $1 in
    */manifests/*) sed "s/@REVISION@/$PLACE_REVISION/$ETCD_FIRST_START" ;;
    *) cat ;;
    esac
}

# withdraw_pod NAME: takes the manifest away and waits until the pod has ended; the next place_pod brings it back.
withdraw_pod() {
    rm -f "/etc/kubernetes/manifests/$1.yaml"
    await 90 stopped "$1" || fail activate "$1 had not ended 90 s after its manifest was taken away" "look at 'journalctl -u kubelet' on this host, then run up again"
}

stopped() {
    [ -z "$(running "$1")" ]
}

# await_new_pod NAME OLD_IDS: until a container runs that is none of OLD_IDS.
await_new_pod() {
    await 90 runs_anew "$1" "$2" || pod_failed "$1" "no new container was running 90 s after its manifest changed"
}

runs_anew() {
    for anew_id in $(running "$1"); do
        case " $2 " in
        *"$anew_id"*) ;;
        *) return 0 ;;
        esac
    done
    return 1
}

# await_healthy NAME SECONDS COMMAND...: until COMMAND succeeds; a pod that keeps ending is given up before the time is over.
await_healthy() {
    healthy_name=$1
    healthy_until=$(($(date +%s) + $2))
    healthy_folder=$(log_folder "$1")
    healthy_starts=$(starts "$healthy_folder")
    shift 2
    until "$@"; do
        ! keeps_ending || pod_failed "$healthy_name" "it keeps ending"
        [ "$(date +%s)" -lt "$healthy_until" ] || pod_failed "$healthy_name" "it did not become healthy in time"
        sleep 0.2
    done
}

# Three starts in vain since the wait began, of the pod whose folder is the newest.
keeps_ending() {
    ending_folder=$(log_folder "$healthy_name")
    [ "$ending_folder" = "$healthy_folder" ] || {
        healthy_folder=$ending_folder
        healthy_starts=0
    }
    [ "$(starts "$ending_folder")" -ge $((healthy_starts + 3)) ]
}

# The kubelet keeps a log folder a pod, and in it a log a container, and in it a numbered file a start.
log_folder() {
    find /var/log/pods -maxdepth 2 -path "*/kube-system_$1-*_*/$1" -printf '%T@ %p\n' 2>/dev/null | sort -rn | sed -n '1s/^[^ ]* //p'
}

# starts FOLDER: the number of the container's newest start; the first is 0.
starts() {
    find "$1" -name '[0-9]*.log' -printf '%f\n' 2>/dev/null | sort -n | tail -n 1 | sed -n 's/\.log$//p' | grep . || echo 0
}

pod_failed() {
    failed_log=$(find "$(log_folder "$1")" -name '*.log' -size +0 2>/dev/null | sort -V | tail -n 1)
    say "the last lines of $1:"
    [ -z "$failed_log" ] || tail -n 12 "$failed_log" | cut -d ' ' -f 4- | sed 's/^/    /' >&2
    fail "activate $1" "$2" "mend the setting that its last lines name and run up again; hosts after this one were not touched"
}

# answers URL CA: an https endpoint says ok.
answers() {
    curl -fsS --max-time 2 --cacert "$2" -o /dev/null "$1" 2>/dev/null
}
