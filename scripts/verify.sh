# shellcheck shell=sh
# Compares what this host has with what the stack wants of it, and changes nothing.
# Runs from standard input behind lib.sh, artifacts.sh and the parameters that ops/verify.py writes:
#
#   PLAIN    SHA256 MODE OWNER PATH a line: files whose text follows from the settings, manifests without what is filled
#            in on the host
#   HELD     parts whose texts are secret, or kept in the stack's state: the staged copies say what they shall be
#   UNITS    units that are enabled and run
#   TURNS    UNIT PART... a line: what each unit or pod was last found well with
#
# Prints a finding a line, "KIND SUBJECT DETAIL...", and "end" after the last. Does not own what the kinds mean to a
# reader (ops/verify.py), nor the cluster's objects.

SALT=$(cat /proc/sys/kernel/random/uuid)

# What the host itself writes into a manifest: the revision, and how a member without data started.
settled() {
    case $1 in
    */manifests/*) sed -e "s/\(evenkeel.dev\/revision:\).*/\1/" -e '/--initial-cluster\(-state\|-token\)\{0,1\}=/d' "$EVENKEEL_ROOT$1" ;;
    *) cat "$EVENKEEL_ROOT$1" ;;
    esac
}

# fingerprint: of standard input, keyed anew each time, so that it tells nothing but whether two are the same.
fingerprint() {
    { printf '%s\n' "$SALT"; cat; } | sha256sum | cut -c 1-12
}

# check_access MODE OWNER PATH: prints nothing when both are as wanted, names or numbers.
check_access() {
    access=$(stat -c '%a %U:%G %u:%g' "$EVENKEEL_ROOT$3")
    [ "${access%% *}" = "${1#0}" ] || printf 'mode %s %s %s\n' "$3" "0${access%% *}" "$1"
    case "${access#* } " in
    *"$2 "*) ;;
    *) access=${access#* } && printf 'owner %s %s %s\n' "$3" "${access% *}" "$2" ;;
    esac
}

check_plain() {
    printf '%s\n' "$PLAIN" | while read -r plain_sum plain_mode plain_owner plain_path; do
        if [ ! -f "$EVENKEEL_ROOT$plain_path" ]; then
            printf 'missing %s\n' "$plain_path"
            continue
        fi
        check_access "$plain_mode" "$plain_owner" "$plain_path"
        plain_found=$(settled "$plain_path" | sha256sum)
        [ "${plain_found%% *}" = "$plain_sum" ] ||
            printf 'content %s %s\n' "$plain_path" "$(settled "$plain_path" | base64 -w 0)"
    done
}

check_held() {
    for held_part in $HELD; do
        held_from=$EVENKEEL_STATE/staged/$held_part
        if [ ! -f "$held_from/index" ]; then
            printf 'unstaged %s\n' "$held_part"
            continue
        fi
        while read -r held_mode held_owner held_path; do
            if [ ! -f "$EVENKEEL_ROOT$held_path" ]; then
                printf 'missing %s\n' "$held_path"
                continue
            fi
            check_access "$held_mode" "$held_owner" "$held_path"
            cmp -s "$held_from/files$held_path" "$EVENKEEL_ROOT$held_path" ||
                printf 'secret %s %s %s\n' "$held_path" "$(fingerprint <"$EVENKEEL_ROOT$held_path")" "$(fingerprint <"$held_from/files$held_path")"
        done <"$held_from/index"
    done
}

# A staged copy that is not the one that was put to work is one that nobody vouches for.
check_turns() {
    printf '%s\n' "$TURNS" | while read -r turn_unit turn_parts; do
        [ -n "$turn_unit" ] || continue
        for turn_part in $turn_parts; do
            [ -d "$EVENKEEL_STATE/staged/$turn_part" ] || continue 2
        done
        # shellcheck disable=SC2086 # a list of words
        [ "$(cat "$EVENKEEL_STATE/applied/$turn_unit" 2>/dev/null)" = "$(revision_of $turn_parts)" ] || printf 'turn %s\n' "$turn_unit"
    done
}

check_units() {
    for unit in $UNITS; do
        unit_active=$(systemctl is-active "$unit" 2>/dev/null) || :
        unit_enabled=$(systemctl is-enabled "$unit" 2>/dev/null) || :
        [ "$unit_active $unit_enabled" = "active enabled" ] || printf 'unit %s %s %s\n' "$unit" "${unit_active:-absent}" "${unit_enabled:-absent}"
    done
}

check_sysctls() {
    [ -f "$EVENKEEL_ROOT/etc/sysctl.d/90-evenkeel.conf" ] || return 0
    while IFS=' =' read -r sysctl_key sysctl_value; do
        sysctl_found=$(cat "$EVENKEEL_ROOT/proc/sys/$(printf '%s' "$sysctl_key" | tr . /)" 2>/dev/null) || :
        [ "$sysctl_found" = "$sysctl_value" ] || printf 'sysctl %s %s %s\n' "$sysctl_key" "${sysctl_found:-absent}" "$sysctl_value"
    done <"$EVENKEEL_ROOT/etc/sysctl.d/90-evenkeel.conf"
}

# Installed programs against the unpacked ones, whose checksum was verified when they came.
check_programs() {
    for table in "$EVENKEEL_STATE"/artifacts/*; do
        [ -f "$table" ] || continue
        while read -r program_name program_sha256 _ program_folder _; do
            for program in "$EVENKEEL_UNPACKED/$program_name-$program_sha256"/*; do
                program_path=$program_folder/${program##*/}
                cmp -s "$program" "$EVENKEEL_ROOT$program_path" || printf 'program %s\n' "$program_path"
            done
        done <"$table"
    done
}

# What nginx runs with: the check keeps these lists, and the table says whom they must name.
check_upstreams() {
    upstream_state=$EVENKEEL_STATE/lb
    [ -f "$upstream_state/upstreams" ] || return 0
    grep -Ev '^ *(#|$)' "$upstream_state/upstreams" | while read -r upstream_service upstream_name upstream_server _; do
        grep -q "^server ${upstream_server}[ ;]" "$upstream_state/live/$upstream_service.upstream.conf" 2>/dev/null ||
            printf 'upstream %s %s\n' "$upstream_service" "$upstream_name"
    done
}

check_containers() {
    wanted_containers=$EVENKEEL_STATE/staged/harbor.secret/files/etc/evenkeel/harbor/hub/containers
    [ -f "$wanted_containers" ] || return 0
    while read -r container_name container_revision; do
        container_found=$(docker inspect --format '{{.State.Running}} {{index .Config.Labels "evenkeel.revision"}}' "$container_name" 2>/dev/null) || container_found=absent
        [ "$container_found" = "true $container_revision" ] || printf 'container %s %s\n' "$container_name" "${container_found%% *}"
    done <"$wanted_containers"
}

check_plain
check_held
check_turns
check_units
check_sysctls
check_programs
check_upstreams
check_containers
printf 'end\n'
