# shellcheck shell=sh
# Whether one hub can run Harbor: its Docker engine, and the stores that all hubs share. Changes nothing, neither here
# nor there. Everything that is wrong is said at once, one line each; what lacks a command is left to preflight.sh.
# Comes on standard input behind lib.sh and its variables, for they hold passwords (components/hub_preflight.py):
#
#   SSH_USER MIRROR                the user that Pulumi's Docker plugin comes as; the stack's own mirror, or nothing
#   CONTAINERS                     the names of the containers that will run here, a word
#   STORAGE_KIND STORAGE_PATH      shared, local or s3; the folder, but for s3
#   AUTHORITIES                    what Harbor's containers are told to trust, PEM: stores are verified by these too
#   S3_URL S3_REGION S3_ACCESS_KEY S3_SECRET_KEY
#   STORE                          external or bundled
#   PGHOST PGPORT PGDATABASE PGUSER PGSSLMODE PGPASSWORD
#   REDIS_ADDRESSES                "host:port" a word: Redis, or with SENTINEL_MASTER the Sentinels
#   SENTINEL_MASTER REDIS_USER REDISCLI_AUTH REDIS_DATABASES
#
# Prints "storage IDENTITY" last: the same words on two hubs when they see the same folder.

MIN_DOCKER=20.10
ENGINE_SECONDS=20 # in which it says which it is
MIN_POSTGRESQL=12
MIN_REDIS=5
SIGNING_CURL=7.86 # signs the headers that it is told to send
NO_BODY=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 # the sha256 of nothing
MAX_SKEW_SECONDS=15 # from the database's clock, so that no two hubs differ by more than twice this
HARBOR_USER=10000

problems=0

# problem CAUSE REMEDY
problem() {
    printf 'evenkeel: %s: preflight: %s; %s\n' "$EVENKEEL_HOST" "$1" "$2" >&2 || :
    problems=$((problems + 1))
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# at_least VERSION LEAST
at_least() {
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

first_line() {
    printf '%s\n' "$1" | grep -v '^$' | head -n 1
}

check_engine() {
    engine=$(timeout "$ENGINE_SECONDS" docker version --format '{{.Server.Version}}' 2>&1) || {
        problem "its Docker engine does not answer: $(first_line "${engine:-nothing within $ENGINE_SECONDS s}")" "start it ('systemctl enable --now docker'), or see 'journalctl -u docker'"
        return
    }
    at_least "$engine" "$MIN_DOCKER" || problem "its Docker engine is $engine, and $MIN_DOCKER is needed" "install a newer one"
    [ "$(systemctl is-enabled docker 2>/dev/null)" = enabled ] ||
        problem "its Docker engine does not start with the host" "let it ('systemctl enable docker'), or Harbor stays down after a reboot"
    case " root $(id -nG "$SSH_USER" 2>/dev/null) " in
    *" docker "*) ;;
    *) [ "$SSH_USER" = root ] || problem "user $SSH_USER may not speak to its Docker engine" "put that user into the group docker, or set evenkeel:ssh.user to root" ;;
    esac
    [ -z "$MIRROR" ] || [ "$(docker info --format '{{len .RegistryConfig.Mirrors}}' 2>/dev/null)" != 0 ] ||
        problem "its Docker engine has no mirror, and evenkeel:release.mirror.images is $MIRROR" "name one in /etc/docker/daemon.json, like {\"registry-mirrors\": [\"$MIRROR\"]}, and restart docker"
}

# Harbor's own installer gives containers the same names. On a hub that has had its turn they are somebody's repair, and
# the next turn replaces them.
check_strangers() {
    [ ! -e "$EVENKEEL_STATE/applied/hub.version" ] || return 0
    # shellcheck disable=SC2086 # a list of words
    strangers=$(docker container inspect --format '{{.Name}} {{index .Config.Labels "evenkeel.revision"}}' $CONTAINERS \
        2>/dev/null | sed -n 's,^/\([^ ]*\) $,\1,p' | paste -sd ' ' -)
    [ -z "$strangers" ] ||
        problem "there are containers that no stack has made, as if another Harbor ran here: $strangers" "let this hub be another host; or end that Harbor and remove them ('docker rm --force $strangers')"
}

# It must be writable for Harbor's registry, or as yet for root, who makes the registry a folder of its own there.
check_folder() {
    [ -d "$STORAGE_PATH" ] || {
        problem "there is no folder $STORAGE_PATH" "mount the hubs' storage there, or correct evenkeel:harbor.storage"
        return
    }
    folder_owned=$STORAGE_PATH/registry
    if [ -d "$folder_owned" ] && [ "$(stat -c %u "$folder_owned")" = "$HARBOR_USER" ]; then
        setpriv --reuid "$HARBOR_USER" --regid "$HARBOR_USER" --clear-groups test -w "$folder_owned" ||
            problem "$folder_owned cannot be written to by user $HARBOR_USER" "mount it for writing"
    elif [ ! -w "$STORAGE_PATH" ]; then
        problem "$STORAGE_PATH cannot be written to" "mount it for writing, and let root write there"
    fi
}

