#!/bin/sh
# Finds what no health endpoint of Harbor sees: a hub that runs with other keys than the stack's, or than its fellows'.
# Changes nothing. May run at any time; usage: hub-probe.sh [here|keys]
#   (nothing)  what this hub's containers run with, and what is begun here used at every hub
#   here       the same without the other hubs
#   keys       only what this hub's containers run with, which asks nobody
# Prints a line a check: "ok WHAT" or "wrong WHAT: WHY"; ends with 1 when one is wrong.
# Does not own what is right: that is in hub/fingerprints, digests keyed with a secret of the stack (render/hub.py).
set -eu
umask 077
here=/usr/local/lib/evenkeel
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
# shellcheck source=scripts/hub.sh
. "$here/hub.sh"

SCOPE_ACTIONS=pull,push,delete
wrongs=0

right() {
    printf 'ok %s\n' "$1"
}

# wrong WHAT WHY
wrong() {
    printf 'wrong %s: %s\n' "$1" "$2"
    wrongs=$((wrongs + 1))
}

# environment NAME: the value that the container was started with becomes $value. Sixty are looked up in a run: no program
# is started for it.
environment() {
    value=${checked_env#*"
$1="}
    if [ "$value" = "$checked_env" ]; then value=''; else value=${value%%"
"*}; fi
}

# What each container was really started with, and what it sees now: its process's own environment and files.
# hub/fingerprints has the beginnings of digests.
check_fingerprints() {
    checked_service='' checked_wrongs=$wrongs fingerprint_key=$(cat "$hub_secrets/fingerprint-key")
    ask_engine '{{.Name}} {{if .State.Running}}{{.State.Pid}}{{end}}' || {
        wrong "Docker's engine" "$engine_fault"
        return
    }
    while read -r service kind name wanted; do
        [ "$service" = "$checked_service" ] || open_service "$service"
        [ -n "$checked_pid" ] || continue
        case $kind in
        env) environment "$name" && found=$(printf '%s\n%s' "$fingerprint_key" "$value" | sha256sum) ;;
        file) found=$(printf '%s\n' "$fingerprint_key" | cat - "/proc/$checked_pid/root$name" 2>/dev/null | sha256sum) ;;
        esac
        [ "${found#"$wanted"}" != "$found" ] || wrong "$service" "its $kind $name is not what the stack wants"
    done <"$hub_secrets/fingerprints"
    [ "$wrongs" != "$checked_wrongs" ] || right "every container has the stack's own keys, secrets and settings"
}

open_service() {
    checked_service=$1
    checked_pid=$(printf '%s\n' "$engine_said" | sed -n "s,^/harbor-$1 ,,p")
    [ -n "$checked_pid" ] || wrong "$1" "its container does not run"
    checked_env="
$(tr '\0' '\n' <"/proc/$checked_pid/environ" 2>/dev/null)
" || checked_env=
}

# ask ADDRESS METHOD PATH WORD...: prints the answer's body, then its code in a line of its own; headers go to $headers.
# WORDs are lines of curl's configuration, which no list of processes shows.
ask() {
    asked_address=$1 asked_method=$2 asked_path=$3
    shift 3
    printf '%s\n' "$@" | ask_hub "$asked_address" "$asked_path" --request "$asked_method" --dump-header "$headers" \
        --write-out '\n%{http_code}' 2>/dev/null || printf '\n000'
}

code_of() {
    printf '%s\n' "$1" | tail -n 1
}

header() {
    tr -d '\r' <"$headers" | sed -n "s/^$1: *//Ip" | tail -n 1
}

# mint ADDRESS: a token for the probe's repository, made at that hub.
mint() {
    minted=$(ask "$1" GET "/service/token?service=harbor-registry&scope=repository:$PROBE_REPOSITORY:$SCOPE_ACTIONS" \
        "user = \"$PROBE_ROBOT:$PROBE_PASSWORD\"")
    [ "$(code_of "$minted")" = 200 ] || return 1
    token=$(printf '%s' "$minted" | sed -n 's/.*"token": *"\([^"]*\)".*/\1/p')
    [ -n "$token" ]
}

