#!/bin/sh
# Print the folder of PostgreSQL's programs; with --install, install Debian's where
# there is none. Without one the exit status is 1 and the error output says what
# would help.
set -eu

find_postgres() {
    for folder in /usr/lib/postgresql/*/bin; do
        if [ -x "$folder/initdb" ]; then
            echo "$folder"
            return
        fi
    done
    found=$(command -v initdb) || return 1
    dirname "$found"
}

refuse() {
    echo "PostgreSQL is missing and $1; install the package postgresql" \
        "to run the tests of the database" >&2
    exit 1
}

if find_postgres; then
    exit
fi
[ "${1:-}" = --install ] || refuse "was not asked for"
command -v apt-get >/dev/null || refuse "there is no apt-get to fetch it with"
if [ "$(id -u)" = 0 ]; then
    as_root=
elif sudo -n true 2>/dev/null; then
    as_root=sudo
else
    refuse "only root may install it"
fi
echo "installing postgresql" >&2
{
    $as_root apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq \
            --no-install-recommends postgresql
} >&2 || refuse "apt-get could not install it"
find_postgres || refuse "apt-get did not bring it"
