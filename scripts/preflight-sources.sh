# shellcheck shell=sh
# The servers that a host's programs, images and time come from: whether they have what the release's lock says and tell
# the time that the host has, and the downloads into the host's cache.
# Does not own what the host itself must be, nor who calls this and when: preflight.sh, whose text follows this one.
#
#   CLOCK_URL                   an address whose HTTP server says what time it is
#   DOWNLOADS                   MACHINE NAME SHA256 URL a line
#   IMAGES                      IMAGE_BY_DIGEST URL a line: images that the mirror must have
#   DOWNLOAD_REMEDY LOCK_REMEDY what to do when a download is missing, or is not what the lock says

EVENKEEL_CACHE=${EVENKEEL_CACHE:-/var/cache/evenkeel}
MAX_SKEW_MS=2000
CLOCK_SAMPLES=6

milliseconds() {
    now=$(date +%s%N)
    echo "${now%??????}"
}

# One answer's Date narrows how far this host's clock is ahead (in ms) to a little over a second: the server cuts its
# time to a whole second, and the answer is under way for a while. Sets clock_low and clock_high; an Age says how long
# ago a cache on the way got the answer.
sample_clock() {
    asked=$(milliseconds)
    answer=$(fetching curl -sS -I --connect-timeout 5 --max-time 10 "$CLOCK_URL" 2>&1) || return 1
    answered=$(milliseconds)
    said=$(printf '%s\n' "$answer" | tr -d '\r' | sed -n 's/^[Dd]ate: *//p' | tail -n 1)
    age=$(printf '%s\n' "$answer" | tr -d '\r' | sed -n 's/^[Aa]ge: *\([0-9][0-9]*\)$/\1/p' | tail -n 1)
    [ -n "$said" ] || return 1
    server=$((($(date -u -d "$said" +%s) + ${age:-0}) * 1000))
    [ $((asked - server - 1000)) -le "$clock_low" ] || clock_low=$((asked - server - 1000))
    [ $((answered - server)) -ge "$clock_high" ] || clock_high=$((answered - server))
}

# Asks again, up to CLOCK_SAMPLES times, only while the limit lies between the two bounds: a second is narrowed to about
# a fifth of one. The same server is every host's measure, so that two hosts never differ by more than twice the limit.
check_clock() {
    clock_low=-4000000000000 clock_high=4000000000000 samples=0
    while [ "$samples" -lt "$CLOCK_SAMPLES" ]; do
        samples=$((samples + 1))
        sample_clock || { clock_unknown; return 0; }
        clock_undecided || break
        sleep 0.23
    done
    skew=$(((clock_low + clock_high) / 2))
    if [ "${skew#-}" -gt "$MAX_SKEW_MS" ]; then
        problem "its clock is about $(seconds "$skew") that of $CLOCK_URL (2 s are allowed)" "set the clocks by NTP ('timedatectl set-ntp true') on this host and on that server"
    fi
}

clock_undecided() {
    ! { [ "$clock_low" -gt "$MAX_SKEW_MS" ] || [ "$clock_high" -lt "-$MAX_SKEW_MS" ] ||
        { [ "$clock_low" -ge "-$MAX_SKEW_MS" ] && [ "$clock_high" -le "$MAX_SKEW_MS" ]; }; }
}

seconds() {
    awk -v ms="$1" 'BEGIN { printf "%.1f s %s", ms < 0 ? -ms / 1000 : ms / 1000, ms < 0 ? "behind" : "ahead of" }'
}

clock_unknown() {
    cause=$(printf '%s\n' "$answer" | sed -n 's/^curl: //p' | tail -n 1)
    if [ -n "$DOWNLOADS" ]; then
        problem "$CLOCK_URL, where its downloads and the time come from, does not answer: ${cause:-no Date in its answer}" "$DOWNLOAD_REMEDY"
    else
        warning "its clock was not compared: $CLOCK_URL does not answer: ${cause:-no Date in its answer}" "see that NTP runs on this host"
    fi
}

