# shellcheck shell=sh
# Harbor's database as a hub's turn sees it: which schema it has, and a backup before another version changes that.
# The way back is harbor-restore.sh. Needs lib.sh and hub.sh.
#
#   applied/hub.version   the version of Harbor that this hub was last found well with
#   applied/hub.schema    the schema that the database had then

BACKUPS=$EVENKEEL_ROOT/var/backups/evenkeel/harbor

# The schema's number, and "dirty" when a migration was cut short; nothing before Harbor was there.
schema() {
    schema_there=$(database psql -XAtqc "SELECT to_regclass('schema_migrations') IS NOT NULL") || return
    [ "$schema_there" = t ] || return 0
    database psql -XAtqc "SELECT version || CASE WHEN dirty THEN ' dirty' ELSE '' END FROM schema_migrations"
}

# Before this hub runs another version. Whichever hub is the first of an upgrade makes the backup; those after it find
# that the schema is not the one they left.
back_up_before_change() {
    last_version=$(cat "$EVENKEEL_STATE/applied/hub.version" 2>/dev/null) || return 0
    [ "$last_version" != "$HARBOR_VERSION" ] || return 0
    schema_now=$(schema) || fail "leave" "the database $PGDATABASE on $PGHOST cannot be asked for its schema" "mend what the line above names"
    case $schema_now in
    *dirty) fail "leave" "a migration of the database $PGDATABASE was cut short (schema ${schema_now% dirty} is marked dirty)" "restore the backup that was made before it (docs/harbor.md), or repair table schema_migrations" ;;
    esac
    if [ "$schema_now" != "$(cat "$EVENKEEL_STATE/applied/hub.schema" 2>/dev/null)" ]; then
        say "the database was migrated to schema $schema_now already: no backup of it here"
        return 0
    fi
    back_up "$last_version"
}

# back_up VERSION: of the database as VERSION has it; it has its name once it is whole.
back_up() {
    (umask 077 && mkdir -p "$BACKUPS")
    backup=$BACKUPS/$PGDATABASE-$1-$(date -u +%Y%m%dT%H%M%SZ).dump
    say "backing the database up to $backup before $HARBOR_VERSION takes the place of $1"
    database pg_dump --format=custom --file="$BACKUPS/.new" ||
        fail "leave" "the database $PGDATABASE on $PGHOST cannot be backed up" "mend what the line above names; nothing was changed on this hub"
    mv "$BACKUPS/.new" "$backup"
}

note_version() {
    schema >"$EVENKEEL_STATE/applied/.hub.schema" || return 0
    mv -f "$EVENKEEL_STATE/applied/.hub.schema" "$EVENKEEL_STATE/applied/hub.schema"
    printf '%s\n' "$HARBOR_VERSION" >"$EVENKEEL_STATE/applied/.hub.version"
    mv -f "$EVENKEEL_STATE/applied/.hub.version" "$EVENKEEL_STATE/applied/hub.version"
}
