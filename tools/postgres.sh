#!/bin/sh
# Print the folder of PostgreSQL's programs; with --install, install Debian's where
# there is none. Without one the exit status is 1 and the error output says what
# would help.
set -eu
. "$(dirname "$0")/from_debian.sh"

find_it() {
    for folder in /usr/lib/postgresql/*/bin; do
        if [ -x "$folder/initdb" ]; then
            echo "$folder"
            return
        fi
    done
    found=$(command -v initdb) || return 1
    dirname "$found"
}

find_or_install "${1:-}" PostgreSQL postgresql "to run the tests of the database"
