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

/* Return the value of a line at a pixel of a row that is ``way`` down its band. */
static inline float value(const Line *line, float way, int pixel)
{
    return line->above[pixel] + line->move[pixel] * way;
}

static inline uint32_t luma_at(const uint16_t *texels, uint32_t stride,
                               const Place *place, float way, int pixel)
{
    return look_up_luma(texels, stride, value(&place->x, way, pixel),
                        value(&place->y, way, pixel));
}

void fill_luma(Run run, const Lines *lines, float way, uint32_t stride,
               const uint16_t *restrict texels, uint16_t *restrict colours)
{
    for (int i = run.from; i < run.to; i++)
        colours[i] = (uint16_t)luma_at(texels, stride, lines->places, way, i);
}

void blend_luma(Run run, const Lines *lines, float way, uint32_t stride,
                const uint16_t *restrict texels, uint16_t *restrict colours)
{
    for (int i = run.from; i < run.to; i++)
        colours[i] = blend(colours[i], luma_at(texels, stride, lines->places, way, i),
                           value(&lines->mask, way, i));
}

void blend_two_lumas(Run run, const Lines *lines, float way, uint32_t stride,
                     const uint16_t *restrict first, const uint16_t *restrict second,
                     uint32_t share, uint16_t *restrict colours)
{
    for (int i = run.from; i < run.to; i++) {
        uint32_t a = luma_at(first, stride, lines->places, way, i);
        uint32_t b = luma_at(second, stride, lines->places + 1, way, i);
        colours[i] =
            blend(colours[i], mix(a, b, share) >> 8, value(&lines->mask, way, i));
    }
}

static inline void chroma_at(const uint32_t *texels, uint32_t stride,
                             const Place *place, float way, int pixel, uint32_t *u,
                             uint32_t *v)
{
    look_up_chroma(texels, stride, value(&place->x, way, pixel),
                   value(&place->y, way, pixel), u, v);
}

void fill_chroma(Run run, const Lines *lines, float way, uint32_t stride,
                 const uint32_t *restrict texels, uint16_t *restrict us,
                 uint16_t *restrict vs)
{
    for (int i = run.from; i < run.to; i++) {
        uint32_t u, v;
        chroma_at(texels, stride, lines->places, way, i, &u, &v);
        us[i] = (uint16_t)u;
        vs[i] = (uint16_t)v;
    }
}

void blend_chroma(Run run, const Lines *lines, float way, uint32_t stride,
                  const uint32_t *restrict texels, uint16_t *restrict us,
                  uint16_t *restrict vs)
{
    for (int i = run.from; i < run.to; i++) {
        uint32_t u, v;
        float opacity = value(&lines->mask, way, i);
        chroma_at(texels, stride, lines->places, way, i, &u, &v);
        us[i] = blend(us[i], u, opacity);
        vs[i] = blend(vs[i], v, opacity);
    }
}

void blend_two_chromas(Run run, const Lines *lines, float way, uint32_t stride,
                       const uint32_t *restrict first, const uint32_t *restrict second,
                       uint32_t share, uint16_t *restrict us, uint16_t *restrict vs)
{
    for (int i = run.from; i < run.to; i++) {
        uint32_t u, v, second_u, second_v;
        float opacity = value(&lines->mask, way, i);
        chroma_at(first, stride, lines->places, way, i, &u, &v);
        chroma_at(second, stride, lines->places + 1, way, i, &second_u, &second_v);
        us[i] = blend(us[i], mix(u, second_u, share) >> 8, opacity);
        vs[i] = blend(vs[i], mix(v, second_v, share) >> 8, opacity);
    }
}

void write_bytes(int count, const uint16_t *restrict colours, uint8_t *restrict out)
{
    for (int i = 0; i < count; i++)
        out[i] = (uint8_t)((colours[i] + ONE / 2) >> 8);
}

/*
 * Values of nodes, times ``scale`` plus ``shift``, and their moves to the next node;
 * and the same of how they change from the row ``above`` to the one ``below``.
 */
void prepare_nodes(int count, float scale, float shift, const float *restrict above,
                   const float *restrict below, float *restrict at,
                   float *restrict along, float *restrict down, float *restrict turn)
{
    for (int i = 0; i < count; i++) {
        float value = above[i] * scale, next = above[i + 1] * scale;
        float change = below[i] * scale - value;
        at[i] = value + shift;
        along[i] = next - value;
        down[i] = change;
        turn[i] = below[i + 1] * scale - next - change;
    }
}

/*
 * Eight pixels at a time, which become one vector: of the loop over nodes the compiler
 * would make shuffles.
 */
#ifdef __clang__
#define AS_WRITTEN _Pragma("clang loop vectorize(disable) unroll(disable)")
#else
#define AS_WRITTEN
#endif
#define SPREAD(STEP, NODES)                                                            \
    AS_WRITTEN                                                                         \
    for (int i = 0; i < count; i += (NODES))                                           \
        for (int k = 0; k < (STEP) * (NODES); k++)                                     \
            line[i * (STEP) + k] =                                                     \
                at[i + k / (STEP)] + along[i + k / (STEP)] * ways[k % (STEP)];         \
    break;

/*
 * Values of ``step`` pixels after each of ``count`` nodes, on the way to the next one.
 * It reads and writes up to SPARE_NODES more.
 */
void spread(int count, int step, const float *restrict ways, const float *restrict at,
            const float *restrict along, float *restrict line)
{
    switch (step) {
    case 1: SPREAD(1, 8)
    case 2: SPREAD(2, 4)
    case 3: SPREAD(3, 2)
    case 4: SPREAD(4, 2)
    case 6: SPREAD(6, 1)
    case 8: SPREAD(8, 1)
    default: SPREAD(step, 1)
    }
}
