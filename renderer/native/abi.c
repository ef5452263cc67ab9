/* Identity of a build, so that no build is used with sources of another version. */

#include "native.h"

/* Returns the hash of the sources and the hash of the compiler's options, as
   tools/build_native.py passes them: "SOURCES:OPTIONS". */
EXPORT const char *native_build(void);

const char *native_build(void)
{
    return NATIVE_BUILD;
}