# use_token HUB ADDRESS: the token of this hub, at that one.
use_token() {
    used=$(code_of "$(ask "$2" GET /v2/ "header = \"Authorization: Bearer $token\"")")
    case $used in
    200) right "a token of $HUB at $1" ;;
    401) wrong "a token of $HUB at $1" "refused (401): the token keys differ, or the clocks do" ;;
    *) wrong "a token of $HUB at $1" "answered with $used" ;;
    esac
}

# use_upload HUB ADDRESS: an upload that is begun here goes on there. It meets both registries' credentials and their
# http.secret, and the storage between them. It is cancelled there, so nothing of it stays.
use_upload() {
    bearer="header = \"Authorization: Bearer $token\"" what="an upload of $HUB at $1"
    begun=$(code_of "$(ask "$ADDRESS" POST "/v2/$PROBE_REPOSITORY/blobs/uploads/" "$bearer" 'header = "Content-Length: 0"')")
    [ "$begun" = 202 ] || {
        wrong "$what" "cannot be begun here ($begun): core and its registry may not share the registry's credential, or Harbor is read-only, or its project ${PROBE_REPOSITORY%%/*} is gone"
        return
    }
    location=$(header Location)
    location=/v2/${location#*/v2/}
    ended=$(code_of "$(ask "$2" DELETE "$location" "$bearer")")
    case $ended in
    204) right "$what" ;;
    404) wrong "$what" "unknown there (404): the registries' http.secret differs, or their storage does" ;;
    401) wrong "$what" "refused there (401): core and its registry do not share the registry's credential" ;;
    *) wrong "$what" "answered there with $ended" ;;
    esac
    [ "$ended" = 204 ] || ask "$ADDRESS" DELETE "$location" "$bearer" >/dev/null
}

# use_form HUB ADDRESS: the portal's protection of forms. A session's cookie makes core ask for it.
use_form() {
    ask "$ADDRESS" GET /api/v2.0/systeminfo 'cookie = "sid=evenkeel-probe"' >/dev/null
    form_token=$(header X-Harbor-CSRF-Token)
    form_cookie=$(tr -d '\r' <"$headers" | sed -n 's/^set-cookie: *\(_gorilla_csrf=[^;]*\).*/\1/Ip' | tail -n 1)
    if [ -z "$form_token" ] || [ -z "$form_cookie" ]; then
        wrong "a form of $HUB at $1" "this hub gives none out"
        return
    fi
    # Nobody is logged in, so that nothing comes of it: what is asked is only which of the two refusals it is.
    form_code=$(code_of "$(ask "$2" POST /api/v2.0/projects "cookie = \"sid=evenkeel-probe; $form_cookie\"" \
        "header = \"X-Harbor-CSRF-Token: $form_token\"" "header = \"Referer: $HARBOR_URL/\"" \
        'header = "Content-Type: application/json"' 'data = "{}"')")
    case $form_code in
    403) wrong "a form of $HUB at $1" "refused (403): CSRF_KEY differs" ;;
    000 | 5*) wrong "a form of $HUB at $1" "answered with $form_code" ;;
    *) right "a form of $HUB at $1" ;;
    esac
}

# use_at HUB ADDRESS
use_at() {
    mint "$ADDRESS" || {
        wrong "a token of $HUB" "the robot $PROBE_ROBOT gets none ($(code_of "$minted")): run up again, which makes it anew"
        return
    }
    use_token "$1" "$2"
    use_upload "$1" "$2"
    use_form "$1" "$2"
}

use_installed_settings
# shellcheck source=/dev/null
. "$hub_secrets/probe"
headers=$(mktemp)
trap 'rm -f "$headers"' EXIT
check_fingerprints
for hub in $HUBS; do
    case ${1:-}/${hub%%=*} in
    "/"* | "here/$HUB") use_at "${hub%%=*}" "${hub#*=}" ;;
    esac
done
[ "$wrongs" = 0 ]
