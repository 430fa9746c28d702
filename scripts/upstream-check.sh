#!/bin/sh
# Asks every upstream of this load balancer whether it is ready, and keeps nginx's upstream lists in step with the
# answers: one that isn't ready gets no new connections, and what it has already goes on. Open-source nginx has no such
# check of its own. Owns TABLE's lists in STATE/live and nginx's reloads; does not own nginx.conf.
#
#   upstream-check.sh watch TABLE STATE RUN CONF STATUS   for good, twice a second
#   upstream-check.sh seed  TABLE STATE RUN CONF          writes lists that are missing, all up, so that nginx can start
#
#   TABLE   one upstream a line: service, name, address:port, check URL, CA file or "-", seconds to wait, server options
#   STATE   live/ is what nginx.conf includes: SERVICE.upstream.conf in `upstream`, status.conf in the status `server`
#   RUN     vanishes when the check ends; RUN/alive says that it runs and that nginx heeds it
#   CONF    nginx.conf
#   STATUS  address:port of the status page
set -eu

INTERVAL=0.5    # seconds from one round to the next
PATIENCE=3      # rounds in which no upstream of a service is ready, until all of them take connections again
HASTY=60        # rounds: one that leaves again so soon after its return must answer well for longer the next time
MOST=16         # rounds: the longest that it must
RETRY=10        # rounds between two attempts while nginx refuses
RELOAD_TRIES=30 # tenths of a second in which nginx must have taken new lists

say() {
    printf '%s\n' "$*" >&2
}

# The requests of one round, as one curl's configuration: they run side by side and each answers in a line
# "row code reason"; a code of 000 is no answer at all. Each goes to its upstream's own address, whatever name its URL
# asks the certificate for, and keeps its cookies: Harbor begins a session for whoever comes without one.
write_requests() {
    awk -v jar="$run/cookies" 'NR > 1 { print "next" }
    {
        printf "url = \"%s\"\noutput = \"/dev/null\"\nhttp1.1\nnoproxy = \"*\"\n", $4
        printf "connect-to = \"::%s\"\nconnect-timeout = %s\nmax-time = %s\n", $3, $6, $6
        printf "cookie = \"%s\"\ncookie-jar = \"%s\"\n", jar, jar
        if ($5 != "-") printf "cacert = \"%s\"\n", $5
        printf "write-out = \"%d %%{http_code} %%{errormsg}\\n\"\n", NR
    }' "$rows" >"$run/requests"
}

ask() {
    answers=$(curl -q --silent --parallel --parallel-immediate --config "$run/requests" 2>"$run/curl.log") || :
}

all_ready() {
    while read -r _ code _; do
        [ "$code" = 200 ] || return 1
    done <<ANSWERS
$answers
ANSWERS
}

# Decides who is up and who is down. `mood` becomes "calm" when everybody is up and well: then no round needs to decide
# until somebody isn't.
decide() {
    decision=$(printf '%s\n' "$answers" | awk -v round="$round" -v patience="$PATIENCE" -v hasty="$HASTY" \
        -v most="$MOST" -v memory="$run/memory.new" -f "${0%/*}/upstream-verdicts.awk" "$rows" "$run/memory" -)
    mv "$run/memory.new" "$run/memory"
    mood=${decision% *}
    [ "${decision#* }" = same ] || due=yes
}

