#!/bin/sh
# Print where Chromium is; with --install, install Debian's where there is none.
# Without one the exit status is 1 and the error output says what would help.
set -eu

find_chromium() {
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        if command -v "$name"; then
            return
        fi
    done
    return 1
}

refuse() {
    echo "Chromium is missing and $1; install the package chromium" \
        "to run the browser tests" >&2
    exit 1
}

if find_chromium; then
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
echo "installing chromium" >&2
{
    $as_root apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq \
            --no-install-recommends chromium
} >&2 || refuse "apt-get could not install it"
find_chromium || refuse "apt-get did not bring it"
