# shellcheck shell=sh
# This master's etcd member: forming the cluster once, joining it afterwards, and restarting without losing a write.
# Does not own the members of other hosts, except for entries that no host of the stack stands behind.
# Needs lib.sh and static-pods.sh, and the variables
#   NODE, ADDRESS     this host's name and address
#   ETCD_MEMBERS      the stack's members, one "name=https://address:2380" a word
# A ticket (see founding_ticket) is what allows a host without data to form a cluster; it is given once (docs/architecture.md).

ETCD_TICKET=$EVENKEEL_STATE/etcd-founding-ticket
ETCD_PEER_URL=https://$ADDRESS:2380
HANDOVER=evenkeel.dev/handover # in etcd: "NAME ID" of the member that is about to hand the lead over, or "over"
HELD=evenkeel.dev/held         # in etcd: a key for each master whose apiserver holds still
HANDOVER_UNIT=evenkeel-handover
HANDOVER_SCRIPT=/usr/local/lib/evenkeel/etcd-handover.sh
export ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt
export ETCDCTL_CERT=/etc/kubernetes/pki/etcd/healthcheck-client.crt
export ETCDCTL_KEY=/etc/kubernetes/pki/etcd/healthcheck-client.key
ETCD_DATA=$EVENKEEL_ROOT/var/lib/etcd
ETCD_PKI=$EVENKEEL_ROOT/etc/kubernetes/pki/etcd

etcd_has_data() {
    [ -d "$ETCD_DATA/member/wal" ]
}

# founding_ticket TOKEN FOUNDERS: given by the first, and only the first, staging of a founder's files. FOUNDERS is the
# list of the day the stack was first brought up, kept in its state: who is added later never gets a ticket.
founding_ticket() {
    case ",$2," in
    *",$NODE=$ETCD_PEER_URL,"*) ;;
    *) return 0 ;;
    esac
    etcd_has_data || printf '%s %s\n' "$1" "$2" >"$ETCD_TICKET"
}

etcd_local() {
    etcdctl --endpoints=https://127.0.0.1:2379 --command-timeout=5s "$@"
}

etcd_status() {
    etcd_local endpoint status --write-out=json
}

# etcd_number NAME STATUS: a number in it; nothing when it isn't there, as with the leader when there is none.
etcd_number() {
    printf '%s' "$2" | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"
}

# Client addresses of all other members that the stack names, comma-separated.
etcd_others() {
    for others_member in $ETCD_MEMBERS; do
        [ "${others_member%%=*}" = "$NODE" ] || printf '%s\n' "${others_member#*=}" | sed 's/:2380$/:2379/'
    done | paste -sd, -
}

# The member list as the other members agree on it: "id, status, name, peer URLs, client URLs, learner" a line.
etcd_list_elsewhere() {
    etcd_elsewhere=$(etcd_others)
    [ -n "$etcd_elsewhere" ] && etcdctl --endpoints="$etcd_elsewhere" --dial-timeout=2s --command-timeout=5s member list 2>/dev/null
}

# Who of the other members answers, which takes no majority: "NAME answers and holds data, NAME does not answer".
etcd_holders() {
    for holders_member in $ETCD_MEMBERS; do
        [ "${holders_member%%=*}" != "$NODE" ] || continue
        holders_url=$(printf '%s' "${holders_member#*=}" | sed 's/:2380$/:2379/')
        if etcdctl --endpoints="$holders_url" --dial-timeout=2s --command-timeout=3s endpoint status >/dev/null 2>&1; then
            printf '%s answers and holds data\n' "${holders_member%%=*}"
        else
            printf '%s does not answer\n' "${holders_member%%=*}"
        fi
    done | paste -sd, - | sed 's/,/, /g'
}

# Whether anybody takes connections where the other members' clients go: etcdctl goes on dialling for all its time.
etcd_listens_elsewhere() {
    for listens_url in $(etcd_others | tr , ' '); do
        listens_how=0
        curl -q -ks --connect-timeout 2 --max-time 3 -o /dev/null "$listens_url/" || listens_how=$?
        case $listens_how in
        7 | 28) ;; # refused, or no answer
        *) return 0 ;;
        esac
    done
    return 1
}

