# shellcheck shell=sh
# What every step on a host shares: speaking, failing, locking, the staging area and atomic replacement of files.
# Does not own any step's decisions: those are in the script of that name beside this file.
#
#   staged/PART/{index,files/...}  what the stack wants; written by the stage commands, side by side on all hosts
#   applied/PART                   the revision of PART that the running units were last started and found well with
#   applied/PART.index             the files that revision installed, so that a later one can remove what it drops
#   applied/UNIT.live              what was on the host then: mode, owner and sha256 of each file of the unit's parts

EVENKEEL_STATE=${EVENKEEL_STATE:-/var/lib/evenkeel}
EVENKEEL_ROOT=${EVENKEEL_ROOT:-}
EVENKEEL_HOST=${EVENKEEL_HOST:-$(uname -n)}

# What programs say is read here, and sorted: not in the language of a host's users.
export LC_ALL=C

# The stack's programs are in /usr/local/bin, which Red Hat's sudo leaves out of the path that it gives.
PATH=$PATH:$EVENKEEL_ROOT/usr/local/sbin:$EVENKEEL_ROOT/usr/local/bin:$EVENKEEL_ROOT/usr/sbin:$EVENKEEL_ROOT/sbin
export PATH

# A host's environment may name a proxy (/etc/environment, which SSH's sessions get too). Downloads go by it; nothing that
# asks a node, a member or a load balancer does.
FETCH_NO_PROXY=${no_proxy:-${NO_PROXY:-}}
export NO_PROXY='*' no_proxy='*'

fetching() {
    env NO_PROXY="$FETCH_NO_PROXY" no_proxy="$FETCH_NO_PROXY" "$@"
}

# A step goes on to its end when the engine that started it is killed: nobody listens any more, and that is no error.
trap '' PIPE HUP

say() {
    printf 'evenkeel: %s: %s\n' "$EVENKEEL_HOST" "$*" >&2 || :
}

# fail STEP CAUSE REMEDY
fail() {
    printf 'evenkeel: %s: %s: %s; %s\n' "$EVENKEEL_HOST" "$1" "$2" "$3" >&2 || :
    exit 1
}

# One step at a time on a host: a step whose engine was killed runs on, and the next one waits for it here.
lock() {
    exec 9>"${EVENKEEL_LOCK:-/run/lock/evenkeel.lock}"
    flock -n 9 || {
        say "waiting for an earlier step that still runs on this host"
        flock -w 600 9 || fail lock "an earlier step has held this host for 10 minutes" "look for it with 'fuser -v /run/lock/evenkeel.lock', end it, and run up again"
    }
}

unlock() {
    exec 9>&-
}

# await SECONDS COMMAND...: until COMMAND succeeds; fails when the time is over.
await() {
    await_until=$(($(date +%s) + $1))
    shift
    until "$@"; do
        [ "$(date +%s)" -lt "$await_until" ] || return 1
        sleep 0.2
    done
}

# quoted TEXT: inside the quotes of curl's configuration.
quoted() {
    printf '%s' "$1" | sed 's/[\\"]/\\&/g'
}

# Debian, Red Hat and SUSE each keep the host's authorities elsewhere.
HOST_AUTHORITIES="/etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem"

# trusting AUTHORITIES COMMAND...: COMMAND (psql, pg_dump or curl) verifies its server by the host's authorities together
# with these, which are PEM and may be none.
trusting() {
    trusting_also=$1 trusting_code=0
    shift
    trusting_file=$(mktemp) || return
    for trusting_host in $HOST_AUTHORITIES; do
        [ -f "$EVENKEEL_ROOT$trusting_host" ] || continue
        cat "$EVENKEEL_ROOT$trusting_host" >"$trusting_file"
        break
    done
    printf '\n%s\n' "$trusting_also" >>"$trusting_file"
    env PGSSLROOTCERT="$trusting_file" CURL_CA_BUNDLE="$trusting_file" "$@" || trusting_code=$?
    rm -f "$trusting_file"
    return "$trusting_code"
}

# listens PORT: somebody on this host takes connections there. Looked up, not tried: where many wait for what only begins,
# a curl that is refused takes more of the host than all else that they do.
listens() {
    grep -qs "^ *[0-9]*: [0-9A-F]*:$(printf %04X "$1") [0-9A-F]*:0000 0A " "$EVENKEEL_ROOT/proc/net/tcp" "$EVENKEEL_ROOT/proc/net/tcp6"
}

