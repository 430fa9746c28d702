# shellcheck shell=sh
# Static pods of this master: put a manifest in place, wait for the pod that it makes, and say why when it doesn't come.
# Does not own the order in which pods are replaced: that is activate-master.sh. Needs lib.sh.

MANIFESTS=/etc/kubernetes/manifests
# Seconds from the end of a pod's cgroup until the kubelet lets another have its name, which it tells nobody: it sees
# every 0.3 s whether volumes are gone. One that comes before waits for 10 to 15 s.
NAME_IS_FREE=0.5

# containers CONTAINER: the ids of all containers of that name, running or not.
containers() {
    ctr -n k8s.io containers ls -q "labels.\"io.kubernetes.container.name\"==$1,labels.\"io.kubernetes.pod.namespace\"==kube-system" | sort
}

# running CONTAINER: the ids of those that run.
running() {
    containers "$1" >"$EVENKEEL_STATE/applied/.named"
    ctr -n k8s.io tasks ls 2>/dev/null | awk '$3 == "RUNNING" { print $1 }' | sort |
        comm -12 "$EVENKEEL_STATE/applied/.named" -
}

# place_pod NAME PART...: installs the pod's parts, the first of which holds its manifest. The manifest carries their
# revision, so that the pod is replaced exactly when something that it reads has changed. The old pod ends first: a
# kubelet that finds another manifest under a running pod looks for that pod's end only every 10 to 15 s.
place_pod() {
    in_place "$@" || end_pod "$1"
    shift
    for place_part in "$@"; do install_part "$place_part" >/dev/null; done
}

# in_place NAME PART...: the manifest in place is what place_pod would put there. Sets PLACE_REVISION for it: its parts'
# revision, and when it was placed, which makes it another pod than any before. The kubelet lets a pod that comes back
# unchanged wait for up to 5 minutes, as one that has ended too often.
in_place() {
    in_place_path=$MANIFESTS/$1.yaml
    shift
    PLACE_REVISION=$(revision_of "$@")
    in_place_live=$(sed -n 's/.*evenkeel.dev\/revision:[^0-9a-f]*\([-0-9a-f]*\).*/\1/p' "$in_place_path" 2>/dev/null) || :
    case $in_place_live in
    "$PLACE_REVISION" | "$PLACE_REVISION"-*) PLACE_REVISION=$in_place_live ;;
    *) PLACE_REVISION=$PLACE_REVISION-$(date +%s) ;;
    esac
    # cmp ends at the first byte that differs, and what fills would say so.
    fill_manifest "$EVENKEEL_STATE/staged/$1/files$in_place_path" 2>/dev/null | cmp -s - "$in_place_path"
}

# fill_manifest FILE: what it says of this host, now. ETCD_FIRST_START: more sed commands, from etcd.sh.
ETCD_FIRST_START=
fill_manifest() {
    sed "s/@REVISION@/$PLACE_REVISION/$ETCD_FIRST_START" "$1"
}

# For lib.sh's install_part.
fill() {
    filled=$EVENKEEL_STATE/staged/$1/files$2
    case $2 in
    */manifests/*)
        fill_manifest "$filled" >"$FILLED_TEXT"
        filled=$FILLED_TEXT
        ;;
    esac
}

# end_pod NAME...: takes manifests away and waits until the kubelet has done with their pods; place_pod brings one back.
end_pod() {
    end_uids=$(for end_name in "$@"; do uids_of "$end_name"; done)
    for end_name in "$@"; do rm -f "$MANIFESTS/$end_name.yaml"; done
    ! ended || return 0
    say "ending $*"
    await 90 ended || fail activate "$* had not ended 90 s after its manifest was taken away" "look at 'journalctl -u kubelet' on this host, then run up again"
    sleep "$NAME_IS_FREE"
}

# kill_once_closed NAME URL SECONDS: takes a manifest away and, so long after the pod has begun to refuse connections,
# kills it: for one that would wait for its clients until it is killed.
kill_once_closed() {
    closed_ids=$(running "$1")
    rm -f "$MANIFESTS/$1.yaml"
    await 30 is_closed "$2" || return 0
    sleep "$3"
    for closed_id in $closed_ids; do ctr -n k8s.io tasks kill -s KILL "$closed_id" 2>/dev/null || :; done
}

is_closed() {
    closed_how=0
    curl -q -ks --max-time 2 -o /dev/null "$1" || closed_how=$?
    [ "$closed_how" = 7 ]
}

# A pod's cgroup is the last that the kubelet removes of it.
ended() {
    for ended_uid in $end_uids; do
        [ -z "$(find /sys/fs/cgroup/ -type d -name "*pod$ended_uid*" -print -quit)" ] || return 1
    done
}

# uids_of CONTAINER: of the pods that have or had it.
uids_of() {
    for uids_id in $(containers "$1"); do
        ctr -n k8s.io containers info "$uids_id" | sed -n 's/.*"io.kubernetes.pod.uid": "\(.*\)".*/\1/p'
    done
}

# await_healthy NAME SECONDS COMMAND...: until COMMAND succeeds; a pod that keeps ending is given up before the time is over.
await_healthy() {
    healthy_name=$1
    healthy_until=$(($(date +%s) + $2))
    healthy_folder=$(log_folder "$1")
    healthy_starts=$(starts "$healthy_folder")
    shift 2
    healthy_look=
    until "$@"; do
        healthy_now=$(date +%s)
        # Every third second: what a look takes of the host is taken from what is waited for.
        if [ "$((healthy_now / 3))" != "$healthy_look" ]; then
            healthy_look=$((healthy_now / 3))
            ! keeps_ending || pod_failed "$healthy_name" "it keeps ending"
            [ "$healthy_now" -lt "$healthy_until" ] || pod_failed "$healthy_name" "it did not become healthy in time"
        fi
        sleep 0.2
    done
}

# Three starts in vain since the wait began, of the pod whose folder is the newest: the third has said something and
# runs no more, or a fourth has begun.
keeps_ending() {
    ending_folder=$(log_folder "$healthy_name")
    [ "$ending_folder" = "$healthy_folder" ] || {
        # What went before is another life of it: a pod that comes back unchanged soon after finds its folder again.
        healthy_folder=$ending_folder
        healthy_starts=$(starts "$ending_folder")
    }
    ending_starts=$(($(starts "$ending_folder") - healthy_starts))
    [ "$ending_starts" -ge 3 ] || { [ "$ending_starts" = 2 ] && [ -s "$ending_folder/$((healthy_starts + 2)).log" ] && [ -z "$(running "$healthy_name")" ]; }
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
    if [ -n "$failed_log" ]; then
        say "the last lines of $1:"
        tail -n 12 "$failed_log" | cut -d ' ' -f 4- | sed 's/^/    /' >&2
    else
        say "$1 has said nothing; the last that the kubelet says of it:"
        journalctl --unit=kubelet --no-pager --output=cat --lines=2000 | grep "err=.*$1-" | tail -n 1 | sed 's/^/    /' >&2
    fi
    fail "activate $1" "$2" "mend the setting that its last lines name and run up again; hosts after this one were not touched"
}

# answers URL CA: an https endpoint says ok.
answers() {
    curl -q -fsS --max-time 2 --cacert "$2" -o /dev/null "$1" 2>/dev/null
}
