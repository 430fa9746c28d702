#!/bin/sh
# Ends this host's connections to a peer that has fallen silent: cut off, or gone without a word. Nobody else says that
# they are over, and who waits on one waits long: an apiserver's etcd client for 10 s, compiled in, once for each kind of
# object; nginx for as long as its kernel needs.
# Asks nobody anything: TCP itself knows that what was sent is repeated in vain and that nothing has come back meanwhile.
# Where the kernel can't end others' connections (CONFIG_INET_DIAG_DESTROY), ss says so, and they end as they did before.
# Usage: silent-peers.sh ADDRESS:PORT...
set -eu

INTERVAL=1    # seconds from one look to the next
REPEATS=3     # of one packet, in vain: TCP is there 1.4 s after it was sent first, where the network is fast
SILENCE=2000  # milliseconds in which nothing came from the peer, on any connection

# Standard input is ss's list of connections: of the peers that it names, those that are silent. Where nothing is on
# its way (unacked), nothing is repeated in vain: a peer that has no room for more is asked ever less often whether it has,
# and its answers bring no data.
silent() {
    awk -v repeats="$REPEATS" -v silence="$SILENCE" '
        {
            repeated = heard = waits = 0
            for (i = 5; i <= NF; i++) {
                if ($i ~ /^backoff:/) repeated = substr($i, 9) + 0
                if ($i ~ /^unacked:/) waits = 1
                if ($i ~ /^lastrcv:/) heard = substr($i, 9) + 0
            }
            if (!($4 in quiet) || heard < quiet[$4]) quiet[$4] = heard
            if (waits && repeated > vain[$4]) vain[$4] = repeated
        }
        END { for (peer in quiet) if (vain[peer] >= repeats && quiet[peer] >= silence) print peer }'
}

peers=
for peer in "$@"; do peers="${peers:+$peers or }dst = $peer"; done
while :; do
    connections=$(ss -tinOH state established "$peers") || :
    case $connections in
    *backoff:*)
        for peer in $(printf '%s\n' "$connections" | silent); do
            printf '%s is silent: ending the connections to it\n' "$peer"
            ss -tK state established "dst = $peer" >/dev/null || :
        done
        ;;
    esac
    sleep "$INTERVAL"
done
