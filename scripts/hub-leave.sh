#!/bin/sh
# The first half of a hub's turn: takes it out of service without cutting anybody off, and installs what is staged for
# it. Pulumi replaces its containers next, and hub-return.sh is the other half. Does nothing on a hub that is as it shall
# be. Does not own what is staged (components/harbor_node.py).
set -eu
umask 077
here=/usr/local/lib/evenkeel
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
# shellcheck source=scripts/hub.sh
. "$here/hub.sh"
# shellcheck source=scripts/hub-database.sh
. "$here/hub-database.sh"
# shellcheck source=scripts/hub-drain.sh
. "$here/hub-drain.sh"

NETWORK=harbor
HARBOR_USER=10000

# Somebody else must serve before this hub goes, if it serves.
others_serve() {
    hub_ready "$ADDRESS" || return 0
    case $HUBS in *' '*) ;; *) return 0 ;; esac
    await 30 another_is_ready ||
        fail leave "no other hub is ready ($HUBS), so this one cannot leave" "mend another one first ('docker ps', 'docker logs harbor-core'); stopping this one would stop Harbor"
}

leave() {
    if container_runs harbor-proxy; then
        others_serve
        say "leaving: no new connections, and those in use go on to their end"
        go_away
        drain
    else
        go_away
    fi
}

install_all() {
    for part in $HUB_PARTS; do install_part "$part" >/dev/null; done
    use_installed_settings
    reread docker
    systemd-tmpfiles --create /etc/tmpfiles.d/evenkeel-harbor.conf ||
        fail leave "the folders that /etc/tmpfiles.d/evenkeel-harbor.conf lists cannot be made" "mend what the lines above name"
    [ -z "$STORAGE" ] || make_storage_folder "$STORAGE/registry"
    docker network inspect "$NETWORK" >/dev/null 2>&1 || docker network create "$NETWORK" >/dev/null
}

# A folder that images were kept in is not made anew where its mount should be: clients would be served what is not there.
# A hub that was once found well has kept some: by then `pending` has forgotten what it was last found well with.
storage_is_there() {
    [ -e "$EVENKEEL_STATE/applied/hub.version" ] && [ -n "$STORAGE" ] && [ ! -d "$STORAGE/registry" ] || return 0
    # shellcheck source=/dev/null
    served_from=$(. "$EVENKEEL_ROOT$HUB_FILES/settings" && printf '%s' "$STORAGE")
    [ "$served_from" != "$STORAGE" ] ||
        fail leave "$STORAGE/registry is not there, where this hub has kept images" "mount the hubs' storage at $STORAGE again ('findmnt $STORAGE' says what is there now), or make that folder if the storage is a new one, and run up again"
}

# Below the mount, so that it is missing while the mount is: Docker then refuses to start the registry.
make_storage_folder() {
    [ -d "$1" ] || mkdir -m 0755 "$1" || fail leave "$1 cannot be made" "let root write there, or make it yourself"
    [ "$(stat -c %u "$1")" = "$HARBOR_USER" ] || chown "$HARBOR_USER:$HARBOR_USER" "$1" ||
        fail leave "$1 does not belong to user $HARBOR_USER, which Harbor's registry runs as" "change its owner on the file server"
}

lock
use_staged_settings
ask_engine . || fail leave "Docker's engine $engine_fault" "run up again then"
# shellcheck disable=SC2086 # a list of words
if pending hub $HUB_PARTS || ! all_as_wanted; then
    storage_is_there
    back_up_before_change
    leave
    install_all
fi
