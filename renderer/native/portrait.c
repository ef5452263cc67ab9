/*
 * Frames of a portrait, from faces to I420: pose, warp, keyframes, pixels.
 *
 * It is the path that CPUs take. renderer/portrait/rig.py draws the same with torch
 * and is the reference.
 */
#include <string.h>

#include "portrait.h"

/* Warp the base image. x, y: the positions that the nodes show, in its pixels. */
static void warp_base(const Portrait *portrait, const Motion *motion, float *x,
                      float *y)
{
    const Layer *base = portrait->layers;
    size_t columns = (size_t)base->node_columns;
    Run all = {0, base->node_columns};
    move_cells(base, base->images, &portrait->surface, motion, portrait->moves);
    limit_slopes(base, portrait->moves, portrait->bounds);
    for (int row = 0; row < base->node_rows; row++, x += columns, y += columns)
        find_sources(base, portrait->moves, row, all, row ? x - columns : NULL,
                     row ? y - columns : NULL, x, y);
    size_t count = columns * (size_t)base->node_rows;
    to_texels(base, (int)count, x - count, y - count, base->x[0], base->y[0]);
}

/* Warp a keyframe of a close-up, where it is visible, for its texels in ``slot``. */
static void warp_keyframe(const Portrait *portrait, const Layer *layer,
                          const Motion *motion, int image, Run rows, Run columns,
                          int slot)
{
    /* Two lines of positions, of this row and of the one above. */
    size_t half = (size_t)portrait->node_line_size, line = 2 * half;
    float *above = NULL, *at = portrait->node_lines;
    move_cells(layer, layer->images + image, &portrait->surface, motion,
               portrait->moves);
    limit_slopes(layer, portrait->moves, portrait->bounds);
    for (int row = rows.from; row < rows.to; row++) {
        size_t first = (size_t)row * (size_t)layer->node_columns + (size_t)columns.from;
        find_sources(layer, portrait->moves, row, columns, above,
                     above ? above + half : NULL, at, at + half);
        to_texels(layer, columns.to - columns.from, at, at + half,
                  layer->x[slot] + first, layer->y[slot] + first);
        above = at;
        at = portrait->node_lines + (at == portrait->node_lines ? line : 0);
    }
}

/* Give the nodes around the visible part of a close-up; false if there is none. */
static int visible_nodes(const Layer *layer, Run *rows, Run *columns)
{
    *rows = (Run){layer->node_rows, 0};
    *columns = (Run){layer->node_columns, 0};
    for (int row = 0; row < layer->node_rows; row++) {
        Run run = layer->visible[row];
        if (run.from >= run.to)
            continue;
        if (row < rows->from)
            rows->from = row;
        rows->to = row + 1;
        if (run.from < columns->from)
            columns->from = run.from;
        if (run.to > columns->to)
            columns->to = run.to;
    }
    if (rows->from >= rows->to)
        return 0;
    /* The pixels up to the next node show a little of it. */
    rows->from -= rows->from > 0;
    rows->to += rows->to < layer->node_rows;
    columns->from -= columns->from > 0;
    columns->to += columns->to < layer->node_columns;
    return 1;
}

static void draw_frame(const Portrait *portrait, const float *face, float breath,
                       uint8_t *out)
{
    Motion motion;
    Blend blends[MAX_LAYERS] = {{.count = 1}};
    const Layer *base = portrait->layers;
    Run rows, columns;
    float *x = portrait->positions;
    float *y = x + (size_t)base->node_rows * base->node_columns;

    pose_surface(&portrait->surface, face, breath, &motion);
    warp_base(portrait, &motion, x, y);
    for (int i = 1; i < portrait->layer_count; i++) {
        const Layer *layer = portrait->layers + i;
        Blend *blend = blends + i;
        size_t corner = (size_t)(layer->top / layer->step) * base->node_columns +
                        layer->left / layer->step;
        mask_nodes(layer, x + corner, y + corner, base->node_columns);
        if (!visible_nodes(layer, &rows, &columns))
            continue;
        blend_keyframes(layer, motion.weights, blend);
        for (int k = 0; k < blend->count; k++)
            warp_keyframe(portrait, layer, &motion, blend->images[k], rows, columns, k);
    }
    draw_rows(portrait, blends, out);
}

/* Copy the background of a frame to where its region does not cover it. */
static void copy_around(const uint8_t *from, uint8_t *to, int width, int height,
                        int left, int top, int region_width, int region_height)
{
    size_t right = (size_t)left + region_width, stride = (size_t)width;
    memcpy(to, from, stride * top);
    for (int row = top; row < top + region_height; row++) {
        memcpy(to + row * stride, from + row * stride, left);
        memcpy(to + row * stride + right, from + row * stride + right, stride - right);
    }
    size_t below = (size_t)top + region_height;
    memcpy(to + below * stride, from + below * stride, stride * (height - below));
}

static void draw_background(const Portrait *portrait, uint8_t *out)
{
    size_t luma = (size_t)portrait->width * portrait->height;
    const uint8_t *background = portrait->background;
    copy_around(background, out, portrait->width, portrait->height,
                portrait->region_left, portrait->region_top, portrait->region_width,
                portrait->region_height);
    for (size_t plane = luma; plane < luma * 3 / 2; plane += luma / 4)
        copy_around(background + plane, out + plane, portrait->width / 2,
                    portrait->height / 2, portrait->region_left / 2,
                    portrait->region_top / 2, portrait->region_width / 2,
                    portrait->region_height / 2);
}

void portrait_draw(const Portrait *portrait, int64_t count, const float *faces,
                   const float *breaths, uint8_t *out)
{
    size_t frame = (size_t)portrait->width * portrait->height * 3 / 2;
    for (int64_t i = 0; i < count; i++) {
        draw_background(portrait, out + i * frame);
        draw_frame(portrait, faces + i * FACE_SIZE, breaths[i], out + i * frame);
    }
}
