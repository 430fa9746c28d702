#!/bin/sh
# Gives this host its right to found the etcd cluster. Called once in a stack's life for each host: see etcd.sh.
# Usage: founding-ticket.sh TOKEN FOUNDERS, with the variables of etcd.sh
set -eu
umask 077
here=/usr/local/lib/evenkeel
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
# shellcheck source=scripts/etcd.sh
. "$here/etcd.sh"
founding_ticket "$1" "$2"
