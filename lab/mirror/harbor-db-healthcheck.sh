#!/bin/sh
# Whether the PostgreSQL of the lab's image harbor-db accepts connections.
exec nc -w 2 127.0.0.1 5432 </dev/null
