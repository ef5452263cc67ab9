/*
 * Warp of one image: how far its cells have moved, and the positions in the image that
 * the nodes of the frame's mesh show.
 *
 * Each loop over a row is a function of its own with restrict pointers: the compiler
 * turns it into vector instructions only when it knows that nothing overlaps.
 */
#include <math.h>

#include "portrait.h"

#define LOOP static __attribute__((noinline))

/*
 * Positions are found to this many base-image pixels. The bound is checked before the
 * last step, which leaves far less.
 */
static const float TOLERANCE = 0.05f;
/*
 * A plain step leaves at most 0.7 of an error, a Newton step nearly nothing where it
 * works. Frames of a person need up to seven steps.
 */
enum { MAX_STEPS = 24, PLAIN_EVERY = 3 };
/* What slopes of at most MAX_SLOPE leave of an error in a plain step. */
#define ERROR_LEFT (2 * MAX_SLOPE)

/* Moves by head and breath, in base-image pixels, minus the cells' centres. */
LOOP void move_rigidly(int count, size_t plane, const float *restrict rigid,
                       const Motion *restrict motion, float left, float size, float y,
                       float *restrict moves)
{
    const float *restrict lever_x = rigid, *restrict lever_y = rigid + plane,
                          *restrict lever_z = rigid + 2 * plane,
                          *restrict breath_weight = rigid + 3 * plane,
                          *restrict rest_x = rigid + 4 * plane,
                          *restrict rest_y = rigid + 5 * plane,
                          *restrict depth = rigid + 6 * plane;
    const float *m = motion->rotation, *breath = motion->breath;
    for (int i = 0; i < count; i++) {
        float clip_x = m[0] * lever_x[i] + m[1] * lever_y[i] + m[2] * lever_z[i] +
                       breath[0] * breath_weight[i];
        float clip_y = m[3] * lever_x[i] + m[4] * lever_y[i] + m[5] * lever_z[i] +
                       breath[1] * breath_weight[i];
        float clip_z = m[6] * lever_x[i] + m[7] * lever_y[i] + m[8] * lever_z[i] +
                       breath[2] * breath_weight[i];
        float inverse = 1 / (depth[i] + clip_z);
        moves[2 * i] =
            (clip_x - rest_x[i] * clip_z) * inverse - (left + ((float)i + 0.5f) * size);
        moves[2 * i + 1] = (clip_y - rest_y[i] * clip_z) * inverse - y;
    }
}

/* Add the pixels of the ``bound`` vertices that each cell is bound to. */
static inline __attribute__((always_inline)) void
add_vertices(int count, int bound, const uint16_t *restrict vertices,
             const int16_t *restrict shares, const float *restrict pixels,
             float *restrict moves)
{
    for (int i = 0; i < count; i++) {
        float x = 0, y = 0;
        for (int k = 0; k < bound; k++) {
            const float *pixel = pixels + 2 * (size_t)vertices[bound * i + k];
            float share = shares[bound * i + k];
            x += share * pixel[0];
            y += share * pixel[1];
        }
        moves[2 * i] += x * (1.0f / ALL_SHARES);
        moves[2 * i + 1] += y * (1.0f / ALL_SHARES);
    }
}

/* A constant number of vertices lets the compiler unroll the inner loop. */
LOOP void follow_vertices(int count, int bound, const uint16_t *restrict vertices,
                          const int16_t *restrict shares, const float *restrict pixels,
                          float *restrict moves)
{
    switch (bound) {
    case 3: add_vertices(count, 3, vertices, shares, pixels, moves); break;
    case 12: add_vertices(count, 12, vertices, shares, pixels, moves); break;
    default: add_vertices(count, bound, vertices, shares, pixels, moves);
    }
}

/* Give each cell's move [cells][2] in base-image pixels, as the surface moves it. */
void move_cells(const Layer *layer, const Image *image, const Surface *surface,
                const Motion *motion, float *moves)
{
    size_t plane = (size_t)layer->cell_rows * (size_t)layer->cell_columns;
    size_t bound = (size_t)layer->bound;
    for (int row = 0; row < layer->cell_rows; row++) {
        size_t first = (size_t)row * (size_t)layer->cell_columns;
        float y = layer->cell_top + ((float)row + 0.5f) * layer->cell_size;
        move_rigidly(layer->cell_columns, plane, image->rigid + first, motion,
                     layer->cell_left, layer->cell_size, y, moves + 2 * first);
        follow_vertices(layer->cell_columns, layer->bound,
                        image->vertices + bound * first, image->shares + bound * first,
                        surface->pixels, moves + 2 * first);
    }
}