# Inode, time of the last change and entries of the folder are the file server's, not this host's, so that all who see
# the same folder see the same. Listing it first makes a network file system look again.
folder_identity() {
    folder_names=$(find "$STORAGE_PATH" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort)
    printf '%s %s\n' "$(stat -c '%i %.9Y' "$STORAGE_PATH")" "$folder_names" | sha256sum | cut -c 1-16
}

# Without a key of its own the registry has the host's role, which only the cloud knows. Amazon's S3 takes only requests
# that bear a signed digest of their body, which no curl before 8.0 adds by itself.
check_object_store() {
    { has curl && [ -n "$S3_ACCESS_KEY" ]; } || return 0
    at_least "$(curl -q --version | sed -n '1s/^curl \([0-9.]*\).*/\1/p')" "$SIGNING_CURL" || {
        say "preflight: warning: the object store is not tried from here, as curl is older than $SIGNING_CURL"
        return 0
    }
    s3_login=$(quoted "$S3_ACCESS_KEY:$S3_SECRET_KEY")
    s3_answer=$(printf 'user = "%s"\n' "$s3_login" | trusting "$AUTHORITIES" curl -q -sS --config - --max-time 15 \
        --header "x-amz-content-sha256: $NO_BODY" --aws-sigv4 "aws:amz:$S3_REGION:s3" --write-out '\n%{http_code}' "$S3_URL/?list-type=2&max-keys=1" 2>&1) || :
    case ${s3_answer##*[!0-9]} in
    200) ;;
    404) problem "the object store has no bucket at $S3_URL" "make it, or correct evenkeel:harbor.storage.s3" ;;
    403) problem "the object store refuses the key $S3_ACCESS_KEY at $S3_URL" "correct evenkeel:harbor.storage.s3.accessKey and evenkeel:harborStorageSecretKey, or let it list the bucket" ;;
    *) problem "the object store at $S3_URL does not answer as one: $(printf '%s' "$s3_answer" | sed -n '/^curl/p; s/.*<Message>\(.*\)<\/Message>.*/\1/p' | head -n 1)" "see to it, or correct evenkeel:harbor.storage.s3 or evenkeel:harbor.trustedAuthorities" ;;
    esac
}

ask_database() {
    case $PGSSLMODE in
    verify-*) trusting "$AUTHORITIES" psql -XAtq -c "$1" 2>&1 ;;
    *) psql -XAtq -c "$1" 2>&1 ;;
    esac
}

# Who may not make tables can't migrate; a dirty schema is one that Harbor refuses to start on.
check_database() {
    { has psql && has pg_dump; } || return 0
    export PGHOST PGPORT PGDATABASE PGUSER PGSSLMODE PGPASSWORD PGCONNECT_TIMEOUT=10
    database="database $PGDATABASE at $PGHOST:$PGPORT"
    facts=$(ask_database "SELECT current_setting('server_version_num')::int / 10000, floor(extract(epoch FROM clock_timestamp())), has_schema_privilege('public', 'CREATE')") || {
        database_unreachable "$facts"
        return
    }
    database_now=${facts#*|} server=${facts%%|*}
    may_create=${database_now#*|} database_now=${database_now%%|*}
    check_clock_of "$database_now"
    [ "$server" -ge "$MIN_POSTGRESQL" ] || problem "the $database is PostgreSQL $server, and $MIN_POSTGRESQL is needed" "upgrade it"
    [ "$may_create" = t ] || problem "user $PGUSER may not make tables in the $database" "make that user the database's owner ('ALTER DATABASE ... OWNER TO ...')"
    dump=$(pg_dump --version | grep -o '[0-9][0-9]*' | head -n 1)
    [ "$dump" -ge "$server" ] || problem "its pg_dump is of PostgreSQL $dump, and cannot back up the $database, which is $server" "install the client of PostgreSQL $server (Debian: postgresql-client-$server)"
    check_schema
}

database_unreachable() {
    case $1 in
    *"password authentication failed"*) problem "the $database does not take the password of user $PGUSER" "correct evenkeel:harborDatabasePassword, or evenkeel:harbor.database.user" ;;
    *"certificate verify failed"*) problem "the $database has a certificate of an authority that is not trusted: $(first_line "$1")" "name that authority's file in evenkeel:harbor.trustedAuthorities" ;;
    *"does not exist"*) problem "the $database refuses: $(first_line "$1")" "create it ('CREATE DATABASE ... OWNER ...'), or correct evenkeel:harbor.database" ;;
    *) problem "the $database cannot be reached: $(first_line "$1")" "see to the server and the way there, or correct evenkeel:harbor.database" ;;
    esac
}

