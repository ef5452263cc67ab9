#!/bin/sh
# Print the folder of PostgreSQL's programs. With --install, install Debian's package if
# it is missing. Exit with status 1 and an error text if there is no PostgreSQL.
set -eu
. "$(dirname "$0")/from_debian.sh"

find_program() {
    for folder in /usr/lib/postgresql/*/bin; do
        if [ -x "$folder/initdb" ]; then
            echo "$folder"
            return
        fi
    done
    initdb=$(command -v initdb) || return 1
    dirname "$initdb"
}

find_or_install "${1:-}" PostgreSQL postgresql "to run the tests of the database"
