/*
 * Data of a portrait that is drawn on a CPU.
 *
 * renderer/portrait/native_parts.py fills these structures, checks every number in
 * them, and owns all memory, scratch included. "Base-image pixels" are those of the
 * base image, "frame pixels" those of the frame. A grid's values are stored row by
 * row. Scratch belongs to one portrait: one thread at a time draws it.
 */
#ifndef PORTRAIT_H
#define PORTRAIT_H

#include <stddef.h>
#include <stdint.h>

#include "native.h"

enum {
    ARKIT_COUNT = 52,
    HEAD_YAW = ARKIT_COUNT, /* places in a face: radians, then gaze -1..1 */
    HEAD_PITCH,
    HEAD_ROLL,
    GAZE_X,
    GAZE_Y,
    FACE_SIZE,
    UNIT_COUNT = ARKIT_COUNT + 4, /* gaze right, left, up, down */
    RIGID_PLANES = 7,
    MAX_LAYERS = 4,
    ALL_SHARES = 1020, /* of four cells that are joined, in 255ths each */
    BLENDED = 2,       /* keyframes that a close-up shows at a time */
    SPARE_NODES = 8,   /* lines of nodes and pixels have room for so many more */
    ONE = 256          /* weights and texture coordinates are in 256ths */
};

/*
 * Pixels of move per pixel of distance, at most, for each component across and down: as
 * in renderer/portrait/slopes.py.
 */
static const float MAX_SLOPE = 0.35f;

/* Move of one vertex by one unit at weight 1, in homogeneous base-image pixels. */
typedef struct {
    int32_t vertex;
    float clip[3];
} Shift;

/* Points of a person, and how face, head and breath move them. */
typedef struct {
    int64_t vertex_count;
    const float *rest;          /* [vertices][4]: homogeneous pixels, and a 0 */
    const Shift *shifts;        /* by unit: only vertices that it moves */
    const int32_t *first_shift; /* [UNIT_COUNT + 1] */
    float projection[9];        /* world -> homogeneous pixels, row by row */
    float breath[3];            /* homogeneous pixels: one full breath */
    float *clip;                /* scratch [vertices][4] */
    float *pixels;              /* scratch [vertices][2]: the head held still */
} Surface;

/* Base image or keyframe: its texture, and the vertices that its cells follow. */
typedef struct {
    const uint16_t *vertices; /* [cells][bound] */
    const int16_t *shares;    /* [cells][bound]: of ALL_SHARES */
    /*
     * [RIGID_PLANES][cells]: lever from the pivot times head weight (x, y, z), breath
     * weight, the pixel at rest (x, y), depth.
     */
    const float *rigid;
    /*
     * Textures with padding. One load gives the four texels around a point: a luma
     * texel holds its own value and, in the high byte, that of the row below; a chroma
     * texel holds u, u below, v, v below.
     */
    const uint16_t *luma;
    const uint32_t *chroma;
} Image;

/* Run of places in a row: from .. to - 1. */
typedef struct {
    int32_t from, to;
} Run;

/* Base image or close-up: images of one size, warped and drawn in one box. */
typedef struct {
    int32_t left, top, width, height; /* frame pixels within the region */
    int32_t step;                     /* frame pixels from node to node, even */
    int32_t node_rows, node_columns;  /* one node of margin on each side */
    int32_t cell_rows, cell_columns;
    int32_t bound;                      /* vertices that a cell is bound to */
    int32_t luma_stride, chroma_stride; /* texels from row to row */
    int32_t image_count, feature_count;
    float cell_left, cell_top, cell_size; /* base-image pixels: corner and side */
    float mask_x, mask_y;                 /* base-image pixels: centre of the mask */
    float mask_width, mask_height;        /* half of its size */
    float feather;                        /* width of its border */
    /* Base-image pixels -> 256ths of a texel: scale, then shift; and the largest. */
    float texel_scale[2], texel_shift[2], texel_most[2];
    const float *node_x, *node_y; /* [node_columns], [node_rows]: base-image pixels */
    const float *ways[2];         /* [step], [step / 2]: from node to node, 0..1 */
    const uint8_t *hidden; /* [cells]: 1 where no pixel shows a cell; NULL: nowhere */
    const Image *images;
    const float *features;          /* [UNIT_COUNT][feature_count] */
    const float *keyframe_features; /* [image_count][feature_count] */
    float *face_features;           /* scratch [feature_count] */
    float *x[BLENDED], *y[BLENDED]; /* scratch [nodes]: texels, in 256ths */
    float *mask;                    /* scratch [nodes]: 0..ONE; NULL: no mask */
    Run *visible, *solid;           /* scratch [node_rows]: mask above 0; all ONE */
} Layer;

