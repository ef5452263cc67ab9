#!/bin/sh
# Print the path of a GCC that has its sanitizers. With --install, install Debian's
# package if it is missing. Exit with status 1 and an error text if there is none.
set -eu
. "$(dirname "$0")/from_debian.sh"

find_program() {
    echo 'int main(void) { return 0; }' |
        gcc -fsanitize=address,undefined -include math.h -x c -o /dev/null - \
            2>/dev/null && command -v gcc
}

# The package of the C++ compiler needs GCC, the sanitizers and the headers of libc.
find_or_install "${1:-}" "GCC with sanitizers" g++ "to fuzz the native code"
