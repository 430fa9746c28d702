# shellcheck shell=sh
# What a hub's steps share: its settings, its containers, who else serves, and being away. Needs lib.sh.
# Does not own the order of a turn (hub-leave.sh, hub-return.sh), nor Harbor's files.
#
#   hub/settings     variables, from render/hub.py: HUB ADDRESS HARBOR_URL HARBOR_PORT HUBS ("name=address" a word)
#                    LOAD_BALANCERS ("address:port" of a status page a word) DRAIN (seconds) HARBOR_VERSION STORAGE
#                    PROBE_REPOSITORY PGHOST PGPORT PGDATABASE PGUSER PGSSLMODE
#   hub/containers   NAME REVISION a line: what shall run here
#   AWAY             while this file is there, the hub's proxy says that the hub is not ready

HUB_FILES=/etc/evenkeel/harbor/hub
# shellcheck disable=SC2034 # the steps use it
HUB_PARTS="harbor harbor.secret"
AWAY=$EVENKEEL_ROOT/run/evenkeel-harbor/away
BACK_TIMER=evenkeel-hub-back
ENGINE_SECONDS=20 # in which Docker tells of its containers, however busy the hub is
REVISION_LABEL=evenkeel.revision

# What is staged is what the turn leads to; once it is installed, the installed files say the same.
use_staged_settings() {
    hub_settings=$EVENKEEL_STATE/staged/harbor/files$HUB_FILES hub_secrets=$EVENKEEL_STATE/staged/harbor.secret/files$HUB_FILES
    load_hub_settings
}

use_installed_settings() {
    hub_settings=$EVENKEEL_ROOT$HUB_FILES hub_secrets=$EVENKEEL_ROOT$HUB_FILES
    load_hub_settings
}

load_hub_settings() {
    # shellcheck source=/dev/null
    . "$hub_settings/settings"
    export PGHOST PGPORT PGDATABASE PGUSER PGSSLMODE PGCONNECT_TIMEOUT=10 PGPASSFILE="$hub_secrets/pgpass"
    hub_trust=${hub_secrets%/hub}/trust/evenkeel.crt
}

# database COMMAND...: psql or pg_dump, which trust what Harbor's containers are told to. Only where the server is to be
# verified: libpq takes "require" for "verify-ca" once it has an authority.
database() {
    case $PGSSLMODE in
    verify-*) trusting "$(cat "$hub_trust")" "$@" ;;
    *) "$@" ;;
    esac
}

# The CA of what the hubs serve now: until the turn's files are installed, that of the last ones.
hub_ca() {
    if [ -f "$EVENKEEL_ROOT$HUB_FILES/ca.crt" ]; then echo "$EVENKEEL_ROOT$HUB_FILES/ca.crt"; else echo "$hub_secrets/ca.crt"; fi
}

# ask_hub ADDRESS PATH OPTION...: asks one hub, past DNS and load balancers, by the name that its certificate is for.
# Standard input is curl's configuration: what is secret is said there.
ask_hub() {
    ask_address=$1 ask_path=$2
    shift 2
    curl -q -sS --connect-timeout 3 --max-time 10 --cacert "$(hub_ca)" \
        --connect-to "::$ask_address:$HARBOR_PORT" --config - "$@" "$HARBOR_URL$ask_path"
}

# hub_ready ADDRESS: whether that hub takes clients.
hub_ready() {
    ask_hub "$1" /evenkeel/ready --fail --output /dev/null </dev/null 2>/dev/null
}

another_is_ready() {
    for another in $HUBS; do
        [ "${another%%=*}" != "$HUB" ] || continue
        ! hub_ready "${another#*=}" || return 0
    done
    return 1
}

# verdicts PAGE: what a load balancer says of the hubs. Fails when nobody answers there, so that one that is away holds
# nothing up; prints nothing when it answers but doesn't know.
verdicts() {
    verdicts_said=$(curl -q -s --max-time 2 -w '%{http_code}\n' "http://$1/upstreams/harbor") || return 1
    [ "${verdicts_said##*[!0-9]}" != 200 ] || printf '%s\n' "$verdicts_said"
}

# told VERDICT: every load balancer that answers says VERDICT (up or down) of this hub.
told() {
    for told_page in $LOAD_BALANCERS; do
        told_list=$(verdicts "$told_page") || continue
        printf '%s\n' "$told_list" | grep -qx "$HUB $1" || return 1
    done
}

wanted_containers() {
    cut -d ' ' -f 1 "$hub_secrets/containers"
}

# ask_engine FORMAT: `engine_said` has a line of each wanted container that is there. Fails when Docker does not run, or is
# stuck with one of them, which holds whoever asks for it, for ever; `engine_fault` is the cause and the remedy then.
ask_engine() {
    engine_code=0
    # shellcheck disable=SC2046 # a list of words
    engine_said=$(timeout "$ENGINE_SECONDS" docker container inspect --format "$1" $(wanted_containers) 2>&1) || engine_code=$?
    case $engine_code/$engine_said in
    124/*) engine_fault="has not answered after $ENGINE_SECONDS s" ;;
    */*daemon*running*) engine_fault="does not run" ;;
    *) return 0 ;;
    esac
    # shellcheck disable=SC2034 # for whoever asked
    engine_fault="$engine_fault; 'journalctl -u docker' on this hub says why, and 'systemctl restart docker' begins it anew"
    return 1
}

container_runs() {
    [ "$(docker inspect --format '{{.State.Running}}' "$1" 2>/dev/null)" = true ]
}

# Every wanted container runs as it is wanted; else `wrong_container` names one that doesn't.
all_as_wanted() {
    wanted_format="{{.Name}} {{if .State.Running}}{{index .Config.Labels \"$REVISION_LABEL\"}}{{end}}"
    # shellcheck disable=SC2046 # a list of words
    wanted_found=$(docker container inspect --format "$wanted_format" $(wanted_containers) 2>/dev/null) || :
    while read -r wanted_name wanted_revision; do
        # shellcheck disable=SC2034 # for whoever asked
        wrong_container=$wanted_name
        printf '%s\n' "$wanted_found" | grep -qxF "/$wanted_name $wanted_revision" || return 1
    done <"$hub_secrets/containers"
}

# Every component that Harbor knows of is well, in the words of its own API: it answers 200 whatever is wrong.
components_well() {
    components_said=$(ask_hub "$ADDRESS" /api/v2.0/health --fail </dev/null 2>&1) || return 1
    case $components_said in
    *'"unhealthy"'*) return 1 ;;
    *'"healthy"'*) ;;
    *) return 1 ;;
    esac
}

# Says that this hub is away, and sees to it that a hub that is well doesn't stay so when its turn is abandoned.
go_away() {
    mkdir -p "${AWAY%/*}"
    chmod 0755 "${AWAY%/*}"
    : >"$AWAY"
    chmod 0644 "$AWAY"
    systemctl stop "$BACK_TIMER.timer" 2>/dev/null || :
    systemd-run --quiet --unit="$BACK_TIMER" --on-active="$((DRAIN + 900))" --on-unit-inactive=60 \
        /usr/local/lib/evenkeel/hub-back.sh ||
        say "no timer could be set that ends this hub's turn if nobody does; should it be interrupted, run up again"
}

come_back() {
    rm -f "$AWAY"
    systemctl stop "$BACK_TIMER.timer" 2>/dev/null || :
}

# The proxy looks up where the others are when it starts, and one that was replaced may be elsewhere.
reload_proxy() {
    docker kill --signal HUP harbor-proxy >/dev/null
}