/* Portrait at one frame size. */
typedef struct {
    int32_t width, height; /* of the frame */
    int32_t region_left, region_top, region_width, region_height;
    int64_t layer_count;
    Surface surface;
    Layer layers[MAX_LAYERS];  /* the base image first */
    const uint8_t *background; /* I420: what is drawn outside of the region */
    float *moves;              /* scratch [most cells of a layer][2] */
    float *bounds;             /* scratch [most cells of a layer][4] */
    float *positions;          /* scratch [2][nodes of the base image] */
    float *node_lines;         /* scratch [4][node_line_size] */
    float *lines;              /* scratch [2 * (2 * BLENDED + 1)][line_size] */
    uint16_t *colours;         /* scratch [step][line_size]: the rows of a band */
    int32_t node_line_size;    /* >= node_columns of the base image + SPARE_NODES */
    int32_t line_size;         /* >= that times its step */
} Portrait;

/*
 * Values along a row of pixels of a band, the pixels between two rows of nodes: at the
 * row of nodes above, and how they change from there to the row below.
 */
typedef struct {
    const float *above, *move;
} Line;

/* Where a row of pixels lies in a texture, in 256ths of texels. */
typedef struct {
    Line x, y;
} Place;

/* A row of pixels in the textures that it shows, and its mask. */
typedef struct {
    Place places[BLENDED];
    Line mask;
} Lines;

/* Surface in one frame. */
typedef struct {
    float weights[UNIT_COUNT]; /* 0..1 */
    float rotation[9];         /* projection x (head rotation - identity) */
    float breath[3];           /* homogeneous pixels */
} Motion;

/* The keyframes of a layer that a frame shows. */
typedef struct {
    int32_t count;
    int32_t images[BLENDED];
    int32_t share; /* of the second one, 0..ONE */
} Blend;

/*
 * Draw ``count`` faces [count][FACE_SIZE], each with a breath 0..1, as I420 frames
 * [count][width * height * 3 / 2].
 */
EXPORT void portrait_draw(const Portrait *portrait, int64_t count, const float *faces,
                          const float *breaths, uint8_t *out);

/* portrait_surface.c */
void pose_surface(const Surface *surface, const float *face, float breath,
                  Motion *motion);

/* portrait_mesh.c */
void move_cells(const Layer *layer, const Image *image, const Surface *surface,
                const Motion *motion, float *moves);
void find_sources(const Layer *layer, const float *moves, int row, Run columns,
                  const float *above_x, const float *above_y, float *x, float *y);
void to_texels(const Layer *layer, int count, const float *x, const float *y,
               float *texel_x, float *texel_y);

/* portrait_slopes.c */
void limit_slopes(const Layer *layer, float *moves, float *bounds);

/* portrait_closeup.c */
void blend_keyframes(const Layer *layer, const float *weights, Blend *blend);
void mask_nodes(const Layer *layer, const float *x, const float *y, int pitch);

/* portrait_texels.c */
void fill_luma(Run run, const Lines *lines, float way, uint32_t stride,
               const uint16_t *restrict texels, uint16_t *restrict colours);
void blend_luma(Run run, const Lines *lines, float way, uint32_t stride,
                const uint16_t *restrict texels, uint16_t *restrict colours);
void blend_two_lumas(Run run, const Lines *lines, float way, uint32_t stride,
                     const uint16_t *restrict first, const uint16_t *restrict second,
                     uint32_t share, uint16_t *restrict colours);
void fill_chroma(Run run, const Lines *lines, float way, uint32_t stride,
                 const uint32_t *restrict texels, uint16_t *restrict us,
                 uint16_t *restrict vs);
void blend_chroma(Run run, const Lines *lines, float way, uint32_t stride,
                  const uint32_t *restrict texels, uint16_t *restrict us,
                  uint16_t *restrict vs);
void blend_two_chromas(Run run, const Lines *lines, float way, uint32_t stride,
                       const uint32_t *restrict first, const uint32_t *restrict second,
                       uint32_t share, uint16_t *restrict us, uint16_t *restrict vs);
void write_bytes(int count, const uint16_t *restrict colours, uint8_t *restrict out);
void prepare_nodes(int count, float scale, float shift, const float *restrict above,
                   const float *restrict below, float *restrict at,
                   float *restrict along, float *restrict down, float *restrict turn);
void spread(int count, int step, const float *restrict ways, const float *restrict at,
            const float *restrict along, float *restrict line);

/* portrait_rows.c */
void draw_rows(const Portrait *portrait, const Blend *blends, uint8_t *out);

/*
 * Return x, but at least low and at most high; low if it is not a number. So a
 * conversion to int after it is defined, whatever the arithmetic before it gave.
 */
static inline float limit(float x, float low, float high)
{
    float above = x > low ? x : low;
    return above < high ? above : high;
}

/* Return the larger one; b if one of them is not a number. */
static inline float larger(float a, float b)
{
    return a > b ? a : b;
}

#endif
