/* Keyframes that a close-up shows, and the mask that it fades in with. */
#include <math.h>

#include "portrait.h"

/*
 * Choose the two keyframes nearest to the face, and the share of the second.
 *
 * Inverse-distance weights of Franke and Little with exponent 4, as in
 * renderer/portrait/rig.py: a keyframe's weight reaches 0 before it leaves the set.
 */
void blend_keyframes(const Layer *layer, const float *weights, Blend *blend)
{
    int count = layer->feature_count;
    float *features = layer->face_features;
    for (int i = 0; i < count; i++)
        features[i] = 0;
    for (int unit = 0; unit < UNIT_COUNT; unit++)
        if (weights[unit] != 0)
            for (int i = 0; i < count; i++)
                features[i] += weights[unit] * layer->features[unit * count + i];

    float nearest[3] = {1e18f, 1e18f, 1e18f};
    int32_t images[3] = {0, 0, 0};
    for (int32_t image = 0; image < layer->image_count; image++) {
        const float *keyframe = layer->keyframe_features + (size_t)image * count;
        float distance = 0;
        for (int i = 0; i < count; i++) {
            float step = features[i] - keyframe[i];
            distance += step * step;
        }
        distance = sqrtf(distance) + 1e-3f;
        int rank = 3;
        while (rank > 0 && distance < nearest[rank - 1])
            rank--;
        for (int i = 2; i > rank; i--) {
            nearest[i] = nearest[i - 1];
            images[i] = images[i - 1];
        }
        if (rank < 3) {
            nearest[rank] = distance;
            images[rank] = image;
        }
    }

    float powers[BLENDED];
    for (int i = 0; i < BLENDED; i++) {
        float weight = (nearest[2] - nearest[i]) / (nearest[2] * nearest[i]);
        powers[i] = weight * weight * weight * weight + 1e-9f;
        blend->images[i] = images[i];
    }
    float share = powers[1] / (powers[0] + powers[1]);
    blend->share = (int32_t)(limit(share, 0, 1) * (float)ONE + 0.5f);
    blend->count = blend->share > 0 ? BLENDED : 1;
}

/* Give the runs of a row of nodes that show the close-up at all, and alone. */
static void find_runs(const float *mask, int count, Run *visible, Run *solid)
{
    int first = 0, last = count, i;
    while (first < last && !(mask[first] > 0))
        first++;
    while (last > first && !(mask[last - 1] > 0))
        last--;
    /* An empty run is 0, 0: joined to another one it must not make that longer. */
    *visible = first < last ? (Run){first, last} : (Run){0, 0};
    for (i = first; i < last && mask[i] < (float)ONE; i++)
        ;
    first = i;
    while (i < last && mask[i] >= (float)ONE)
        i++;
    *solid = (Run){first, i};
}

static float fade(float distance, float feather)
{
    float edge = limit(distance / feather, 0, 1);
    return edge * edge * (3 - 2 * edge);
}

/*
 * Set the mask of a close-up. x, y: base-image pixels that the nodes of its box show,
 * in rows of ``pitch`` nodes.
 */
void mask_nodes(const Layer *layer, const float *x, const float *y, int pitch)
{
    for (int row = 0; row < layer->node_rows; row++) {
        float *mask = layer->mask + (size_t)row * layer->node_columns;
        const float *at_x = x + (size_t)row * pitch, *at_y = y + (size_t)row * pitch;
        for (int i = 0; i < layer->node_columns; i++) {
            float across = layer->mask_width - fabsf(at_x[i] - layer->mask_x);
            float down = layer->mask_height - fabsf(at_y[i] - layer->mask_y);
            mask[i] =
                (float)ONE * fade(across, layer->feather) * fade(down, layer->feather);
        }
        find_runs(mask, layer->node_columns, layer->visible + row, layer->solid + row);
    }
}
