#!/bin/sh
# Print where Chromium is; with --install, install Debian's where there is none.
# Without one the exit status is 1 and the error output says what would help.
set -eu
. "$(dirname "$0")/from_debian.sh"

find_it() {
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        if command -v "$name"; then
            return
        fi
    done
    return 1
}

find_or_install "${1:-}" Chromium chromium "to run the browser tests"