# etcd_start_fresh: on a host without data. Sets ETCD_FIRST_START, what its manifest must say at the first start.
etcd_start_fresh() {
    if etcd_listens_elsewhere && fresh_list=$(etcd_list_elsewhere) && ! etcd_awaited "$fresh_list"; then
        etcd_enlist "$fresh_list"
    elif [ -f "$ETCD_TICKET" ]; then
        read -r fresh_token fresh_founders <"$ETCD_TICKET"
        say "etcd: forming the cluster with $fresh_founders"
        etcd_first_start "$fresh_founders" new
        ETCD_FIRST_START="$ETCD_FIRST_START;s#^    - --initial-cluster-state=.*#&\\n    - --initial-cluster-token=$fresh_token#"
    else
        fail etcd "this host holds no etcd data, the cluster was formed before, and no majority of its members answers: $(etcd_holders)" \
            "bring back a member that holds data (/var/lib/etcd/member); if a majority has lost its data, 'python -m ops restore' makes what is left the cluster's, as docs/recover.md says"
    fi
}

# etcd_awaited LIST: this host may found the cluster, and enough other founders already run for it to answer. They know
# this one by the name that they were given, and by no client address: it has never spoken. It starts as they did; etcd
# itself refuses that to a member that has spoken before.
etcd_awaited() {
    [ -f "$ETCD_TICKET" ] && printf '%s\n' "$1" |
        awk -F ', ' -v url="$ETCD_PEER_URL" '$2 == "started" && $4 == url && $5 == "" { silent = 1 } END { exit !silent }'
}

# etcd_first_start INITIAL_CLUSTER new|existing
etcd_first_start() {
    ETCD_FIRST_START=";s#--initial-cluster=.*#--initial-cluster=$1#;s#--initial-cluster-state=.*#--initial-cluster-state=$2#"
}

# etcd_enlist LIST: this host becomes a learner of the cluster, whatever an earlier try or an earlier life left behind.
etcd_enlist() {
    etcd_drop_strangers "$1"
    enlist_own=$(printf '%s\n' "$1" | awk -F ', ' -v url="$ETCD_PEER_URL" '$4 == url { print $1, $2 }')
    case $enlist_own in
    *" started")
        say "etcd: removing the member that this host was before it lost its data"
        etcd_remove "${enlist_own%% *}"
        enlist_own=
        ;;
    esac
    if [ -z "$enlist_own" ]; then
        say "etcd: joining as a learner"
        await 30 etcd_enlisted ||
            fail etcd "the cluster took no new member: $(printf '%s\n' "$etcd_refusal" | tail -n 1)" "a learner of another host must be promoted first: run up again once that host is well"
    fi
    await 30 etcd_listed ||
        fail etcd "the other members took this one and do not say any more who they are" "run up again once a majority of them answers"
    enlist_cluster=$(printf '%s\n' "$etcd_listing" | awk -F ', ' -v url="$ETCD_PEER_URL" -v own="$NODE" \
        '{ name = $4 == url ? own : $3 == "" ? "unstarted-" $1 : $3; printf "%s%s=%s", sep, name, $4; sep = "," }')
    etcd_first_start "$enlist_cluster" existing
}

# Sets `etcd_listing`. One question may meet an election.
etcd_listed() {
    etcd_listing=$(etcd_list_elsewhere) && [ -n "$etcd_listing" ]
}

# etcd changes its membership only while every voter has been connected for 5 s, and takes one learner at a time.
etcd_enlisted() {
    etcd_refusal=$(etcdctl --endpoints="$(etcd_others)" member add "$NODE" --learner --peer-urls="$ETCD_PEER_URL" 2>&1 >/dev/null) ||
        case $etcd_refusal in *"Peer URLs already exists"*) ;; *) return 1 ;; esac
}

# etcd_drop_strangers LIST: removes members that no host of the stack stands behind.
etcd_drop_strangers() {
    printf '%s\n' "$1" | awk -F ', ' '{ print $1, $4 }' | while read -r stranger_id stranger_url; do
        case " $ETCD_MEMBERS " in
        *"=$stranger_url "*) ;;
        *)
            say "etcd: removing member $stranger_id at $stranger_url: no host of the stack"
            etcd_remove "$stranger_id"
            ;;
        esac
    done
}

etcd_remove() {
    await 15 etcd_removed "$1" ||
        fail etcd "member $1 can't be removed: $(printf '%s\n' "$etcd_refusal" | tail -n 1)" "etcd refuses what would cost the majority: bring another member back first, then run up again"
}

