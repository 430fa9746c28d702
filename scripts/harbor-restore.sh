#!/bin/sh
# The way back after an upgrade: Harbor's database becomes what it was when a backup of it was made. Everything that was
# written since is lost, and so it wants to be told twice. Usage: harbor-restore.sh FILE yes
# Harbor must be stopped on all hubs; docs/harbor.md has all steps. Does not own backups (hub-database.sh).
set -eu
umask 077
here=/usr/local/lib/evenkeel
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
# shellcheck source=scripts/hub.sh
. "$here/hub.sh"

[ "$#:${2:-}" = 2:yes ] || fail restore "it was not called as harbor-restore.sh FILE yes" "choose a file of /var/backups/evenkeel/harbor"
[ -s "$1" ] || fail restore "there is no backup $1" "choose a file of /var/backups/evenkeel/harbor on any hub"

lock
use_installed_settings
others=$(database psql -XAtqc "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
[ "$others" = 0 ] || fail restore "$others connections to the database $PGDATABASE are open" "stop Harbor on every hub first ('docker stop harbor-core harbor-jobservice harbor-exporter')"
say "restoring the database $PGDATABASE on $PGHOST from $1"
plan=$(mktemp)
trap 'rm -f "$plan"' EXIT
echo 'DROP SCHEMA public CASCADE; CREATE SCHEMA public;' >"$plan"
pg_restore --no-owner --no-privileges --file=- "$1" >>"$plan" || fail restore "$1 is no whole backup" "choose another file"
# pg_restore 17 and later set this, and a PostgreSQL before 17 knows no such setting.
sed -i '1,40{/^SET transaction_timeout = 0;$/d;}' "$plan"
# In one transaction: it succeeds, or nothing has happened.
database psql -Xq -v ON_ERROR_STOP=1 --single-transaction --file="$plan" >/dev/null ||
    fail restore "the database could not be restored, and is as it was" "mend what the lines above name; the user $PGUSER must own the database"
say "restored; set release.name back in the stack's file and run up"