# The mirror must have the images by their digests, but for those that this host pulled before.
check_images() {
    wanted=
    while read -r image url; do
        if [ -n "$image" ] && ! grep -qxF "$image" "$EVENKEEL_STATE/images" 2>/dev/null; then
            wanted="$wanted $url"
        fi
    done <<IMAGES
$IMAGES
IMAGES
    [ -n "$wanted" ] || return 0
    # shellcheck disable=SC2086 # a list of addresses
    answers=$(fetching curl -s -I --connect-timeout 5 --max-time 60 -H "Accept: application/vnd.oci.image.index.v1+json" \
        -H "Accept: application/vnd.oci.image.manifest.v1+json" \
        -H "Accept: application/vnd.docker.distribution.manifest.list.v2+json" \
        -H "Accept: application/vnd.docker.distribution.manifest.v2+json" \
        -w '\nanswer %{http_code} %{url_effective}\n' $wanted || true)
    while read -r word status url; do
        [ "$word" != answer ] || [ "$status" = 200 ] || image_missing "$status" "$url"
    done <<ANSWERS
$answers
ANSWERS
}

# image_missing STATUS URL
image_missing() {
    image=$(printf '%s\n' "$IMAGES" | awk -v url="$2" '$2 == url { print $1; exit }')
    status="status $1"
    [ "$1" != 000 ] || status="no answer"
    problem "the mirror does not have image $image ($status from $2)" "$DOWNLOAD_REMEDY"
}

# The downloads that the cache lacks, side by side; a download that an earlier run did not finish goes on.
fetch_all() {
    [ -n "$DOWNLOADS" ] || return 0
    (umask 022 && mkdir -p "${EVENKEEL_CACHE%/*}")
    mkdir -p "$EVENKEEL_CACHE"
    exec 8>"$EVENKEEL_CACHE/.lock"
    flock -w 600 8 || fail preflight "an earlier run has been fetching for 10 minutes" "look for it with 'fuser -v $EVENKEEL_CACHE/.lock', end it, and run up again"
    jobs_of_fetch=
    while read -r machine name sha256 url; do
        if [ "$machine" = "$(uname -m)" ] && [ ! -f "$EVENKEEL_CACHE/$sha256" ]; then
            fetch "$name" "$sha256" "$url" &
            jobs_of_fetch="$jobs_of_fetch $!"
        fi
    done <<DOWNLOADS
$DOWNLOADS
DOWNLOADS
    failed=
    for job in $jobs_of_fetch; do
        wait "$job" || failed=yes
    done
    [ -z "$failed" ] || exit 1
}

# fetch NAME SHA256 URL: the file has its name in the cache only once it is whole and is what the lock says.
fetch() {
    fetch_new=$EVENKEEL_CACHE/.$2.part
    if [ -s "$fetch_new" ] && [ "$(sha256_of "$fetch_new")" != "$2" ]; then
        say "fetching the rest of $1"
        download "$3" "$fetch_new" --continue-at - 2>/dev/null || rm -f "$fetch_new"
        [ "$(sha256_of "$fetch_new")" = "$2" ] || rm -f "$fetch_new"
    fi
    if [ ! -f "$fetch_new" ]; then
        say "fetching $1"
        fetch_error=$(download "$3" "$fetch_new" 2>&1) || {
            problem "$1 cannot be fetched from $3: $(printf '%s\n' "$fetch_error" | sed -n 's/^curl: //p' | tail -n 1)" "$DOWNLOAD_REMEDY"
            exit 1
        }
    fi
    fetch_got=$(sha256_of "$fetch_new")
    [ "$fetch_got" = "$2" ] || {
        rm -f "$fetch_new"
        problem "$1 from $3 has sha256 $fetch_got, and the release's lock says $2" "$LOCK_REMEDY"
        exit 1
    }
    mv -f "$fetch_new" "$EVENKEEL_CACHE/$2"
}

# download URL FILE OPTION...
download() {
    download_url=$1 download_file=$2
    shift 2
    fetching curl --fail --silent --show-error --location --connect-timeout 10 --speed-limit 1000 --speed-time 60 \
        --retry 4 --retry-delay 1 --retry-connrefused "$@" --output "$download_file" "$download_url"
}

# sha256_of FILE: by openssl, which lets the processor do it; Debian's sha256sum took four times as long.
sha256_of() {
    openssl dgst -sha256 -r "$1" 2>/dev/null | cut -d ' ' -f 1
}
