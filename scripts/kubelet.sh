# shellcheck shell=sh
# The kubelet of this node: its files, its first client certificate, its restarts and its place in the API.
# shellcheck disable=SC2086 # lists of parts are words
# Does not own static pods. Needs lib.sh, artifacts.sh and the variables NODE and API_SERVER (https URL that this kubelet asks).

KUBELET_PARTS="kubelet kubelet.artifacts kubelet.secret ca"
KUBELET_PKI=/var/lib/kubelet/pki
KUBERNETES_CA=/etc/kubernetes/pki/ca.crt

# kubelet_vouched client|server: its certificate is in force, and of the authority that issues: the first that is trusted.
kubelet_vouched() {
    openssl x509 -in "$KUBERNETES_CA" | openssl verify -partial_chain -CAfile /dev/stdin "$KUBELET_PKI/kubelet-$1-current.pem" >/dev/null 2>&1
}

# Its certificate is of this node's name: the machine may have been a node under another one.
kubelet_is_named() {
    named_subject=$(openssl x509 -in "$KUBELET_PKI/kubelet-client-current.pem" -noout -subject -nameopt RFC2253)
    case $named_subject, in *"CN=system:node:$NODE,"*) ;; *) return 1 ;; esac
}

# The kubelet rotates its client certificate by itself; the stack's serves only where there is none that works, and will
# when the authority before is trusted no more.
kubelet_first_certificate() {
    if ! kubelet_vouched client || ! kubelet_is_named; then
        mkdir -p "$KUBELET_PKI"
        cp /etc/kubernetes/pki/kubelet-client.pem "$KUBELET_PKI/kubelet-client-first.pem"
        ln -sfn kubelet-client-first.pem "$KUBELET_PKI/.kubelet-client-current.pem"
        mv -fT "$KUBELET_PKI/.kubelet-client-current.pem" "$KUBELET_PKI/kubelet-client-current.pem"
    fi
}

# A kubelet that starts without one asks for a new one.
kubelet_serving_certificate() {
    kubelet_vouched server || rm -f "$KUBELET_PKI/kubelet-server-current.pem"
}

kubelet_install() {
    for kubelet_part in $KUBELET_PARTS; do install_part "$kubelet_part" >/dev/null; done
    install_artifacts kubelet
    kubelet_first_certificate
    kubelet_serving_certificate
    systemctl enable --quiet --no-reload kubelet
    systemctl daemon-reload
}

kubelet_start() {
    # Its own certificate ends where the host was off for long: nobody would give it another one.
    if pending kubelet $KUBELET_PARTS || ! artifacts_installed kubelet || ! kubelet_vouched client; then
        kubelet_install
        systemctl restart kubelet
        applied kubelet $KUBELET_PARTS
    else
        keep kubelet
    fi
}

# The API answers with another minor version than this host's first kubelet has.
kubelet_meets_another() {
    meets_said=$(curl -q -fs --connect-timeout 1 --max-time 3 --cacert "$EVENKEEL_STATE/staged/ca/files$KUBERNETES_CA" "$API_SERVER/version") || return 1
    case $meets_said in *'"gitVersion": "v'"$(kubelet_minor "$EVENKEEL_ROOT/usr/local/bin/kubelet")".*) return 1 ;; esac
}

# The staged kubelet is of another minor version than the one that runs.
kubelet_leaps() {
    leaps_sha256=$(awk '$1 == "kubelet" { print $2 }' "$EVENKEEL_STATE/staged/kubelet.artifacts/files/var/lib/evenkeel/artifacts/kubelet")
    [ "$(cat "$EVENKEEL_STATE/installed/kubelet" 2>/dev/null)" != "$leaps_sha256" ] || return 1
    leaps_pid=$(systemctl show --property MainPID --value kubelet)
    [ "$leaps_pid" != 0 ] || return 1
    [ "$(kubelet_minor "/proc/$leaps_pid/exe")" != "$(kubelet_minor "$EVENKEEL_UNPACKED/kubelet-$leaps_sha256/kubelet")" ]
}

# kubelet_minor PROGRAM: "Kubernetes v1.36.3" makes 1.36.
kubelet_minor() {
    "$1" --version | sed 's/^Kubernetes v\([0-9]*\.[0-9]*\)\..*/\1/'
}

kubelet_healthy() {
    listens 10248 && curl -q -fs --max-time 2 -o /dev/null http://127.0.0.1:10248/healthz
}

kubelet_registered() {
    curl -q -fs --max-time 3 -o /dev/null --cacert "$KUBERNETES_CA" --cert "$KUBELET_PKI/kubelet-client-current.pem" "$API_SERVER/api/v1/nodes/$NODE"
}

# Until it has a serving certificate it ends every handshake (curl's 35): no logs, no exec, no metrics.
kubelet_serves() {
    serves_how=0
    curl -q -ks --max-time 3 -o /dev/null https://127.0.0.1:10250/healthz || serves_how=$?
    [ "$serves_how" != 35 ]
}

kubelet_failed() {
    say "the kubelet's last lines:"
    journalctl -u kubelet -n 400 --no-pager -o cat | grep -v 'TLS handshake error from 127.0.0.1' | tail -n 12 | sed 's/^/    /' >&2
    fail "activate kubelet" "$1" "mend what its last lines name and run up again; hosts after this one were not touched"
}

kubelet_gate() {
    await 60 kubelet_healthy || kubelet_failed "it is not healthy after 60 s"
    await 120 kubelet_registered || kubelet_failed "the node is not in the API after 120 s ($API_SERVER)"
}

# Of a worker: a master's comes only once all masters are up, with the rules that let the approver approve.
kubelet_serving_gate() {
    await 120 kubelet_serves || kubelet_failed "it has no serving certificate after 120 s ('kubectl get csr', and 'journalctl -u evenkeel-csr-approver' on the masters)"
}
