#!/bin/sh
# Makes a worker run what is staged for it: its container runtime, then its kubelet; pods stay untouched.
# Does not own what is staged. Usage: activate-worker.sh first|roll
set -eu
umask 077
here=/usr/local/lib/evenkeel
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
# shellcheck source=scripts/artifacts.sh
. "$here/artifacts.sh"
# shellcheck source=scripts/activate-runtime.sh
. "$here/activate-runtime.sh"
# shellcheck source=scripts/kubelet.sh
. "$here/kubelet.sh"

lock
if [ "$1" = first ]; then
    # Nothing runs here yet, so nothing can be interrupted: no need to wait for this host's turn, unless the apiservers
    # have yet to become this release's. A kubelet never meets an older one.
    [ -f /etc/kubernetes/kubelet.conf ] || kubelet_meets_another || kubelet_start
    exit 0
fi
runtime_activate
kubelet_start
kubelet_gate
kubelet_serving_gate
