# shellcheck shell=sh
# Programs that come as checked downloads: unpacking them beside the running ones, and moving them into place.
# Does not own fetching (preflight-sources.sh) or who is restarted afterwards (activate-runtime.sh, kubelet.sh).
# Needs lib.sh.
#
# A table names one artifact a line: NAME SHA256 tar|plain FOLDER MEMBER...
# A MEMBER is a file's name, or NAME=PATTERN for a file that the archive calls by another name, or * for all programs.
#
#   /usr/local/lib/evenkeel/unpacked/NAME-SHA256/  its programs, complete once the folder has that name
#   artifacts/GROUP                                the table of what is wanted (a staged part named GROUP.artifacts)
#   installed/NAME                                 the sha256 whose programs are in FOLDER

EVENKEEL_CACHE=${EVENKEEL_CACHE:-/var/cache/evenkeel}
EVENKEEL_UNPACKED=$EVENKEEL_ROOT/usr/local/lib/evenkeel/unpacked

# unpack_table TABLE_FILE: every artifact of the table, side by side.
unpack_table() {
    (umask 022 && mkdir -p "$EVENKEEL_UNPACKED")
    unpack_jobs=
    while read -r unpack_name unpack_sha256 unpack_format _ unpack_members; do
        [ ! -d "$EVENKEEL_UNPACKED/$unpack_name-$unpack_sha256" ] || continue
        unpack_artifact "$unpack_name" "$unpack_sha256" "$unpack_format" "$unpack_members" &
        unpack_jobs="$unpack_jobs $!"
    done <"$1"
    for unpack_job in $unpack_jobs; do
        wait "$unpack_job" || exit 1
    done
}

# unpack_artifact NAME SHA256 FORMAT MEMBERS
unpack_artifact() {
    unpack_file=$EVENKEEL_CACHE/$2
    unpack_new=$EVENKEEL_UNPACKED/.$1-$2
    [ -f "$unpack_file" ] || fail prepare "$1 is not in $EVENKEEL_CACHE" "set evenkeel:repair to another word and run up, which fetches it anew"
    say "unpacking $1"
    rm -rf "$unpack_new"
    mkdir -p "$unpack_new/archive"
    if [ "$3" = tar ]; then
        tar -xzf "$unpack_file" -C "$unpack_new/archive" --no-same-owner ||
            fail prepare "$1 cannot be unpacked from $unpack_file" "see to free space on this host ('df -h /usr/local') and run up again"
    else
        cp "$unpack_file" "$unpack_new/archive/$1"
    fi
    set -f
    for unpack_member in $4; do
        take_member "$1" "$unpack_new" "$unpack_member"
    done
    set +f
    rm -rf "$unpack_new/archive"
    chmod -R u=rwX,go=rX "$unpack_new"
    find "$unpack_new" -type f -exec chmod 0755 {} +
    mv "$unpack_new" "$EVENKEEL_UNPACKED/$1-$2"
}

# take_member NAME FOLDER MEMBER
take_member() {
    if [ "$3" = "*" ]; then
        find "$2/archive" -type f -perm -u+x -exec mv {} "$2/" \;
        return
    fi
    member_file=$(find "$2/archive" -type f -name "${3#*=}" | head -n 1)
    [ -n "$member_file" ] || fail prepare "the archive of $1 holds no ${3#*=}" "check that the release's address of $1 names the publisher's archive for this architecture"
    mv "$member_file" "$2/${3%%=*}"
}

# install_artifacts GROUP: moves the unpacked programs of artifacts/GROUP into place where others are.
# Running processes keep the program that they were started from.
install_artifacts() {
    mkdir -p "$EVENKEEL_STATE/installed"
    while read -r install_name install_sha256 _ install_folder _; do
        ! artifact_installed "$install_name" "$install_sha256" "$EVENKEEL_ROOT$install_folder" || continue
        (umask 022 && mkdir -p "$EVENKEEL_ROOT$install_folder")
        for install_program in "$EVENKEEL_UNPACKED/$install_name-$install_sha256"/*; do
            place_program "$install_program" "$EVENKEEL_ROOT$install_folder"
        done
        printf '%s\n' "$install_sha256" >"$EVENKEEL_STATE/installed/.$install_name"
        mv -f "$EVENKEEL_STATE/installed/.$install_name" "$EVENKEEL_STATE/installed/$install_name"
        drop_older "$install_name" "$install_sha256"
    done <"$EVENKEEL_STATE/artifacts/$1"
}

# artifacts_installed GROUP: all of them.
artifacts_installed() {
    while read -r each_name each_sha256 _ each_folder _; do
        artifact_installed "$each_name" "$each_sha256" "$EVENKEEL_ROOT$each_folder" || return 1
    done <"$EVENKEEL_STATE/artifacts/$1"
}

# artifact_installed NAME SHA256 FOLDER: it was installed, and nobody has removed a program of it since.
artifact_installed() {
    [ "$(cat "$EVENKEEL_STATE/installed/$1" 2>/dev/null)" = "$2" ] || return 1
    for installed_program in "$EVENKEEL_UNPACKED/$1-$2"/*; do
        cmp -s "$installed_program" "$3/${installed_program##*/}" || return 1
    done
}

# place_program FILE FOLDER: in one rename; as a second name of the unpacked file where both are on one file system.
# Not again: a run that was killed here may have, and two names of one file can't be renamed onto each other.
place_program() {
    [ -f "$1" ] || fail "install" "$1 is missing" "set evenkeel:repair to another word and run up, which prepares the host anew"
    place_new=$2/.${1##*/}.evenkeel
    rm -f "$place_new"
    ln "$1" "$place_new" 2>/dev/null || cp -p "$1" "$place_new"
    cmp -s "$place_new" "$2/${1##*/}" || mv -f "$place_new" "$2/${1##*/}"
    rm -f "$place_new"
}

drop_older() {
    for older in "$EVENKEEL_UNPACKED/$1"-*; do
        case ${older##*/} in
        "$1-$2") ;;
        "$1"-????????????????????????????????????????????????????????????????) rm -rf "$older" ;;
        esac
    done
}