etcd_removed() {
    etcd_refusal=$(etcdctl --endpoints="$(etcd_reachable)" member remove "$1" 2>&1 >/dev/null) ||
        case $etcd_refusal in *"member not found"*) ;; *) return 1 ;; esac
}

# Where to ask for a change of membership: the others before this host has data, this host too afterwards.
etcd_reachable() {
    if etcd_has_data; then printf 'https://127.0.0.1:2379,%s' "$(etcd_others)"; else etcd_others; fi | sed 's/,$//'
}

# Before this member stops: the others must hold a majority by themselves.
etcd_may_stop() {
    await 15 etcd_counted || return 0 # it does not answer: it costs nothing that is not lost already
    [ "$may_total" -gt 1 ] || return 0
    may_well=0 may_ill=
    for may_url in $(etcd_others | tr , ' '); do
        if etcd_agrees "$may_url" 3s; then may_well=$((may_well + 1)); else may_ill="$may_ill $may_url"; fi
    done
    [ "$may_well" -gt $((may_total / 2)) ] ||
        fail etcd "only $may_well of the other $((may_total - 1)) members are healthy (without$may_ill): stopping this one would cost the majority" \
            "bring the unhealthy member back and run up again; where an empty machine stands in its place, name that host before this one in evenkeel:hosts, so that it joins first"
}

# etcd_agrees URL SECONDS: the member there agrees with a majority. One that is out of space does, and takes no key: a
# larger quota comes with a roll. Sets `agrees_said`.
etcd_agrees() {
    agrees_said=$(etcdctl --endpoints="$1" --dial-timeout=2s --command-timeout="$2" endpoint health 2>&1) ||
        case $agrees_said in
        *CORRUPT* | *UNKNOWN*) return 1 ;;
        *"Active Alarm(s): NOSPACE"*) ;;
        *) return 1 ;;
        esac
}

# Sets `may_total`, how many vote.
etcd_counted() {
    may_total=$(etcd_local member list 2>/dev/null | grep -c ', false$')
}

# Hands the leadership over, so that no write waits for an election. A leader that is about to go drops what it is asked
# meanwhile, so this host's apiserver is away by then, and the others hold still.
etcd_yield() {
    yield_status=$(etcd_status) || return 0
    yield_self=$(etcd_number member_id "$yield_status")
    [ "$(etcd_number leader "$yield_status")" = "$yield_self" ] || return 0
    yield_to=$(etcd_successor)
    [ -n "$yield_to" ] || return 0
    { etcd_others_asked "$yield_self" && await 2 etcd_others_hold; } ||
        say "etcd: not all other masters hold still: a write may be refused while the lead moves"
    etcd_local move-leader "$yield_to" >/dev/null || say "etcd: the leader could not be moved; an election follows"
}

# An etcd that is out of space takes no key, and must have its turn all the more.
etcd_others_asked() {
    etcd_local del --prefix "$HELD/" >/dev/null && etcd_local put "$HANDOVER" "$NODE $1" >/dev/null
}

etcd_others_hold() {
    [ "$(etcd_local get --prefix --keys-only "$HELD/" | grep -c .)" -ge "$(etcd_others | tr , '\n' | grep -c .)" ]
}

# What etcd-handover.sh does here, from now until the roll is over.
etcd_stand_by() {
    ! systemctl is-active --quiet "$HANDOVER_UNIT" || return 0
    systemd-run --quiet --collect --unit="$HANDOVER_UNIT" --property=RuntimeMaxSec=1800 \
        --property=ExecStopPost="$HANDOVER_SCRIPT resume" \
        --setenv=NODE="$NODE" --setenv=ADDRESS="$ADDRESS" --setenv=ETCD_MEMBERS="$ETCD_MEMBERS" \
        "$HANDOVER_SCRIPT" watch || say "etcd: this host will not hold still while the lead moves: $HANDOVER_UNIT does not start"
}

# The last member in the order of turns tells all.
etcd_roll_over() {
    [ "${ETCD_MEMBERS##* }" != "$NODE=$ETCD_PEER_URL" ] || etcd_local put "$HANDOVER" over >/dev/null ||
        say "etcd: nobody was told that the roll is over: $HANDOVER_UNIT ends by itself within 30 minutes"
}

