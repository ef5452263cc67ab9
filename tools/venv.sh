#!/bin/sh
# Create the virtual environment $1 with Python 3.11 or newer.
# On Debian, the module for this is a separate package. It is installed if this user may
# install packages.
set -eu

venv=$1

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        set -- "$PYTHON"
    else
        set -- python3.11 python3 python3.12 python3.13 python3.14
    fi
    for python in "$@"; do
        if new_enough "$python"; then
            command -v "$python"
            return
        fi
    done
    echo "no Python 3.11 or newer among: $*." \
        "Install one, or name one: make setup PYTHON=/path/to/python" >&2
    return 1
}

install_venv_module() {
    package=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif sudo -n true 2>/dev/null; then
        as_root=sudo
    else
        as_root=no
    fi
    if [ "$as_root" = no ] || ! command -v apt-get >/dev/null; then
        echo "$1 cannot create virtual environments: its ensurepip is missing." \
            "Install the package $package, then try again." >&2
        return 1
    fi
    echo "installing $package" >&2
    $as_root apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq \
        --no-install-recommends "$package" >/dev/null
}

python=$(find_python)
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    install_venv_module "$python"
fi
"$python" -m venv "$venv"
