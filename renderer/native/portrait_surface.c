/* Surface of a portrait in one frame: unit weights, head rotation, vertices. */
#include <math.h>
#include <string.h>

#include "portrait.h"

/*
 * Radians of yaw, pitch and roll, approached softly: renderer/portrait/model.py has
 * the reason.
 */
static const float MAX_ROTATION[3] = {0.20f, 0.15f, 0.11f};

static void weigh_units(const float *face, float *weights)
{
    for (int i = 0; i < ARKIT_COUNT; i++)
        weights[i] = limit(face[i], 0, 1);
    weights[ARKIT_COUNT] = limit(face[GAZE_X], 0, 1);
    weights[ARKIT_COUNT + 1] = limit(-face[GAZE_X], 0, 1);
    weights[ARKIT_COUNT + 2] = limit(face[GAZE_Y], 0, 1);
    weights[ARKIT_COUNT + 3] = limit(-face[GAZE_Y], 0, 1);
}

static void multiply(const float *a, const float *b, float *product)
{
    for (int row = 0; row < 3; row++)
        for (int column = 0; column < 3; column++)
            product[3 * row + column] = a[3 * row] * b[column] +
                                        a[3 * row + 1] * b[3 + column] +
                                        a[3 * row + 2] * b[6 + column];
}

/* Give the head's rotation minus the identity: about y, then z, then x. */
static void rotate_head(const float *face, float *rotation)
{
    float cosine[3], sine[3], product[9];
    for (int i = 0; i < 3; i++) {
        /* The square of a larger angle would not be finite. */
        float angle = limit(face[HEAD_YAW + i], -1e6f, 1e6f);
        float ratio = angle / MAX_ROTATION[i];
        angle /= sqrtf(1 + ratio * ratio);
        cosine[i] = cosf(angle);
        sine[i] = sinf(angle);
    }
    const float about_z[9] = {cosine[0], -sine[0], 0, sine[0], cosine[0], 0, 0, 0, 1};
    const float about_x[9] = {1, 0, 0, 0, cosine[1], sine[1], 0, -sine[1], cosine[1]};
    const float about_y[9] = {cosine[2], 0, sine[2], 0, 1, 0, -sine[2], 0, cosine[2]};
    multiply(about_y, about_z, product);
    multiply(product, about_x, rotation);
    for (int i = 0; i < 9; i += 4)
        rotation[i] -= 1;
}

/* Add up the moves of all units that are not at rest, a fifth of them in speech. */
static void deform(const Surface *restrict surface, const float *restrict weights,
                   float *restrict clip)
{
    memcpy(clip, surface->rest, sizeof(float) * 4 * (size_t)surface->vertex_count);
    for (int unit = 0; unit < UNIT_COUNT; unit++) {
        float weight = weights[unit];
        if (weight == 0)
            continue;
        const Shift *end = surface->shifts + surface->first_shift[unit + 1];
        for (const Shift *shift = surface->shifts + surface->first_shift[unit];
             shift < end; shift++) {
            float *vertex = clip + 4 * (size_t)shift->vertex;
            vertex[0] += weight * shift->clip[0];
            vertex[1] += weight * shift->clip[1];
            vertex[2] += weight * shift->clip[2];
        }
    }
}

static void project(int64_t count, const float *restrict clip, float *restrict pixels)
{
    for (int64_t i = 0; i < count; i++) {
        float inverse = 1 / clip[4 * i + 2];
        pixels[2 * i] = clip[4 * i] * inverse;
        pixels[2 * i + 1] = clip[4 * i + 1] * inverse;
    }
}

/* Set the vertices' pixels, and ``motion``, for a face and a breath 0..1. */
void pose_surface(const Surface *surface, const float *face, float breath,
                  Motion *motion)
{
    float rotation[9];
    weigh_units(face, motion->weights);
    rotate_head(face, rotation);
    multiply(surface->projection, rotation, motion->rotation);
    for (int i = 0; i < 3; i++)
        motion->breath[i] = breath * surface->breath[i];
    deform(surface, motion->weights, surface->clip);
    project(surface->vertex_count, surface->clip, surface->pixels);
}
