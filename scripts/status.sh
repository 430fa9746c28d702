# shellcheck shell=sh
# Tells how this host does, and changes nothing.
# Runs from standard input behind the parameters that ops/status.py writes:
#
#   ROLES            the host's roles, a word each
#   ADDRESS          its address
#   STATUS           address:port of its load balancer's status page
#   SERVICES         what is balanced there, a word each
#   VIP              the virtual address, or nothing
#   SERVICE_ADDRESS  the address of Service `kubernetes` on a node, else nothing
#
# Prints a line a fact, "KIND WORD...". Does not own what is well and what is not (ops/health.py).

export LC_ALL=C # what programs say is read here
export PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin" # sudo may leave some of these out
PKI=/etc/kubernetes/pki

has_role() {
    case " $ROLES " in *" $1 "*) ;; *) return 1 ;; esac
}

# ask WORD...: curl, with these words more.
ask() {
    curl -q -s --noproxy '*' --max-time 2 "$@"
}

# The member's own view, as etcdctl's JSON in one line each.
tell_etcd() {
    etcd_ask="etcdctl --endpoints=https://127.0.0.1:2379 --command-timeout=2s --cacert=$PKI/etcd/ca.crt --cert=$PKI/etcd/healthcheck-client.crt --key=$PKI/etcd/healthcheck-client.key --write-out=json"
    etcd_said=$($etcd_ask endpoint status 2>/dev/null) && printf 'etcd %s\n' "$etcd_said"
    etcd_said=$($etcd_ask member list 2>/dev/null) && printf 'members %s\n' "$etcd_said"
}

# tell_apiserver: whether it is ready, and its version, which any caller may read.
tell_apiserver() {
    apiserver_code=$(ask -f --cacert "$PKI/ca.crt" -o /dev/null -w '%{http_code}' "https://$ADDRESS:6443/readyz") || :
    apiserver_version=$(ask -f --cacert "$PKI/ca.crt" "https://$ADDRESS:6443/version" | sed -n 's/.*"gitVersion": "\([^"]*\)".*/\1/p') || :
    printf 'apiserver %s %s\n' "$apiserver_code" "${apiserver_version:-unknown}"
}

tell_balancer() {
    printf 'nginx %s\n' "$(nginx -v 2>&1 | sed -n 's/.*nginx\/\([0-9.]*\).*/\1/p')"
    for service in $SERVICES; do
        balancer_said=$(ask -f "http://$STATUS/upstreams/$service") || { printf 'silent %s\n' "$service" && continue; }
        printf '%s\n' "$balancer_said" | sed "s/^/upstream $service /"
    done
    if [ -n "$VIP" ] && ip -o address show to "$VIP/32" | grep -q .; then printf 'vip %s\n' "$VIP"; fi
}

# A node whose kube-proxy has lost its map of Services looks well in every other way. Asked twice: of the apiservers behind
# the address one may just have gone.
tell_services() {
    reaches_services || reaches_services || printf 'unreached %s\n' "$SERVICE_ADDRESS"
}

reaches_services() {
    ask --cacert "$PKI/ca.crt" -o /dev/null "https://$SERVICE_ADDRESS/livez"
}

# "certificate FILE BASE64" for the first certificate of each file: of its DER, or of a PEM inside a kubeconfig. Of each in
# Harbor's files: a chain ends with the first of them that does, and the authorities that a user brings are in one file.
# Beside the cluster's own may lie a user's bundle, of which some have ended long ago and nobody minds.
tell_certificates() {
    set --
    for file in "$PKI"/*.crt "$PKI"/etcd/*.crt /var/lib/kubelet/pki/*-current.pem /etc/evenkeel/harbor/hub/ca.crt /etc/evenkeel/harbor/proxy/cert/*.crt /etc/evenkeel/harbor/trust/*.crt /etc/kubernetes/*.conf /etc/kubernetes/evenkeel/*.conf; do
        [ ! -f "$file" ] || set -- "$@" "$file"
    done
    [ $# = 0 ] || awk '
        { sub(/\r$/, "") }
        FILENAME in told { next }
        $0 == "-----END CERTIFICATE-----" { print "certificate", FILENAME, body; if (FILENAME !~ "/evenkeel/harbor/") told[FILENAME] }
        within == FILENAME { body = body $0 }
        $0 == "-----BEGIN CERTIFICATE-----" { within = FILENAME; body = "" }
        $1 == "client-certificate-data:" { print "certificate", FILENAME, $2; told[FILENAME] }
    ' "$@"
}

# The files of a bundled database that was set aside (retire.sh) are no backups.
tell_backup() {
    backup=$(TZ=UTC0 find /var/backups/evenkeel -type d -name 'database-*' -prune -o -type f ! -name '.*' -printf '%TY-%Tm-%TdT%TH:%TM:00Z %p\n' 2>/dev/null | sort | tail -n 1)
    [ -z "$backup" ] || printf 'backup %s\n' "$backup"
}

# What each container was started with and sees now, by keyed fingerprint against what the stack wants.
tell_hub() {
    /usr/local/lib/evenkeel/hub-probe.sh keys 2>&1 | sed 's/^/keys /' || :
}

if has_role master; then
    tell_etcd || :
    tell_apiserver
fi
if [ -n "$SERVICE_ADDRESS" ]; then tell_services; fi
if has_role lb; then tell_balancer; fi
if has_role hub; then tell_hub; fi
tell_certificates
tell_backup
printf 'end\n'