# replace MODE OWNER FILE PATH: a copy of FILE takes its place there, in one rename.
# The temporary name starts with a dot: the kubelet passes over such names in its manifest folder.
replace() {
    replace_path=$EVENKEEL_ROOT$4
    replace_folder=${replace_path%/*}
    replace_new=$replace_folder/.${replace_path##*/}.evenkeel
    [ -d "$replace_folder" ] || (umask 022 && mkdir -p "$replace_folder")
    install -T -m "$1" -o "${2%:*}" -g "${2#*:}" "$3" "$replace_new"
    mv -f "$replace_new" "$replace_path"
}

# reread UNIT...: systemd reads all units' files again, where what it knows of these is not what lies there. One that it
# does not know it reads when it is first asked for it. Not for a unit that others may have put in a folder that gives way
# to ours: systemd would not notice.
reread() {
    case $(systemctl show --property NeedDaemonReload --value "$@") in
    *yes*) systemctl daemon-reload ;;
    esac
}

# keep_first FILE: what somebody else wrote there before stays beside it, where its owner finds it.
keep_first() {
    if [ -f "$EVENKEEL_ROOT$1" ] && ! grep -q '^# Written by Evenkeel' "$EVENKEEL_ROOT$1"; then
        cp -p "$EVENKEEL_ROOT$1" "$EVENKEEL_ROOT$1.before-evenkeel"
    fi
}

# give_back FILE: it is again what it was before, where it was something.
give_back() {
    [ ! -f "$EVENKEEL_ROOT$1.before-evenkeel" ] || mv -f "$EVENKEEL_ROOT$1.before-evenkeel" "$EVENKEEL_ROOT$1"
}

# keep UNIT...: they run, now and after each boot. Nothing happens where that is so.
keep() {
    for keep_unit in "$@"; do
        systemctl is-enabled --quiet "$keep_unit" 2>/dev/null || systemctl enable --quiet "$keep_unit"
        systemctl is-active --quiet "$keep_unit" || systemctl start "$keep_unit"
    done
}

stage_begin() {
    [ ! -e "$EVENKEEL_STATE/staged/.$1" ] || rm -rf "$EVENKEEL_STATE/staged/.$1"
    mkdir -p "$EVENKEEL_STATE/staged/.$1/files" "$EVENKEEL_STATE/applied"
    : >"$EVENKEEL_STATE/staged/.$1/index"
}

# put PART MODE OWNER PATH newline|bare: standard input is the file's text, byte for byte, but for "bare", which drops the
# newline that a heredoc ends with.
put() {
    put_path=$EVENKEEL_STATE/staged/.$1/files$4
    [ -d "${put_path%/*}" ] || mkdir -p "${put_path%/*}"
    if [ "$5" = bare ]; then printf '%s' "$(cat)" >"$put_path"; else cat >"$put_path"; fi
    printf '%s %s %s\n' "$2" "$3" "$4" >>"$EVENKEEL_STATE/staged/.$1/index"
}

stage_end() {
    [ ! -e "$EVENKEEL_STATE/staged/$1" ] || rm -rf "$EVENKEEL_STATE/staged/$1"
    mv "$EVENKEEL_STATE/staged/.$1" "$EVENKEEL_STATE/staged/$1"
}

# revision_of PART...: one digest over the staged files of these parts, with their modes and owners.
revision_of() {
    for revision_part in "$@"; do
        [ -d "$EVENKEEL_STATE/staged/$revision_part" ] || fail activate "part $revision_part is not staged on this host" "set evenkeel:repair to another word and run up, which stages everything anew"
    done
    (cd "$EVENKEEL_STATE/staged" && find "$@" -type f -exec sha256sum {} +) | sort -k 2 | by_part "$@" | sha256sum | cut -c 1-16
}

# by_part PART...: standard input is a list of sums of PART/PATH; each part's own, of ./PATH, in this order of parts.
by_part() {
    awk -v parts="$*" '
        { part = $2; sub(/\/.*/, "", part); sub(/  [^\/]*/, "  ."); sums[part] = sums[part] $0 "\n" }
        END { parts_total = split(parts, order, " "); for (i = 1; i <= parts_total; i++) printf "%s", sums[order[i]] }'
}

