/*
 * Pixels of a portrait: textures are looked up row by row, close-ups are blended over
 * the base image, and bytes are written.
 *
 * Colours between look-up and byte are in 256ths of a code. Two conditions let the
 * compiler turn the loops into vector instructions, and each is worth a factor of 1.3
 * to 2: every loop is a function of its own with restrict pointers, and the four texels
 * around a point are one load (only clang vectorises that).
 */
#include <string.h>

#include "portrait.h"

#define LOOP static __attribute__((noinline)) void

enum { CHROMA_SHIFT = -ONE / 4, MAX_RUNS = 2 * MAX_LAYERS };

/* Coordinates of a run of pixels in the textures of the images that it shows. */
typedef struct {
    const float *x[BLENDED], *y[BLENDED];
    const float *mask;
} Lines;

static inline uint32_t load_texels(const void *address)
{
    uint32_t texels;
    memcpy(&texels, address, sizeof texels);
    return texels;
}

/*
 * Return the mean of two values below each other in the bytes 0, 1 and 2, 3 of
 * ``texels``, weighted by ``down`` 0..255: two results of 16 bits, in 256ths.
 */
static inline uint32_t mix_down(uint32_t texels, uint32_t down)
{
    return (texels & 0xff00ff) * (ONE - down) + ((texels >> 8) & 0xff00ff) * down;
}

static inline uint32_t look_up_luma(const uint16_t *texels, int stride, float x,
                                    float y)
{
    int column = (int)x, row = (int)y;
    uint32_t right = column & (ONE - 1), down = row & (ONE - 1);
    uint32_t both =
        mix_down(load_texels(texels + (row >> 8) * stride + (column >> 8)), down);
    return ((both & 0xffff) * (ONE - right) + (both >> 16) * right) >> 8;
}

static inline void look_up_chroma(const uint32_t *texels, int stride, float x, float y,
                                  uint32_t *u, uint32_t *v)
{
    int column = (int)x, row = (int)y;
    uint32_t right = column & (ONE - 1), down = row & (ONE - 1);
    const uint32_t *at = texels + (row >> 8) * stride + (column >> 8);
    uint32_t left_uv = mix_down(at[0], down), right_uv = mix_down(at[1], down);
    *u = ((left_uv & 0xffff) * (ONE - right) + (right_uv & 0xffff) * right) >> 8;
    *v = ((left_uv >> 16) * (ONE - right) + (right_uv >> 16) * right) >> 8;
}

static inline uint32_t lerp(uint32_t a, uint32_t b, uint32_t share)
{
    return (a * (ONE - share) + b * share) >> 8;
}

LOOP fill_luma(int count, const uint16_t *restrict texels, int stride,
               const float *restrict x, const float *restrict y,
               uint16_t *restrict colours)
{
    for (int i = 0; i < count; i++)
        colours[i] = (uint16_t)look_up_luma(texels, stride, x[i], y[i]);
}

LOOP blend_luma(int count, const uint16_t *restrict texels, int stride,
                const float *restrict x, const float *restrict y,
                const float *restrict mask, uint16_t *restrict colours)
{
    for (int i = 0; i < count; i++) {
        uint32_t shown = look_up_luma(texels, stride, x[i], y[i]);
        colours[i] = (uint16_t)lerp(colours[i], shown, (uint32_t)(int)mask[i]);
    }
}

LOOP blend_two_lumas(int count, const uint16_t *restrict texels,
                     const uint16_t *restrict second_texels, int stride,
                     const float *restrict x, const float *restrict y,
                     const float *restrict second_x, const float *restrict second_y,
                     uint32_t share, const float *restrict mask,
                     uint16_t *restrict colours)
{
    for (int i = 0; i < count; i++) {
        uint32_t first = look_up_luma(texels, stride, x[i], y[i]);
        uint32_t second = look_up_luma(second_texels, stride, second_x[i], second_y[i]);
        uint32_t shown = lerp(first, second, share);
        colours[i] = (uint16_t)lerp(colours[i], shown, (uint32_t)(int)mask[i]);
    }
}

