#!/bin/sh
# Ends a hub's turn that nobody ends: the engine was killed, or the turn failed. A timer of go_away (hub.sh) starts it
# once the turn should long be over, and then each minute: a hub that is whole and well takes clients again. One whose
# containers are half replaced stays away until the next up.
set -eu
umask 077
here=/usr/local/lib/evenkeel
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
# shellcheck source=scripts/hub.sh
. "$here/hub.sh"

lock
use_installed_settings
if ask_engine . && all_as_wanted && components_well; then
    say "this hub is well and its turn was abandoned: it takes clients again"
    come_back
fi