# write_lists MEMORY FOLDER: the lists that nginx includes. The status page is part of nginx's own configuration, so it
# says what nginx runs with, not what it was asked to: `revision` is the digest of its nginx.conf, `loaded` of the lists.
# Where nginx has no other choice, or nobody is ready, it shall not remember failures (max_fails=0): it would answer
# nobody for fail_timeout after a single one.
write_lists() {
    rm -rf "$2"
    mkdir -p "$2"
    awk -v folder="$2" -v alive="$run/alive" -v revision="$revision" -v patience="$PATIENCE" '
        function page(path, text) {
            printf "location = %s {\n    if (!-f %s) { return 503 \"the check does not run, or nginx does not heed it\\n\"; }\n", path, alive > status
            printf "    return 200 \"%s\";\n}\n", text > status
        }
        FILENAME == ARGV[1] { verdict[FNR] = $1; unanswered[FNR] = $5; next }
        {
            rows = FNR; service[FNR] = $1; name[FNR] = $2; server[FNR] = $3
            for (i = 7; i <= NF; i++) options[FNR] = options[FNR] " " $i
            if (!(FNR in verdict)) verdict[FNR] = "up"
            if (verdict[FNR] == "up" && unanswered[FNR] < patience) choices[$1]++
            lines[$1] = lines[$1] $2 " " verdict[FNR] "\\n"
        }
        END {
            status = folder "/status.conf"
            page("/revision", revision "\\n")
            for (row = 1; row <= rows; row++) {
                if (verdict[row] == "down") options[row] = options[row] " down"
                else if (choices[service[row]] < 2) options[row] = options[row] " max_fails=0"
                print "server " server[row] options[row] ";  # " name[row] > (folder "/" service[row] ".upstream.conf")
            }
            for (row = 1; row <= rows; row++)
                if (service[row] != service[row - 1]) page("/upstreams/" service[row], lines[service[row]])
        }' "$1" "$rows"
    serial=$(cat "$2/"*.conf | sha256sum)
    serial=${serial%% *}
    printf 'location = /loaded { return 200 "%s"; }\n' "$serial" >>"$2/status.conf"
}

# nginx takes new files some time after it is told to, and only its own log knows when it cannot, as with a port that
# somebody else has.
loaded() {
    loaded_tries=0
    until [ "$(curl -q -s --noproxy '*' --max-time 1 "http://$status/loaded")" = "$serial" ]; do
        loaded_tries=$((loaded_tries + 1))
        [ "$loaded_tries" -lt "$RELOAD_TRIES" ] || return 1
        sleep 0.1
    done
}

differs() {
    [ ! -e "$state/unloaded" ] || return 0
    for list in "$state/next/"*.conf; do
        cmp -s "$list" "$state/live/${list##*/}" || return 0
    done
    return 1
}

# Says so when what is wrong is not what was wrong before; nginx's words differ each time by their time and process.
complain() {
    rm -f "$run/alive"
    rest=$RETRY
    wrong=$(printf '%s\n' "$*" | sed 's|[0-9/]* [0-9:]* \[emerg\] [0-9#]*: ||')
    [ "$wrong" = "$complaint" ] || say "$wrong"
    complaint=$wrong
}

# Brings nginx in step with the memory: the lists are tried beside the live ones first, and STATE/unloaded stands until
# nginx has taken them, whatever happens in between.
apply() {
    write_lists "$run/memory" "$state/next"
    if differs; then
        sed "s|$state/live/|$state/next/|" "$conf" >"$state/next.conf"
        if ! words=$(nginx -t -q -c "$state/next.conf" 2>&1); then
            complain "nginx refuses the new lists, so the old ones stay: $words"
            return
        fi
        : >"$state/unloaded"
        mv "$state/next/"*.conf "$state/live/"
        if ! words=$(nginx -c "$conf" -s reload 2>&1); then
            complain "nginx cannot be reloaded: $words"
            return
        fi
        if ! loaded; then
            complain "nginx was told to reload and did not: its error log says why"
            return
        fi
        rm "$state/unloaded"
    fi
    due='' complaint=''
    : >"$run/alive"
}

prepare() {
    mkdir -p "$state/live"
    grep -Ev '^ *(#|$)' "$table" >"$rows"
    revision=$(sha256sum <"$conf")
    revision=${revision%% *}
}

watch() {
    mkdir -p "$run"
    rows=$run/rows
    prepare
    write_requests
    : >"$run/memory"
    round=0 mood=new due=yes rest=0 complaint=''
    while :; do
        sleep "$INTERVAL" &
        pause=$!
        round=$((round + 1))
        ask
        if [ -n "$due" ] || [ "$mood" != calm ] || ! all_ready; then
            decide
            if [ "$rest" -gt 0 ]; then
                rest=$((rest - 1))
            elif [ -n "$due" ]; then
                apply
            fi
        fi
        wait "$pause" || :
    done
}

seed() {
    rows=$state/seed.rows
    prepare
    write_lists /dev/null "$state/seed"
    for list in "$state/seed/"*.conf; do
        [ -e "$state/live/${list##*/}" ] || mv "$list" "$state/live/"
    done
    rm -rf "$state/seed" "$rows"
}

mode=$1 table=$2 state=$3 run=$4 conf=$5 status=${6:-}
case $mode in
watch | seed) "$mode" ;;
*)
    say "unknown mode $mode: watch or seed"
    exit 2
    ;;
esac
