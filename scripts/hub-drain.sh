# shellcheck shell=sh
# How a hub's connections end on the hub where they began, be it in the middle of a layer's upload. Needs lib.sh and
# hub.sh, and that the hub is away already.

PROXY_PORT=8443  # inside the proxy's container
QUIET_MS=5000    # nothing was sent on a connection for so long: it is idle
NOTICE_SECONDS=5 # in which the load balancers have seen that this hub is away

# The proxy's connections: the other end, and how long ago, in ms, anything came or went. From the kernel, in the
# container's own network: on the host they are only packets that pass.
connections() {
    nsenter --target "$(docker inspect --format '{{.State.Pid}}' harbor-proxy)" --net \
        ss -Htni state established "( sport = :$PROXY_PORT )" | awk '
        $1 ~ /^[0-9]+$/ { peer = $4; next }
        {
            sent = received = 0
            for (i = 1; i <= NF; i++) {
                if ($i ~ /^lastsnd:/) sent = substr($i, 9)
                if ($i ~ /^lastrcv:/) received = substr($i, 9)
            }
            print peer, (sent + 0 < received + 0 ? sent : received)
        }'
}

# still_in_use FILE: those connections of the last sample, in FILE, that are there now as well and not idle. Shorter ones
# are the load balancers' checks. Leaves the new sample in FILE.
still_in_use() {
    connections >"$1.new" || : >"$1.new"
    awk -v quiet="$QUIET_MS" 'FILENAME == ARGV[1] { before[$1]; next } $1 in before && $2 < quiet { print $1 }' "$1" "$1.new"
    mv "$1.new" "$1"
}

# Waits until nothing is in use, then closes what is idle; for DRAIN seconds at most.
drain() {
    await "$NOTICE_SECONDS" told down || say "a load balancer still sends new connections here; going on"
    drain_until=$(($(date +%s) + DRAIN)) drain_sample=$EVENKEEL_STATE/applied/.connections
    connections >"$drain_sample" || : >"$drain_sample"
    while sleep 0.5 && in_use=$(still_in_use "$drain_sample") && [ -n "$in_use" ]; do
        [ "$(date +%s)" -lt "$drain_until" ] || {
            say "in use for more than $DRAIN s (harbor.drain), and closed after the request that is under way: $(printf '%s' "$in_use" | tr '\n' ' ')"
            break
        }
    done
    rm -f "$drain_sample"
    close_idle
}

# After a reload nginx's earlier processes answer what they were asked, close what is idle, and end.
close_idle() {
    close_seconds=$((drain_until - $(date +%s)))
    [ "$close_seconds" -ge 10 ] || close_seconds=10
    reload_proxy
    sleep 0.2
    await "$close_seconds" requests_ended || say "requests are still under way after $DRAIN s (harbor.drain) and will be cut"
}

requests_ended() {
    ! docker top harbor-proxy 2>/dev/null | grep -q 'shutting down'
}
