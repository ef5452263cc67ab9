/*
 * Elementary functions without calls and branches, so that loops over them become
 * vector instructions. Errors are of a few units in the last place of a float, and
 * 1e-7 of `gelu`. Results are finite for every finite argument below 1e30.
 */
#ifndef SPEECH_MATH_H
#define SPEECH_MATH_H

#include <stdint.h>

static inline float float_of(uint32_t bits)
{
    union {
        uint32_t bits;
        float value;
    } both = {bits};
    return both.value;
}

static inline uint32_t bits_of(float value)
{
    union {
        float value;
        uint32_t bits;
    } both = {value};
    return both.bits;
}

/* Return 2^x for x in -126..126, limited to these; NaN counts as -126. */
static inline float power_of_2(float x)
{
    x = x > -126.0f ? x : -126.0f;
    x = x < 126.0f ? x : 126.0f;
    int32_t whole = (int32_t)(x + (x < 0 ? -0.5f : 0.5f));
    float t = (x - (float)whole) * 0.693147180559945f; /* -0.35..0.35 */
    float sum = 1 / 5040.0f;                           /* of the series of e^t */
    sum = sum * t + 1 / 720.0f;
    sum = sum * t + 1 / 120.0f;
    sum = sum * t + 1 / 24.0f;
    sum = sum * t + 1 / 6.0f;
    sum = sum * t + 1 / 2.0f;
    sum = sum * t + 1;
    sum = sum * t + 1;
    return float_of((uint32_t)(whole + 127) << 23) * sum;
}

static inline float exponential(float x)
{
    return power_of_2(x * 1.44269504088896f);
}

/* Return the natural logarithm of a positive, normal number. */
static inline float logarithm(float x)
{
    uint32_t bits = bits_of(x);
    int32_t exponent = (int32_t)(bits - 0x3f3504f3u) >> 23; /* of x / sqrt(1/2) */
    float m = float_of(bits - ((uint32_t)exponent << 23));  /* sqrt(1/2)..sqrt(2) */
    float s = (m - 1) / (m + 1), q = s * s;
    float series = 1 + q * (1 / 3.0f + q * (1 / 5.0f + q * (1 / 7.0f + q / 9.0f)));
    return (float)exponent * 0.693147180559945f + 2 * s * series;
}

/* Return x^y for x in 0..1 and y above 0: about 1e-38 where it would be less. */
static inline float power(float x, float y)
{
    return power_of_2(y * 1.44269504088896f * logarithm(x));
}

static inline float sigmoid(float x)
{
    return 1 / (1 + exponential(-x));
}

static inline float hyperbolic_tangent(float x)
{
    return 1 - 2 / (1 + exponential(2 * x));
}

/* Return x times the normal distribution's share below x; erf as in Abramowitz and
   Stegun 7.1.26. */
static inline float gelu(float x)
{
    float u = (x < 0 ? -x : x) * 0.707106781186547f;
    float t = 1 / (1 + 0.3275911f * u);
    float tail = 1.061405429f * t - 1.453152027f;
    tail = tail * t + 1.421413741f;
    tail = tail * t - 0.284496736f;
    tail = tail * t + 0.254829592f;
    tail *= 0.5f * t * exponential(-u * u);
    return x * (x < 0 ? tail : 1 - tail);
}

#endif