/*
 * Improve the positions x, y that a row of nodes shows by one step; tell whether one of
 * them was out of tolerance before it. Its residual is position plus move minus node.
 *
 * ``newton`` 1 takes a Newton step, 0 a plain one: the node minus the move. Slopes of
 * at most MAX_SLOPE bound the determinant from below and the way to go from above.
 */
LOOP int step_row(const Layer *layer, int count, int newton,
                  const float *restrict moves, const float *restrict node_x,
                  float node_y, float *restrict x, float *restrict y)
{
    int columns = layer->cell_columns;
    float scale = 1 / layer->cell_size, slope = newton ? scale : 0;
    /* An "or" of all of them is vectorised, a maximum of floats is not. */
    int unsettled = 0;
    const float least = (1 - ERROR_LEFT) * (1 - ERROR_LEFT);
    const float farthest = 1 / (1 - ERROR_LEFT);
    float shift_x = -layer->cell_left * scale - 0.5f;
    float shift_y = -layer->cell_top * scale - 0.5f;
    /* Slightly less than the last cell, so that there is one after it. */
    float most_x = (float)columns - 1.001f, most_y = (float)layer->cell_rows - 1.001f;
    for (int i = 0; i < count; i++) {
        float cell_x = limit(x[i] * scale + shift_x, 0, most_x);
        float cell_y = limit(y[i] * scale + shift_y, 0, most_y);
        int column = (int)cell_x, cell_row = (int)cell_y;
        float right = cell_x - (float)column, down = cell_y - (float)cell_row;
        const float *p = moves + 2 * (cell_row * columns + column);
        const float *q = p + 2 * columns;
        float top_x = p[0] + (p[2] - p[0]) * right;
        float top_y = p[1] + (p[3] - p[1]) * right;
        float bottom_x = q[0] + (q[2] - q[0]) * right;
        float bottom_y = q[1] + (q[3] - q[1]) * right;
        float rest_x = node_x[i] - x[i] - (top_x + (bottom_x - top_x) * down);
        float rest_y = node_y - y[i] - (top_y + (bottom_y - top_y) * down);
        float residual = larger(fabsf(rest_x), fabsf(rest_y));
        unsettled |= residual > TOLERANCE;
        /* Derivatives of position plus move. */
        float x_by_x = 1 + slope * (p[2] - p[0] + (q[2] - q[0] - p[2] + p[0]) * down);
        float y_by_x = slope * (p[3] - p[1] + (q[3] - q[1] - p[3] + p[1]) * down);
        float x_by_y = slope * (bottom_x - top_x);
        float y_by_y = 1 + slope * (bottom_y - top_y);
        float inverse = 1 / larger(x_by_x * y_by_y - x_by_y * y_by_x, least);
        float far = residual * farthest;
        x[i] += limit((y_by_y * rest_x - x_by_y * rest_y) * inverse, -far, far);
        y[i] += limit((x_by_x * rest_y - y_by_x * rest_x) * inverse, -far, far);
    }
    return unsettled;
}

/*
 * Find the image positions that the nodes from .. to - 1 of a row show, in base-image
 * pixels: x, y [to - from]. A node shows the position p with p + move(p) = node.
 *
 * above_x, above_y: the positions of the row above, which are a good guess; NULL: none.
 */
void find_sources(const Layer *layer, const float *moves, int row, Run columns,
                  const float *above_x, const float *above_y, float *x, float *y)
{
    const float *node_x = layer->node_x + columns.from, *node_y = layer->node_y + row;
    int count = columns.to - columns.from;
    for (int i = 0; i < count; i++) {
        x[i] = above_x ? above_x[i] : node_x[i];
        y[i] = above_y ? above_y[i] + (node_y[0] - node_y[-1]) : node_y[0];
    }
    for (int step = 1; step <= MAX_STEPS; step++)
        if (!step_row(layer, count, step % PLAIN_EVERY != 0, moves, node_x, *node_y, x,
                      y))
            break;
}

/* Convert base-image pixels to 256ths of texels, within the texture's padding. */
void to_texels(const Layer *layer, int count, const float *restrict x,
               const float *restrict y, float *restrict texel_x,
               float *restrict texel_y)
{
    /*
     * Chroma has half the resolution: c / 2 - ONE / 4 must not be below 0. The rest is
     * room for rounding between here and the texture.
     */
    const float least = ONE / 2 + 8;
    for (int i = 0; i < count; i++) {
        texel_x[i] = limit(x[i] * layer->texel_scale[0] + layer->texel_shift[0], least,
                           layer->texel_most[0]);
        texel_y[i] = limit(y[i] * layer->texel_scale[1] + layer->texel_shift[1], least,
                           layer->texel_most[1]);
    }
}