check_clock_of() {
    skew=$(($(date +%s) - $1))
    [ "${skew#-}" -le "$MAX_SKEW_SECONDS" ] ||
        problem "its clock differs by ${skew#-} s from that of the $database ($MAX_SKEW_SECONDS s are allowed)" "set the clocks by NTP ('timedatectl set-ntp true'): a token is refused where it seems to come from the future"
}

check_schema() {
    [ "$(ask_database "SELECT to_regclass('schema_migrations') IS NOT NULL")" = t ] || return 0
    [ "$(ask_database "SELECT bool_or(dirty) FROM schema_migrations")" != t ] ||
        problem "a migration of the $database was cut short" "restore the backup that was made before it (docs/harbor.md)"
}

# ask_redis ADDRESS WORD...
ask_redis() {
    redis_address=$1
    shift
    timeout 10 redis-cli --no-auth-warning -h "${redis_address%:*}" -p "${redis_address##*:}" "$@" 2>&1
}

check_redis() {
    has redis-cli || return 0
    redis=$REDIS_ADDRESSES
    if [ -n "$SENTINEL_MASTER" ]; then
        find_master
        [ -n "$redis" ] || return 0
    fi
    [ -z "$REDISCLI_AUTH" ] || export REDISCLI_AUTH
    # shellcheck disable=SC2086 # nothing, or two words
    facts=$(ask_redis "$redis" ${REDIS_USER:+--user "$REDIS_USER"} INFO | tr -d '\r') || :
    case $facts in
    *redis_version:*) check_redis_facts ;;
    *NOAUTH* | *WRONGPASS* | *"invalid password"* | *"invalid username-password"* | *"without any password"*) problem "Redis at $redis does not take the password: $(first_line "$facts")" "correct evenkeel:harborRedisPassword, or evenkeel:harbor.redis.username" ;;
    *) problem "Redis at $redis cannot be reached: $(first_line "$facts")" "see to the server and the way there, or correct evenkeel:harbor.redis" ;;
    esac
}

# find_master: sets `redis`. One Sentinel that knows it is enough, for Harbor too: the loss of another holds nobody up.
find_master() {
    redis='' unknowing=''
    for sentinel in $REDIS_ADDRESSES; do
        found=$(ask_redis "$sentinel" --raw SENTINEL get-master-addr-by-name "$SENTINEL_MASTER" | paste -sd : -)
        case $found in
        *' '* | '') unknowing="$unknowing; the Sentinel at $sentinel knows no master $SENTINEL_MASTER: ${found:-no answer}" ;;
        *) redis=$found ;;
        esac
    done
    if [ -z "$redis" ]; then
        problem "${unknowing#; }" "see to it, or correct evenkeel:harbor.redis"
    elif [ -n "$unknowing" ]; then
        say "preflight: warning: ${unknowing#; }; see to it, or correct evenkeel:harbor.redis"
    fi
}

redis_fact() {
    printf '%s\n' "$facts" | sed -n "s/^$1://p"
}

check_redis_facts() {
    at_least "$(redis_fact redis_version)" "$MIN_REDIS" || problem "Redis at $redis is $(redis_fact redis_version), and $MIN_REDIS is needed" "upgrade it"
    [ "$(redis_fact role)" = master ] || problem "Redis at $redis is a replica" "name its master, or the Sentinels with evenkeel:harbor.redis.sentinelMaster"
    [ "$(redis_fact cluster_enabled)" != 1 ] || problem "Redis at $redis is a cluster, which Harbor does not speak to" "use a single server, or Sentinels"
    for redis_database in $REDIS_DATABASES; do
        # shellcheck disable=SC2086 # nothing, or two words
        selected=$(ask_redis "$redis" ${REDIS_USER:+--user "$REDIS_USER"} -n "$redis_database" PING) || :
        case $selected in
        PONG) ;;
        *) problem "Redis at $redis has no database $redis_database: $(first_line "$selected")" "allow for more of them ('databases' in redis.conf), or correct evenkeel:harbor.redis.databases" ;;
        esac
    done
}

if has docker; then
    check_engine
    check_strangers
fi
if [ "$STORAGE_KIND" = s3 ]; then check_object_store; else check_folder; fi
if [ "$STORE" = external ]; then
    check_database
    check_redis
fi
[ "$problems" = 0 ] || exit 1
printf 'storage %s\n' "$(if [ "$STORAGE_KIND" = shared ]; then folder_identity; else echo "$STORAGE_KIND"; fi)"
