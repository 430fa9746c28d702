# shellcheck shell=sh
# Prepares one host, on all hosts at once: kernel settings, programs, container runtime, images.
# A host that runs something already keeps it untouched: its new runtime and kubelet are unpacked beside the running
# ones and its new configuration stays staged, until the chain of activations comes to it.
# Runs from standard input behind lib.sh, the lines that stage the parts, and the parameters that
# render/preparation.py writes:
#
#   ARTIFACTS   GROUP MACHINE VERSION NAME SHA256 tar|plain FOLDER MEMBER... a line; groups are runtime, kubelet and
#               tools, and the version is for readers alone: a program is told from another by its checksum
#   IMAGES      IMAGE_BY_DIGEST IMAGE_BY_TAG a line
#
# Staged parts: scripts, system, silent-peers, and, where there are artifacts, registries and runtime.

CERTS_D=/etc/containerd/certs.d

nothing_runs() {
    [ ! -f "$EVENKEEL_STATE/applied/kubelet" ] && [ ! -f "$EVENKEEL_ROOT/etc/kubernetes/kubelet.conf" ]
}

load_modules() {
    [ -f "$EVENKEEL_ROOT/etc/modules-load.d/evenkeel.conf" ] || return 0
    while read -r module; do
        case $module in
        overlay) ! grep -qw overlay "$EVENKEEL_ROOT/proc/filesystems" || continue ;;
        br_netfilter) [ ! -d "$EVENKEEL_ROOT/proc/sys/net/bridge" ] || continue ;;
        esac
        modprobe "$module" || fail "prepare modules" "the kernel module $module cannot be loaded" "install the module package of the running kernel ($(uname -r))"
    done <"$EVENKEEL_ROOT/etc/modules-load.d/evenkeel.conf"
}

apply_sysctls() {
    while IFS=' =' read -r key value; do
        sysctl_file=$EVENKEEL_ROOT/proc/sys/$(printf '%s' "$key" | tr . /)
        [ "$(cat "$sysctl_file" 2>/dev/null)" != "$value" ] || continue
        printf '%s\n' "$value" 2>/dev/null >"$sysctl_file" || true
        [ "$(cat "$sysctl_file" 2>/dev/null)" = "$value" ] ||
            fail "prepare sysctl" "the kernel keeps $key at '$(cat "$sysctl_file" 2>/dev/null)' and does not take $value" "let this host write /proc/sys (a container needs the right to), or set it where the host's kernel is configured"
    done <"$EVENKEEL_ROOT/etc/sysctl.d/90-evenkeel.conf"
}

# stage_artifacts GROUP: its table, of this machine's architecture alone, as the part GROUP.artifacts.
stage_artifacts() {
    stage_begin "$1.artifacts"
    printf '%s\n' "$ARTIFACTS" | awk -v group="$1" -v machine="$(uname -m)" '$1 == group && $2 == machine' | cut -d ' ' -f 4- |
        put "$1.artifacts" 0644 root:root "/var/lib/evenkeel/artifacts/$1" newline
    stage_end "$1.artifacts"
    unpack_table "$EVENKEEL_STATE/staged/$1.artifacts/files/var/lib/evenkeel/artifacts/$1"
}

install_group() {
    install_part "$1.artifacts" >/dev/null
    install_artifacts "$1"
}

# Every image under both its names: pods name the digest, people the tag.
pull_images() {
    pulled=$(ctr -n k8s.io images ls | awk 'NR > 1 { print $1, $3 }')
    pulls=
    while read -r image tag; do
        [ -n "$image" ] || continue
        if ! is_pulled "$image" "$image" || ! is_pulled "$tag" "$image"; then
            pull_image "$image" "$tag" &
            pulls="$pulls $!"
        fi
    done <<IMAGES
$IMAGES
IMAGES
    for pull in $pulls; do
        wait "$pull" || exit 1
    done
    printf '%s\n' "$IMAGES" | cut -d ' ' -f 1 >"$EVENKEEL_STATE/.images"
    mv -f "$EVENKEEL_STATE/.images" "$EVENKEEL_STATE/images"
}

# is_pulled NAME IMAGE_BY_DIGEST
is_pulled() {
    printf '%s\n' "$pulled" | grep -qxF "$1 ${2##*@}"
}

# pull_image IMAGE_BY_DIGEST IMAGE_BY_TAG
pull_image() {
    say "pulling $2"
    pull_error=$(ctr -n k8s.io images pull --hosts-dir "$CERTS_D" "$1" 2>&1 >/dev/null) ||
        fail "prepare images" "$1 cannot be pulled: $(printf '%s\n' "$pull_error" | tail -n 1)" "see that the mirror or registry that $CERTS_D names for it has it and answers this host (by a proxy, if containerd was told of it: docs/hosts.md), and run up again"
    ctr -n k8s.io images tag --force "$1" "$2" >/dev/null
}

prepare_node() {
    # shellcheck source=scripts/artifacts.sh
    . "$EVENKEEL_ROOT/usr/local/lib/evenkeel/artifacts.sh"
    # shellcheck source=scripts/activate-runtime.sh
    . "$EVENKEEL_ROOT/usr/local/lib/evenkeel/activate-runtime.sh"
    for group in runtime kubelet tools; do
        stage_artifacts "$group"
    done
    runtime_check
    install_group tools
    install_part registries >/dev/null
    if nothing_runs; then
        install_group kubelet
        runtime_activate
    elif ! runtime_well; then
        runtime_activate
    fi
    pull_images
}

# A restart of it interrupts nothing, so it waits for no turn. A host without such peers has an empty part.
watch_silent_peers() {
    if [ ! -s "$EVENKEEL_STATE/staged/silent-peers/index" ]; then
        [ ! -f "$EVENKEEL_STATE/applied/silent-peers" ] || systemctl disable --now --quiet evenkeel-silent-peers
        rm -f "$EVENKEEL_STATE/applied/silent-peers"
        install_part silent-peers >/dev/null
    elif pending silent-peers silent-peers; then
        install_part silent-peers >/dev/null
        reread evenkeel-silent-peers
        systemctl enable --quiet --no-reload evenkeel-silent-peers
        systemctl restart evenkeel-silent-peers ||
            fail "prepare silent-peers" "evenkeel-silent-peers does not start" "see 'systemctl status evenkeel-silent-peers' on this host, and run up again"
        applied silent-peers silent-peers
    else
        keep evenkeel-silent-peers
    fi
}

lock
install_part scripts >/dev/null
install_part system >/dev/null
load_modules
apply_sysctls
watch_silent_peers
[ -z "$ARTIFACTS" ] || prepare_node
say "prepared"
