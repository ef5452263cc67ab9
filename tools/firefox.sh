#!/bin/sh
# Print the path of Firefox. With --install, install Debian's package if it is missing.
# Exit with status 1 and an error text if there is no Firefox.
set -eu
. "$(dirname "$0")/from_debian.sh"

find_program() {
    for name in firefox-esr firefox; do
        if command -v "$name"; then
            return
        fi
    done
    return 1
}

find_or_install "${1:-}" Firefox firefox-esr "to run the browser tests"
