# Function for scripts that find a program or install it from Debian:
#
#   find_or_install "$1" TITLE PACKAGE "purpose"
#
# The script defines `find_program`, which prints a path or fails. With --install as the
# first argument, the Debian package is installed if the program is missing. Without the
# program, the script exits with status 1 and an error text.

find_or_install() {
    title=$2 package=$3 purpose=$4
    if find_program; then
        return
    fi
    [ "$1" = --install ] || refuse "--install was not given"
    command -v apt-get >/dev/null || refuse "this system has no apt-get"
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif sudo -n true 2>/dev/null; then
        as_root=sudo
    else
        refuse "only root may install packages"
    fi
    echo "installing $package" >&2
    {
        $as_root apt-get update -qq &&
            DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq \
                --no-install-recommends "$package"
    } >&2 || refuse "apt-get could not install it"
    find_program || refuse "the package does not contain it"
}

refuse() {
    echo "$title is missing and $1. Install the package $package $purpose." >&2
    exit 1
}
