/* Declarations that all native sources share. */

#ifndef NATIVE_H
#define NATIVE_H

/* Marks a function that Python calls. All others stay inside the library. */
#define EXPORT __attribute__((visibility("default")))

#endif
