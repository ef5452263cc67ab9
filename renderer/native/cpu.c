/* Instruction set of the processor, asked of the processor itself: it answers in
   containers and on systems without /proc, and __builtin_cpu_supports is not to be
   trusted here, since Zig does not link the code that initialises it. */

#include "native.h"

/* Returns the x86-64 level: 3 with AVX2 and its companions, 2 with SSE4.2, else 1.
   Other processors have one level, 0. */
EXPORT int native_cpu_level(void);

#if defined(__x86_64__)

#include <cpuid.h>

enum {
    V2_ECX = bit_SSE3 | bit_SSSE3 | bit_CMPXCHG16B | bit_SSE4_1 | bit_SSE4_2 |
        bit_POPCNT,
    V3_ECX = bit_FMA | bit_MOVBE | bit_OSXSAVE | bit_AVX | bit_F16C,
    V3_LEAF7_EBX = bit_BMI | bit_AVX2 | bit_BMI2,
    LAHF_ECX = 1 << 0,  /* leaf 0x80000001 */
    LZCNT_ECX = 1 << 5, /* leaf 0x80000001 */
    AVX_STATE = 6,      /* XCR0: the system saves the SSE and the AVX registers */
};

static int has(unsigned flags, unsigned wanted)
{
    return (flags & wanted) == wanted;
}

static unsigned saved_state(void)
{
    unsigned low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* This function runs before the level is known, so it is compiled for every x86-64. */
__attribute__((target("arch=x86-64"))) int native_cpu_level(void)
{
    unsigned eax, ebx, ecx, edx, leaf7_ebx = 0, extended_ecx = 0;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx))
        return 1;
    unsigned leaf1_ecx = ecx;
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx))
        leaf7_ebx = ebx;
    if (__get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx))
        extended_ecx = ecx;
    if (!has(leaf1_ecx, V2_ECX) || !has(extended_ecx, LAHF_ECX))
        return 1;
    if (!has(leaf1_ecx, V3_ECX) || !has(leaf7_ebx, V3_LEAF7_EBX))
        return 2;
    if (!has(extended_ecx, LZCNT_ECX) || !has(saved_state(), AVX_STATE))
        return 2;
    return 3;
}

#else

int native_cpu_level(void)
{
    return 0;
}

#endif
