#!/bin/sh
# Print the path of Chromium. With --install, install Debian's package if it is missing.
# Exit with status 1 and an error text if there is no Chromium.
set -eu
. "$(dirname "$0")/from_debian.sh"

find_program() {
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        if command -v "$name"; then
            return
        fi
    done
    return 1
}

find_or_install "${1:-}" Chromium chromium "to run the browser tests"