# The id of a member that has had its turn in this roll, else of the one that has it last: so the leader moves seldom.
etcd_successor() {
    successor_members=$(etcd_local member list) successor_found=
    for successor in $ETCD_MEMBERS; do
        if [ "${successor%%=*}" = "$NODE" ]; then
            [ -z "$successor_found" ] || break
            continue
        fi
        successor_id=$(printf '%s\n' "$successor_members" | awk -F ', ' -v url="${successor#*=}" '$2 == "started" && $6 == "false" && $4 == url { print $1 }')
        [ -z "$successor_id" ] || successor_found=$successor_id
    done
    printf '%s' "$successor_found"
}

# It has a leader, and a read through the quorum succeeds: what etcd_agrees asks, without a process that takes more of a
# booting host than the answer does.
etcd_healthy() {
    listens 2381 && curl -q -fs --max-time 5 -o /dev/null "http://127.0.0.1:2381/health?exclude=NOSPACE"
}

# Members whose certificates have ended refuse each other, and a turn waits in vain for a majority. Each reads its files
# anew for each connection, so that all have the new ones before the first turn.
etcd_renew_ended() {
    for renew_name in server peer; do
        openssl x509 -in "$ETCD_PKI/$renew_name.crt" -noout -checkend 0 >/dev/null 2>&1 || {
            say "etcd: its certificate has ended: giving it the new ones"
            install_part etcd.secret >/dev/null
            return 0
        }
    done
}

# Its data is of a member that the others have no more: the host had left the stack, or a restore went on without it.
# etcd would end at each start.
etcd_was_removed() {
    etcd_has_data && ! etcd_healthy && etcd_listens_elsewhere || return 1
    removed_list=$(etcd_list_elsewhere) && [ -n "$removed_list" ] || return 1
    printf '%s\n' "$removed_list" | awk -F ', ' -v name="$NODE" -v url="$ETCD_PEER_URL" '$3 == name || $4 == url { known = 1 } END { exit known }'
}

etcd_begin_anew() {
    ! etcd_was_removed || {
        anew_kept=$ETCD_DATA/removed-$(date -u +%Y%m%dT%H%M%SZ)
        say "etcd: the cluster went on without this host's member, which joins anew; what it held is kept in $anew_kept"
        end_pod etcd
        mv "$ETCD_DATA/member" "$anew_kept"
        rm -f "$EVENKEEL_STATE/applied/etcd"
    }
}

# The others look for it where it joined; the host may have another address since.
etcd_tell_address() {
    await 30 etcd_lists || fail etcd "its member does not say who the members are" "look at its log under /var/log/pods, then run up again"
    tell_own=$(etcd_misplaced "$etcd_listing")
    [ -z "$tell_own" ] || etcd_move "$tell_own"
}

# etcd_misplaced LIST: this member's id and the address that the others know, where it is not the one that it has.
etcd_misplaced() {
    printf '%s\n' "$1" | awk -F ', ' -v name="$NODE" -v url="$ETCD_PEER_URL" '$3 == name && $4 != url { print $1, $4 }'
}

# etcd_move "ID ADDRESS_BEFORE"
etcd_move() {
    say "etcd: this member is at $ETCD_PEER_URL, and no longer at ${1#* }"
    etcd_local member update "${1%% *}" --peer-urls="$ETCD_PEER_URL" >/dev/null ||
        fail etcd "the members do not take $ETCD_PEER_URL for this one's address" "see the line above, then run up again"
}

etcd_lists() {
    etcd_listing=$(etcd_local member list 2>/dev/null) && [ -n "$etcd_listing" ]
}

# A member that joined as a learner votes from now on. Resumes a join that was interrupted here. It is asked itself: the
# others' silence for a moment would be taken for a vote that it has not, and nobody would come back to it.
etcd_promote() {
    await 30 etcd_says ||
        fail etcd "its member does not say whether it votes" "look at its log under /var/log/pods, then run up again"
    case $etcd_said in *'"isLearner":true'*) ;; *) return 0 ;; esac
    promote_id=$(printf '%x' "$(etcd_number member_id "$etcd_said")")
    say "etcd: catching up before it may vote"
    await 120 etcd_promoted "$promote_id" ||
        fail etcd "the learner had not caught up after 2 minutes" "look at its log under /var/log/pods; the next up resumes here"
    say "etcd: votes"
    etcd_stand_by
}

# Sets `etcd_said`, what the member says of itself.
etcd_says() {
    etcd_said=$(etcd_status 2>/dev/null)
}

etcd_promoted() {
    etcdctl --endpoints="$(etcd_others)" --command-timeout=3s member promote "$1" >/dev/null 2>&1
}
