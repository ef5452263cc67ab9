/*
 * Loops over the pixels of a row: textures are looked up, layers are blended, and bytes
 * are written. Colours before that are in 256ths of a code.
 *
 * Two conditions let the compiler turn them into vector instructions, and each is worth
 * a factor of 1.3 to 2: every loop is a function of its own with restrict pointers, and
 * the four texels around a point are one load (only clang vectorises that).
 */
#include <string.h>

#include "portrait.h"

/* Return a + (b - a) * share in 256ths of a and b; ``share`` is in 256ths, too. */
static inline uint32_t mix(uint32_t a, uint32_t b, uint32_t share)
{
    /* One product: if b is below a, the sum wraps around and back. */
    return (a << 8) + (b - a) * share;
}

/*
 * Return the texel at a point, in 256ths. A texel of ``texels`` holds the row below in
 * its high byte, so one load gives the four texels around the point.
 */
static inline uint32_t look_up_luma(const uint16_t *texels, uint32_t stride, float x,
                                    float y)
{
    uint32_t column = (uint32_t)(int)x, row = (uint32_t)(int)y, four;
    /* An unsigned offset is not extended for each pixel. */
    uint32_t offset = (row >> 8) * stride + (column >> 8);
    memcpy(&four, texels + offset, sizeof four);
    /* Left and right texel at once, in the low and the high half. */
    uint32_t both = mix(four & 0xff00ff, four >> 8 & 0xff00ff, row & (ONE - 1));
    return mix(both & 0xffff, both >> 16, column & (ONE - 1)) >> 8;
}

/* Set u and v at a point, in 256ths. */
static inline void look_up_chroma(const uint32_t *texels, uint32_t stride, float x,
                                  float y, uint32_t *u, uint32_t *v)
{
    uint32_t column = (uint32_t)(int)x, row = (uint32_t)(int)y;
    uint32_t offset = (row >> 8) * stride + (column >> 8);
    uint32_t left = texels[offset], right = texels[offset + 1];
    uint32_t down = row & (ONE - 1), across = column & (ONE - 1);
    /* u and v at once, in the low and the high half. */
    left = mix(left & 0xff00ff, left >> 8 & 0xff00ff, down);
    right = mix(right & 0xff00ff, right >> 8 & 0xff00ff, down);
    *u = mix(left & 0xffff, right & 0xffff, across) >> 8;
    *v = mix(left >> 16, right >> 16, across) >> 8;
}

static inline uint16_t blend(uint16_t under, uint32_t over, float opacity)
{
    return (uint16_t)(mix(under, over, (uint32_t)(int)opacity) >> 8);
}

void fill_luma(int count, const uint16_t *restrict texels, uint32_t stride,
               const float *restrict x, const float *restrict y,
               uint16_t *restrict colours)
{
    for (int i = 0; i < count; i++)
        colours[i] = (uint16_t)look_up_luma(texels, stride, x[i], y[i]);
}

void blend_luma(int count, const uint16_t *restrict texels, uint32_t stride,
                const float *restrict x, const float *restrict y,
                const float *restrict mask, uint16_t *restrict colours)
{
    for (int i = 0; i < count; i++)
        colours[i] =
            blend(colours[i], look_up_luma(texels, stride, x[i], y[i]), mask[i]);
}

void blend_two_lumas(int count, const uint16_t *restrict texels,
                     const uint16_t *restrict second_texels, uint32_t stride,
                     const float *restrict x, const float *restrict y,
                     const float *restrict second_x, const float *restrict second_y,
                     uint32_t share, const float *restrict mask,
                     uint16_t *restrict colours)
{
    for (int i = 0; i < count; i++) {
        uint32_t first = look_up_luma(texels, stride, x[i], y[i]);
        uint32_t second = look_up_luma(second_texels, stride, second_x[i], second_y[i]);
        colours[i] = blend(colours[i], mix(first, second, share) >> 8, mask[i]);
    }
}

void fill_chroma(int count, const uint32_t *restrict texels, uint32_t stride,
                 const float *restrict x, const float *restrict y,
                 uint16_t *restrict us, uint16_t *restrict vs)
{
    for (int i = 0; i < count; i++) {
        uint32_t u, v;
        look_up_chroma(texels, stride, x[i], y[i], &u, &v);
        us[i] = (uint16_t)u;
        vs[i] = (uint16_t)v;
    }
}

void blend_chroma(int count, const uint32_t *restrict texels, uint32_t stride,
                  const float *restrict x, const float *restrict y,
                  const float *restrict mask, uint16_t *restrict us,
                  uint16_t *restrict vs)
{
    for (int i = 0; i < count; i++) {
        uint32_t u, v;
        look_up_chroma(texels, stride, x[i], y[i], &u, &v);
        us[i] = blend(us[i], u, mask[i]);
        vs[i] = blend(vs[i], v, mask[i]);
    }
}

void blend_two_chromas(int count, const uint32_t *restrict texels,
                       const uint32_t *restrict second_texels, uint32_t stride,
                       const float *restrict x, const float *restrict y,
                       const float *restrict second_x, const float *restrict second_y,
                       uint32_t share, const float *restrict mask,
                       uint16_t *restrict us, uint16_t *restrict vs)
{
    for (int i = 0; i < count; i++) {
        uint32_t u, v, second_u, second_v;
        look_up_chroma(texels, stride, x[i], y[i], &u, &v);
        look_up_chroma(second_texels, stride, second_x[i], second_y[i], &second_u,
                       &second_v);
        us[i] = blend(us[i], mix(u, second_u, share) >> 8, mask[i]);
        vs[i] = blend(vs[i], mix(v, second_v, share) >> 8, mask[i]);
    }
}

void write_bytes(int count, const uint16_t *restrict colours, uint8_t *restrict out)
{
    for (int i = 0; i < count; i++)
        out[i] = (uint8_t)((colours[i] + ONE / 2) >> 8);
}

/* Values between two rows of nodes, times ``scale`` plus ``shift``. */
void mix_rows(int count, const float *restrict above, const float *restrict below,
              float way, float scale, float shift, float *restrict line)
{
    for (int i = 0; i < count; i++)
        line[i] = (above[i] + (below[i] - above[i]) * way) * scale + shift;
}

/*
 * A constant step lets the compiler unroll the inner loop. It must not vectorise the
 * outer one: that takes more shuffles than sums.
 */
#ifdef __clang__
#define ONE_BY_ONE _Pragma("clang loop vectorize(disable) unroll(disable)")
#else
#define ONE_BY_ONE
#endif
#define SPREAD(STEP)                                                                   \
    ONE_BY_ONE                                                                         \
    for (int i = 0; i < count; i++) {                                                  \
        float from = nodes[i], move = nodes[i + 1] - nodes[i];                         \
        for (int k = 0; k < (STEP); k++)                                               \
            line[i * (STEP) + k] = from + move * ways[k];                              \
    }                                                                                  \
    break;

/* Values of ``step`` pixels after each of ``count`` nodes, on the way to the next. */
void spread(int count, int step, const float *restrict nodes,
            const float *restrict ways, float *restrict line)
{
    switch (step) {
    case 1: SPREAD(1)
    case 2: SPREAD(2)
    case 3: SPREAD(3)
    case 4: SPREAD(4)
    case 6: SPREAD(6)
    case 8: SPREAD(8)
    default: SPREAD(step)
    }
}
