/*
 * Warp of one image: how far its cells have moved, and the positions in the image
 * that the nodes of the frame's mesh show.
 *
 * Each loop over a row is a function of its own with restrict pointers: the compiler
 * turns it into vector instructions only when it knows that nothing overlaps.
 */
#include "portrait.h"

#define LOOP static __attribute__((noinline)) void

/* Moves by head and breath, in base-image pixels, minus the cells' centres. */
LOOP move_rigidly(int count, size_t plane, const float *restrict rigid,
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

/* Add the pixels of the vertices that the cells are bound to. */
LOOP follow_vertices(int count, const uint16_t *restrict corners,
                     const uint8_t *restrict shares, const float *restrict pixels,
                     float *restrict moves)
{
    for (int i = 0; i < count; i++) {
        const float *a = pixels + 2 * (size_t)corners[3 * i];
        const float *b = pixels + 2 * (size_t)corners[3 * i + 1];
        const float *c = pixels + 2 * (size_t)corners[3 * i + 2];
        float of_a = shares[2 * i] / 255.0f, of_b = shares[2 * i + 1] / 255.0f;
        float of_c = 1 - of_a - of_b;
        moves[2 * i] += of_a * a[0] + of_b * b[0] + of_c * c[0];
        moves[2 * i + 1] += of_a * a[1] + of_b * b[1] + of_c * c[1];
    }
}

/* Give each cell's move [cells][2] in base-image pixels. */
void move_cells(const Layer *layer, const Image *image, const Surface *surface,
                const Motion *motion, float *displacements)
{
    size_t plane = (size_t)layer->cell_rows * layer->cell_columns;
    for (int row = 0; row < layer->cell_rows; row++) {
        size_t first = (size_t)row * layer->cell_columns;
        float y = layer->cell_top + ((float)row + 0.5f) * layer->cell_size;
        move_rigidly(layer->cell_columns, plane, image->rigid + first, motion,
                     layer->cell_left, layer->cell_size, y, displacements + 2 * first);
        follow_vertices(layer->cell_columns, image->corners + 3 * first,
                        image->shares + 2 * first, surface->pixels,
                        displacements + 2 * first);
    }
}

/*
 * Give the image positions that the nodes from .. to - 1 of a row show, in base-image
 * pixels: x, y [to - from]. A node shows the position p with p + move(p) = node.
 */
void find_sources(const Layer *layer, const float *displacements, int iterations,
                  int row, int from, int to, float *restrict x, float *restrict y)
{
    const float *restrict node_x = layer->node_x + from;
    const float *restrict moves = displacements;
    float node_y = layer->node_y[row], scale = 1 / layer->cell_size;
    float shift_x = -layer->cell_left * scale - 0.5f;
    float shift_y = -layer->cell_top * scale - 0.5f;
    int columns = layer->cell_columns, count = to - from;
    /* Slightly less than the last cell, so that there is one after it. */
    float most_x = (float)columns - 1.001f, most_y = (float)layer->cell_rows - 1.001f;
    for (int i = 0; i < count; i++) {
        x[i] = node_x[i];
        y[i] = node_y;
    }
    for (int step = 0; step < iterations; step++)
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
            x[i] = node_x[i] - (top_x + (bottom_x - top_x) * down);
            y[i] = node_y - (top_y + (bottom_y - top_y) * down);
        }
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
