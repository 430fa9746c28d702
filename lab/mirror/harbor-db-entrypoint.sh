#!/bin/sh
# Starts the PostgreSQL of the lab's image harbor-db. On an empty folder it makes Harbor's database first, with the
# password that POSTGRES_PASSWORD_FILE names, and unsets that, as the entry point of Harbor's own image does. Does not own
# moving the data of an earlier PostgreSQL.
set -eu
data=/var/lib/postgresql/data/pg
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
if [ ! -s "$data/PG_VERSION" ]; then
    initdb -D "$data" -U postgres -E UTF8 --locale=C --no-sync --auth=trust --pwfile="$POSTGRES_PASSWORD_FILE" >/dev/null
    echo 'host all all all scram-sha-256' >>"$data/pg_hba.conf"
    echo 'CREATE DATABASE registry' | postgres --single -D "$data" postgres >/dev/null
    unset POSTGRES_PASSWORD_FILE
fi
exec postgres -D "$data" -c 'listen_addresses=*' -c unix_socket_directories= -c max_connections=1024