LOOP fill_chroma(int count, const uint32_t *restrict texels, int stride,
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

LOOP blend_chroma(int count, const uint32_t *restrict texels, int stride,
                  const float *restrict x, const float *restrict y,
                  const float *restrict mask, uint16_t *restrict us,
                  uint16_t *restrict vs)
{
    for (int i = 0; i < count; i++) {
        uint32_t u, v, opacity = (uint32_t)(int)mask[i];
        look_up_chroma(texels, stride, x[i], y[i], &u, &v);
        us[i] = (uint16_t)lerp(us[i], u, opacity);
        vs[i] = (uint16_t)lerp(vs[i], v, opacity);
    }
}

LOOP blend_two_chromas(int count, const uint32_t *restrict texels,
                       const uint32_t *restrict second_texels, int stride,
                       const float *restrict x, const float *restrict y,
                       const float *restrict second_x, const float *restrict second_y,
                       uint32_t share, const float *restrict mask,
                       uint16_t *restrict us, uint16_t *restrict vs)
{
    for (int i = 0; i < count; i++) {
        uint32_t u, v, second_u, second_v, opacity = (uint32_t)(int)mask[i];
        look_up_chroma(texels, stride, x[i], y[i], &u, &v);
        look_up_chroma(second_texels, stride, second_x[i], second_y[i], &second_u,
                       &second_v);
        us[i] = (uint16_t)lerp(us[i], lerp(u, second_u, share), opacity);
        vs[i] = (uint16_t)lerp(vs[i], lerp(v, second_v, share), opacity);
    }
}

LOOP write_bytes(int count, const uint16_t *restrict colours, uint8_t *restrict out)
{
    for (int i = 0; i < count; i++)
        out[i] = (uint8_t)((colours[i] + ONE / 2) >> 8);
}

/* Values between two rows of nodes, times ``scale`` plus ``shift``. */
LOOP mix_rows(int count, const float *restrict above, const float *restrict below,
              float way, float scale, float shift, float *restrict line)
{
    for (int i = 0; i < count; i++)
        line[i] = (above[i] + (below[i] - above[i]) * way) * scale + shift;
}

/* A constant step lets the compiler unroll the inner loop. */
#define SPREAD(STEP)                                                                   \
    for (int i = 0; i < count; i++) {                                                  \
        float from = nodes[i], move = nodes[i + 1] - nodes[i];                         \
        for (int k = 0; k < (STEP); k++)                                               \
            line[i * (STEP) + k] = from + move * ways[k];                              \
    }                                                                                  \
    break;

/* Values of ``step`` pixels after each of ``count`` nodes, on the way to the next. */
LOOP spread(int count, int step, const float *restrict nodes,
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

/*
 * Return the values of the pixels of a row, which are valid for ``pixels`` of the
 * layer, by interpolation of ``nodes``.
 */
static const float *interpolate(const Portrait *portrait, const Layer *layer, int half,
                                int row, Run pixels, const float *nodes, float scale,
                                float shift, float *line)
{
    int step = layer->step >> half, columns = layer->node_columns;
    /* Pixels before the first node of the box lie between it and its margin. */
    int margin = (step + 1) / 2;
    int first = (pixels.from + margin) / step, last = (pixels.to - 1 + margin) / step;
    const float *ways = layer->ways[half];
    const float *above = nodes + (size_t)((row + margin) / step) * columns + first;
    mix_rows(last - first + 2, above, above + columns, ways[(row + margin) % step],
             scale, shift, portrait->node_line);
    spread(last - first + 1, step, portrait->node_line, ways, line + first * step);
    return line + margin;
}

static Run clip(Run run, Run within)
{
    int from = run.from > within.from ? run.from : within.from;
    int to = run.to < within.to ? run.to : within.to;
    return (Run){from, to > from ? to : from};
}

/* Return the smallest run that contains two, of which an empty one is 0, 0. */
static Run join(Run a, Run b)
{
    if (a.from >= a.to)
        return b;
    if (b.from >= b.to)
        return a;
    return (Run){a.from < b.from ? a.from : b.from, a.to > b.to ? a.to : b.to};
}

/* Give the pixels of the region in which a row of a close-up shows at all, and alone.
 */
static void find_pixels(const Layer *layer, int half, int row, int width, Run *visible,
                        Run *solid)
{
    int step = layer->step >> half, margin = (step + 1) / 2, left = layer->left >> half;
    int inner_row = row - (layer->top >> half);
    *visible = *solid = (Run){0, 0};
    if (inner_row < 0 || inner_row >= layer->height >> half)
        return;
    int above = (inner_row + margin) / step, below = above + 1;
    Run box = {left, left + (layer->width >> half)};
    box = clip(box, (Run){0, width});
    Run a = layer->visible[above], b = layer->visible[below];
    Run either = join(a, b);
    if (either.from < either.to)
        *visible = clip((Run){left + (either.from - 1) * step - margin,
                              left + either.to * step - margin},
                        box);
    Run both = clip(layer->solid[above], layer->solid[below]);
    if (both.to - both.from > 1)
        *solid = clip((Run){left + both.from * step - margin,
                            left + (both.to - 1) * step - margin},
                      box);
}

/* Take the pixels of ``hole`` out of ``count`` runs; return how many there are then. */
static int cut_out(Run *runs, int count, Run hole)
{
    if (hole.from >= hole.to)
        return count;
    Run left[MAX_RUNS];
    int kept = 0;
    for (int i = 0; i < count; i++) {
        Run before = {runs[i].from, runs[i].to < hole.from ? runs[i].to : hole.from};
        Run after = {runs[i].from > hole.to ? runs[i].from : hole.to, runs[i].to};
        if (before.from < before.to)
            left[kept++] = before;
        if (after.from < after.to)
            left[kept++] = after;
    }
    memcpy(runs, left, sizeof(Run) * (size_t)kept);
    return kept;
}

static void draw_luma(const Layer *layer, const Blend *blend, Run run, const Lines *at,
                      uint16_t *colours)
{
    int from = run.from, count = run.to - run.from, stride = layer->luma_stride;
    const Image *first = layer->images + blend->images[0];
    const Image *second = layer->images + blend->images[BLENDED - 1];
    if (!layer->mask)
        fill_luma(count, first->luma, stride, at->x[0] + from, at->y[0] + from,
                  colours + from);
    else if (blend->count == 1)
        blend_luma(count, first->luma, stride, at->x[0] + from, at->y[0] + from,
                   at->mask + from, colours + from);
    else
        blend_two_lumas(count, first->luma, second->luma, stride, at->x[0] + from,
                        at->y[0] + from, at->x[1] + from, at->y[1] + from,
                        (uint32_t)blend->share, at->mask + from, colours + from);
}

static void draw_chroma(const Layer *layer, const Blend *blend, Run run,
                        const Lines *at, uint16_t *us, uint16_t *vs)
{
    int from = run.from, count = run.to - run.from, stride = layer->chroma_stride;
    const Image *first = layer->images + blend->images[0];
    const Image *second = layer->images + blend->images[BLENDED - 1];
    if (!layer->mask)
        fill_chroma(count, first->chroma, stride, at->x[0] + from, at->y[0] + from,
                    us + from, vs + from);
    else if (blend->count == 1)
        blend_chroma(count, first->chroma, stride, at->x[0] + from, at->y[0] + from,
                     at->mask + from, us + from, vs + from);
    else
        blend_two_chromas(count, first->chroma, second->chroma, stride, at->x[0] + from,
                          at->y[0] + from, at->x[1] + from, at->y[1] + from,
                          (uint32_t)blend->share, at->mask + from, us + from,
                          vs + from);
}

/* Draw a layer's runs of one row, luma (``half`` 0) or chroma (1), into ``colours``. */
static void draw_layer(const Portrait *portrait, const Layer *layer, const Blend *blend,
                       int half, int row, const Run *runs, int run_count)
{
    int left = layer->left >> half, inner_row = row - (layer->top >> half);
    float scale = half ? 0.5f : 1.0f, shift = half ? CHROMA_SHIFT : 0;
    Run all = {runs[0].from - left, runs[run_count - 1].to - left};
    float *line = portrait->lines;
    Lines at = {0};
    for (int i = 0; i < blend->count; i++) {
        at.x[i] = interpolate(portrait, layer, half, inner_row, all, layer->x[i], scale,
                              shift, line) -
                  left;
        line += portrait->line_size;
        at.y[i] = interpolate(portrait, layer, half, inner_row, all, layer->y[i], scale,
                              shift, line) -
                  left;
        line += portrait->line_size;
    }
    if (layer->mask)
        at.mask = interpolate(portrait, layer, half, inner_row, all, layer->mask, 1, 0,
                              line) -
                  left;
    uint16_t *colours = portrait->colours;
    for (int i = 0; i < run_count; i++)
        if (half)
            draw_chroma(layer, blend, runs[i], &at, colours,
                        colours + portrait->line_size);
        else
            draw_luma(layer, blend, runs[i], &at, colours);
}

/* Draw one row of the region: what a later layer hides is not looked up. */
static void draw_row(const Portrait *portrait, const Blend *blends, int half, int row)
{
    int width = portrait->region_width >> half;
    Run visible[MAX_LAYERS] = {{0, width}}, solid[MAX_LAYERS] = {{0, 0}};
    for (int i = 1; i < portrait->layer_count; i++)
        find_pixels(portrait->layers + i, half, row, width, visible + i, solid + i);
    for (int i = 0; i < portrait->layer_count; i++) {
        Run runs[MAX_RUNS] = {visible[i]};
        int count = visible[i].from < visible[i].to;
        for (int later = i + 1; later < portrait->layer_count; later++)
            count = cut_out(runs, count, solid[later]);
        if (count)
            draw_layer(portrait, portrait->layers + i, blends + i, half, row, runs,
                       count);
    }
}

/* Draw the region of a frame into ``out``, I420. */
void draw_rows(const Portrait *portrait, const Blend *blends, uint8_t *out)
{
    size_t width = (size_t)portrait->width, height = (size_t)portrait->height;
    uint8_t *us = out + width * height, *vs = us + width * height / 4;
    const uint16_t *colours = portrait->colours;
    for (int row = 0; row < portrait->region_height; row++) {
        draw_row(portrait, blends, 0, row);
        write_bytes(portrait->region_width, colours,
                    out + (portrait->region_top + row) * width + portrait->region_left);
    }
    for (int row = 0; row < portrait->region_height / 2; row++) {
        size_t at =
            (portrait->region_top / 2 + row) * (width / 2) + portrait->region_left / 2;
        draw_row(portrait, blends, 1, row);
        write_bytes(portrait->region_width / 2, colours, us + at);
        write_bytes(portrait->region_width / 2, colours + portrait->line_size, vs + at);
    }
}
