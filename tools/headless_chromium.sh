#!/bin/sh
# Print the path of Chromium's headless shell, which has no window, tabs and profiles: a
# page takes half the processor time. With --install, install Debian's package if it is
# missing. Without the shell, do the same with Chromium itself; exit with status 1 and an
# error text if there is none.
set -eu
. "$(dirname "$0")/from_debian.sh"

find_program() {
    command -v chromium-headless-shell
}

package=chromium-headless-shell
(find_or_install "${1:-}" "Chromium's headless shell" $package "to run the browser tests") ||
    exec "$(dirname "$0")/chromium.sh" "$@"