# live_files PART...: the live files of these parts, in any form that another state of them would change.
live_files() {
    # shellcheck disable=SC2046 # a list of words
    live_paths=$(cd "$EVENKEEL_STATE/staged" && cut -d ' ' -f 3- $(printf '%s/index ' "$@") | sort -u | sed "s,^,$EVENKEEL_ROOT,")
    {
        printf '%s' "$live_paths" | xargs -d '\n' -r stat -c '%a %U:%G %n'
        printf '%s' "$live_paths" | xargs -d '\n' -r sha256sum
    } 2>&1 || :
}

# pending UNIT PART...: succeeds when the staged parts are not those that UNIT was last found well with, or when their
# files on the host are no longer what they were then. What UNIT was found well with is forgotten: whoever goes back to
# it after a turn that failed needs a turn again.
pending() {
    pending_unit=$1
    shift
    if [ "$(cat "$EVENKEEL_STATE/applied/$pending_unit" 2>/dev/null)" = "$(revision_of "$@")" ] &&
        [ "$(live_files "$@")" = "$(cat "$EVENKEEL_STATE/applied/$pending_unit.live" 2>/dev/null)" ]; then
        return 1
    fi
    rm -f "$EVENKEEL_STATE/applied/$pending_unit"
}

# applied UNIT PART...: records that UNIT runs, and is well, with what is staged.
applied() {
    applied_unit=$1
    shift
    live_files "$@" >"$EVENKEEL_STATE/applied/.$applied_unit.live"
    mv -f "$EVENKEEL_STATE/applied/.$applied_unit.live" "$EVENKEEL_STATE/applied/$applied_unit.live"
    revision_of "$@" >"$EVENKEEL_STATE/applied/.$applied_unit"
    mv -f "$EVENKEEL_STATE/applied/.$applied_unit" "$EVENKEEL_STATE/applied/$applied_unit"
}

# fill PART PATH: sets `filled`, the file whose text a staged one becomes on this host. A step that has something to fill
# in defines its own, and fills FILLED_TEXT.
FILLED_TEXT=$EVENKEEL_STATE/applied/.text
fill() {
    filled=$EVENKEEL_STATE/staged/$1/files$2
}

# install_part PART: moves staged files that differ from the live ones into place and removes those no longer wanted.
# Prints the path of each file that it changed.
install_part() {
    [ -d "$EVENKEEL_STATE/staged/$1" ] || fail activate "part $1 is not staged on this host" "set evenkeel:repair to another word and run up, which stages everything anew"
    while read -r install_mode install_owner install_path; do
        fill "$1" "$install_path"
        if cmp -s "$filled" "$EVENKEEL_ROOT$install_path"; then
            chown "$install_owner" "$EVENKEEL_ROOT$install_path"
            chmod "$install_mode" "$EVENKEEL_ROOT$install_path"
        else
            replace "$install_mode" "$install_owner" "$filled" "$install_path"
            printf '%s\n' "$install_path"
        fi
    done <"$EVENKEEL_STATE/staged/$1/index"
    [ ! -e "$FILLED_TEXT" ] || rm -f "$FILLED_TEXT"
    remove_dropped "$1"
}

# remove_dropped PART: files that the part's last revision installed and this one doesn't name. A registry's folder that
# they leave empty goes with them: containerd would take it for that registry's settings, in the place of `_default`.
remove_dropped() {
    dropped_index=$EVENKEEL_STATE/applied/$1.index
    ! cmp -s "$EVENKEEL_STATE/staged/$1/index" "$dropped_index" || return 0
    if [ -f "$dropped_index" ]; then
        cut -d ' ' -f 3- "$EVENKEEL_STATE/staged/$1/index" | sort >"$dropped_index.wanted"
        cut -d ' ' -f 3- "$dropped_index" | sort | comm -13 "$dropped_index.wanted" - | while read -r dropped_path; do
            rm -f "$EVENKEEL_ROOT$dropped_path"
            case $dropped_path in */certs.d/*/*) rmdir "$EVENKEEL_ROOT${dropped_path%/*}" 2>/dev/null || : ;; esac
            printf '%s\n' "$dropped_path"
        done
        rm -f "$dropped_index.wanted"
    fi
    cp "$EVENKEEL_STATE/staged/$1/index" "$dropped_index.new"
    mv -f "$dropped_index.new" "$dropped_index"
}
