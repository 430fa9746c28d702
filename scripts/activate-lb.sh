#!/bin/sh
# Makes a load balancer run what is staged for it: nginx, the check beside it, and keepalived's share in the virtual
# address. Nothing here restarts nginx while it runs, so no connection is cut and the address doesn't move: whichever
# host of the two has its turn first.
# Does not own what is staged, nor who is up (upstream-check.sh). Usage: activate-lb.sh, with the variables
#   STATUS   address:port of the status page
#   PORTS    the ports that nginx balances, a word each
#   SERVICES what it balances there, a word each
#   VIP      address:port of the virtual address, or nothing
set -eu
umask 077
here=/usr/local/lib/evenkeel
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

NGINX_CONF=/etc/nginx/nginx.conf
KEEPALIVED_CONF=/etc/keepalived/keepalived.conf
BALANCER=$EVENKEEL_STATE/lb
BALANCER_PARTS="lb lb.ca"
STAGED=$EVENKEEL_STATE/staged/lb/files
LOOK="mend what these lines name and run up again; hosts after this one were not touched"

# The line that loads nginx's stream module: none where it is built in.
stream_line() {
    command -v nginx >/dev/null || fail "activate nginx" "nginx is not installed" "install it with its stream module (Debian: nginx-light libnginx-mod-stream)"
    nginx_built=" $(nginx -V 2>&1 | tr '\n' ' ') "
    case $nginx_built in
    *" --with-stream "*) return ;;
    *" --with-stream=dynamic "*) ;;
    *) fail "activate nginx" "this nginx is built without the stream module" "install one that has it (Debian: nginx-light libnginx-mod-stream)" ;;
    esac
    stream_folder=$(printf '%s' "$nginx_built" | sed -n 's/.* --modules-path=\([^ ]*\) .*/\1/p')
    stream_module=${stream_folder:-modules}/ngx_stream_module.so
    [ -z "$stream_folder" ] || [ -f "$stream_module" ] ||
        fail "activate nginx" "nginx's stream module is not installed ($stream_module is missing)" "install it (Debian: libnginx-mod-stream, Red Hat: nginx-mod-stream)"
    printf 'load_module %s;\n' "$stream_module"
}

# What nginx needs besides its own file before it can start with it. Lists that are there already stay as they are.
lay_ground() {
    mkdir -p "$BALANCER"
    stream_line >"$BALANCER/.modules.conf"
    mv -f "$BALANCER/.modules.conf" "$BALANCER/modules.conf"
    sh "$STAGED$here/lb/upstream-check.sh" seed "$STAGED$BALANCER/upstreams" "$BALANCER" /run/evenkeel-lb "$STAGED$NGINX_CONF"
}

try_nginx_conf() {
    tried=$(nginx -t -q -c "$STAGED$NGINX_CONF" 2>&1) ||
        fail "activate nginx" "nginx refuses the new nginx.conf, so the old one stays: $tried" "correct what it names in evenkeel:loadBalancer and run up again"
}

install_balancer() {
    say "giving nginx its new files"
    rm -f "$EVENKEEL_STATE/applied/nginx" # from here on, even the files of before are a change
    lay_ground
    try_nginx_conf
    keep_first "$NGINX_CONF"
    for balancer_part in $BALANCER_PARTS; do install_part "$balancer_part" >/dev/null; done
    reread nginx evenkeel-upstreams
    systemctl enable --quiet --no-reload nginx evenkeel-upstreams
}

# The check reloads nginx in its first round when nginx runs with other files than these.
balancer_activate() {
    balancer_how=start
    # shellcheck disable=SC2086 # a list of words
    if pending nginx $BALANCER_PARTS; then
        install_balancer
        balancer_how=restart
    fi
    keep nginx || balancer_failed "nginx does not start"
    keep evenkeel-upstreams
    [ "$balancer_how" = start ] || systemctl restart evenkeel-upstreams
    await 20 balancer_well || balancer_failed "nginx does not serve the new nginx.conf 20 s after it was told to"
    # shellcheck disable=SC2086 # a list of words
    applied nginx $BALANCER_PARTS
}

# nginx runs with this very file, every service's list is heeded, and its ports take connections.
balancer_well() {
    well_revision=$(sha256sum <"$NGINX_CONF")
    [ "$(page revision)" = "${well_revision%% *}" ] || return 1
    for well_service in $SERVICES; do
        page "upstreams/$well_service" >/dev/null || return 1
    done
    for well_port in $PORTS; do
        connects "${STATUS%:*}:$well_port" || return 1
    done
}

page() {
    curl -q -fs --max-time 2 "http://$STATUS/$1"
}

# connects ADDRESS:PORT: whether somebody takes the connection; what is said on it doesn't matter.
connects() {
    connects_after=$(curl -q -s --connect-timeout 2 --max-time 3 -o /dev/null -w '%{time_connect}' "http://$1/") || :
    case $connects_after in
    *[1-9]*) ;;
    *) return 1 ;;
    esac
}

balancer_failed() {
    say "the last lines of nginx and of its check:"
    {
        journalctl -u nginx -u evenkeel-upstreams -n 12 --no-pager -o cat
        tail -n 5 /var/log/nginx/error.log
    } 2>/dev/null | sed 's/^/    /' >&2
    fail "activate nginx" "$1" "$LOOK"
}

vip_activate() {
    if pending keepalived vip; then
        rm -f "$EVENKEEL_STATE/applied/keepalived"
        if [ -n "$VIP" ]; then vip_start; else vip_stop; fi
        applied keepalived vip
    fi
    if [ -n "$VIP" ]; then
        keep keepalived || vip_failed "keepalived does not start"
        await 20 connects "$VIP" || vip_failed "nobody answers at the virtual address $VIP after 20 s"
    fi
}

# keepalived that reads its file anew keeps the address if it has it.
vip_start() {
    command -v keepalived >/dev/null || fail "activate keepalived" "keepalived is not installed" "install it, or set evenkeel:loadBalancer.vip to null"
    vip_tried=$(keepalived -t -f "$STAGED_VIP" 2>&1) ||
        fail "activate keepalived" "keepalived refuses the new keepalived.conf, so the old one stays: $vip_tried" "correct what it names in evenkeel:loadBalancer.vip and run up again"
    say "giving keepalived its new file"
    keep_first "$KEEPALIVED_CONF"
    install_part vip >/dev/null
    reread keepalived
    systemctl enable --quiet --no-reload keepalived
    systemctl reload-or-restart keepalived || vip_failed "keepalived does not start"
}
STAGED_VIP=$EVENKEEL_STATE/staged/vip/files$KEEPALIVED_CONF

# Only a keepalived that got its file from here is stopped. One that had another file before is started by its owner.
vip_stop() {
    if [ -s "$EVENKEEL_STATE/applied/vip.index" ]; then
        say "giving up the virtual address"
        systemctl disable --now --quiet keepalived
    fi
    install_part vip >/dev/null
    give_back "$KEEPALIVED_CONF"
    systemctl daemon-reload
}

vip_failed() {
    say "the last lines of keepalived:"
    journalctl -u keepalived -n 12 --no-pager -o cat | sed 's/^/    /' >&2
    fail "activate keepalived" "$1" "$LOOK"
}

lock
balancer_activate
vip_activate
