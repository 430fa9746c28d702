# shellcheck shell=sh
# The container runtime of this node: its programs, configuration and restarts. Containers outlive a restart of
# containerd (KillMode=process), but no container starts or ends meanwhile: so a host that runs something is left alone
# until its turn in the chain. Does not own the images. Needs lib.sh and artifacts.sh.

export CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS=1
RUNTIME_PARTS="runtime runtime.artifacts"

# runtime_activate: containerd runs, and is well, with what is staged. Nothing happens where that is so already.
runtime_activate() {
    # shellcheck disable=SC2086 # a list of words
    if pending runtime $RUNTIME_PARTS || ! artifacts_installed runtime; then
        for runtime_part in $RUNTIME_PARTS; do install_part "$runtime_part" >/dev/null; done
        install_artifacts runtime
        systemctl daemon-reload
        say "starting containerd with its new files"
        runtime_start restart
        applied runtime $RUNTIME_PARTS
    elif ! runtime_well; then
        runtime_start start
    else
        keep containerd
    fi
}

# runtime_check: the staged configuration is one that the staged containerd reads, said before anything is stopped for it.
runtime_check() {
    check_sha256=$(awk '$1 == "containerd" { print $2 }' "$EVENKEEL_STATE/staged/runtime.artifacts/files/var/lib/evenkeel/artifacts/runtime")
    check_said=$("$EVENKEEL_UNPACKED/containerd-$check_sha256/containerd" \
        --config "$EVENKEEL_STATE/staged/runtime/files/etc/containerd/config.toml" config dump 2>&1 >/dev/null) ||
        fail "prepare containerd" "it does not read its configuration: $(printf '%s\n' "$check_said" | tail -n 1)" "correct evenkeel:cluster.containerd.config"
    printf '%s\n' "$check_said" | sed -n 's/.*unknown key.* key=\([^ ]*\) .*/\1/p' | while read -r check_key; do
        say "warning: containerd does not know the key $check_key; correct evenkeel:cluster.containerd.config"
    done
}

# runtime_start start|restart: and again after each boot.
runtime_start() {
    systemctl enable --quiet --no-reload containerd
    systemctl "$1" containerd || runtime_failed "containerd does not start"
    await 30 runtime_well || runtime_failed "containerd is not well 30 s after its start"
}

# Its socket answers, and its Kubernetes interface came up with it.
runtime_well() {
    ctr plugins ls 2>/dev/null | awk '$2 == "cri" && $1 ~ /grpc/ { state = $4 } END { exit state != "ok" }'
}

runtime_failed() {
    say "the last lines of containerd:"
    journalctl -u containerd -n 400 --no-pager -o cat | grep -v 'level=info' | tail -n 12 | sed 's/^/    /' >&2 || :
    fail "activate containerd" "$1" "mend what its last lines name (evenkeel:cluster.containerd.config is merged into its configuration) and run up again; hosts after this one were not touched"
}
