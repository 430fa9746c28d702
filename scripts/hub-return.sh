#!/bin/sh
# The second half of a hub's turn: waits until all its containers are those that are wanted and Harbor is well on it, and
# lets clients in again. Does not own what was done before (hub-leave.sh, and Pulumi for the containers).
set -eu
umask 077
here=/usr/local/lib/evenkeel
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
# shellcheck source=scripts/hub.sh
. "$here/hub.sh"
# shellcheck source=scripts/hub-database.sh
. "$here/hub-database.sh"

WELL_SECONDS=180
ADMIT_SECONDS=60

not_wanted() {
    show_logs "$wrong_container"
    fail return "the container $wrong_container does not run as this stack wants it" "see its last lines above ('docker logs $wrong_container'); set evenkeel:repair to another word and run up again to have all containers of the hubs replaced"
}

not_well() {
    for sick in $(wanted_containers); do
        if container_sick "$sick"; then show_logs "$sick"; fi
    done
    fail return "Harbor is not well on this hub after $WELL_SECONDS s: $(printf '%s' "$components_said" | tr '\n' ' ' | cut -c 1-600)" "mend what these lines name and run up again; hubs after this one were not touched"
}

# container_sick NAME: it was started again, doesn't run, or is core, which knows most.
container_sick() {
    [ "$(docker inspect --format '{{.State.Running}} {{.RestartCount}}' "$1" 2>/dev/null)" != "true 0" ] || [ "$1" = harbor-core ]
}

show_logs() {
    say "the last lines of $1:"
    docker logs --tail 12 "$1" 2>&1 | sed 's/^/    /' >&2 || :
}

# A core that finds a half-done migration never starts again by itself.
stuck_migration() {
    docker logs --tail 50 harbor-core 2>&1 | grep -q 'Dirty database version' || return 1
    show_logs harbor-core
    fail return "a migration of the database was cut short, and core refuses what it left" "restore the backup that was made before it (docs/harbor.md), and run up again"
}

# A container that was started once more may be elsewhere now: the proxy is told to look again from time to time.
well() {
    components_well && return
    stuck_migration || :
    asked=$((asked + 1))
    [ $((asked % 15)) -ne 0 ] || reload_proxy 2>/dev/null || :
    return 1
}
asked=0

lock
use_installed_settings
await 30 all_as_wanted || not_wanted
reload_proxy
await "$WELL_SECONDS" well || not_well
come_back
await "$ADMIT_SECONDS" told up ||
    fail return "a load balancer still keeps this hub out after $ADMIT_SECONDS s" "look at 'journalctl -u evenkeel-upstreams' on the load balancers ($LOAD_BALANCERS)"
note_version
# shellcheck disable=SC2086 # a list of words
applied hub $HUB_PARTS
