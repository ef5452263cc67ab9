# For a script that has `find_it`, which prints where something is, or fails:
#
#   find_or_install "$1" TITLE PACKAGE "what it is for"
#
# Prints what `find_it` does; with --install, installs Debian's package where there is
# none. Without one the exit status is 1 and the error output says what would help.

find_or_install() {
    title=$2 package=$3 purpose=$4
    if find_it; then
        return
    fi
    [ "$1" = --install ] || refuse "was not asked for"
    command -v apt-get >/dev/null || refuse "there is no apt-get to fetch it with"
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif sudo -n true 2>/dev/null; then
        as_root=sudo
    else
        refuse "only root may install it"
    fi
    echo "installing $package" >&2
    {
        $as_root apt-get update -qq &&
            DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq \
                --no-install-recommends "$package"
    } >&2 || refuse "apt-get could not install it"
    find_it || refuse "apt-get did not bring it"
}

refuse() {
    echo "$title is missing and $1; install the package $package $purpose" >&2
    exit 1
}
