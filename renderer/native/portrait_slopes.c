/*
 * Slope limit of a field of moves: it makes the field invertible, as
 * renderer/portrait/slopes.py explains, whose result this has.
 */
#include <math.h>

#include "portrait.h"

#define LOOP static __attribute__((noinline))

/* Stands for "no bound from this cell": far beyond the width of every image. */
static const float NO_BOUND = 1e4f;
/* Bounds of a cell: of the move's x and y from above, and from below negated. */
enum { BOUNDS = 4 };

/* Tell whether two neighbouring values differ by more than ``step``. */
LOOP int is_steep(int count, const float *restrict values,
                  const float *restrict neighbours, float step)
{
    int steep = 0;
    for (int i = 0; i < count; i++)
        steep |= fabsf(values[i] - neighbours[i]) > step;
    return steep;
}

LOOP void set_bounds(int count, const float *restrict moves,
                     const uint8_t *restrict hidden, float *restrict bounds)
{
    for (int i = 0; i < count; i++) {
        float shown = hidden && hidden[i] ? 0.0f : 1.0f;
        float none = hidden && hidden[i] ? -NO_BOUND : 0.0f;
        bounds[BOUNDS * i] = moves[2 * i] * shown + none;
        bounds[BOUNDS * i + 1] = moves[2 * i + 1] * shown + none;
        bounds[BOUNDS * i + 2] = -moves[2 * i] * shown + none;
        bounds[BOUNDS * i + 3] = -moves[2 * i + 1] * shown + none;
    }
}

/* Raise ``values`` to ``neighbours`` minus a step. */
LOOP void raise_to(int count, float *restrict values, const float *restrict neighbours,
                   float step)
{
    for (int i = 0; i < count; i++)
        values[i] = larger(values[i], neighbours[i] - step);
}

/* Raise each cell of a row to its neighbours minus a step, from both sides. */
LOOP void raise_along(int columns, float *bounds, float step)
{
    for (int i = BOUNDS; i < BOUNDS * columns; i++)
        bounds[i] = larger(bounds[i], bounds[i - BOUNDS] - step);
    for (int i = BOUNDS * (columns - 1) - 1; i >= 0; i--)
        bounds[i] = larger(bounds[i], bounds[i + BOUNDS] - step);
}

LOOP void take_middle(int count, const float *restrict bounds, float *restrict moves)
{
    for (int i = 0; i < count; i++) {
        moves[2 * i] = 0.5f * (bounds[BOUNDS * i] - bounds[BOUNDS * i + 2]);
        moves[2 * i + 1] = 0.5f * (bounds[BOUNDS * i + 1] - bounds[BOUNDS * i + 3]);
    }
}

/* Limit the slopes of moves [cells][2]. bounds: scratch [cells][BOUNDS]. */
void limit_slopes(const Layer *layer, float *moves, float *bounds)
{
    int rows = layer->cell_rows, columns = layer->cell_columns;
    size_t pair = 2 * (size_t)columns, four = BOUNDS * (size_t)columns;
    float step = MAX_SLOPE * layer->cell_size;
    int steep = layer->hidden != NULL;
    for (int row = 0; row < rows && !steep; row++)
        steep = is_steep(2 * columns - 2, moves + row * pair, moves + row * pair + 2,
                         step) ||
                (row && is_steep(2 * columns, moves + row * pair,
                                 moves + (row - 1) * pair, step));
    if (!steep)
        return;
    for (int row = 0; row < rows; row++) {
        float *bound = bounds + row * four;
        set_bounds(columns, moves + row * pair,
                   layer->hidden ? layer->hidden + (size_t)row * (size_t)columns : NULL,
                   bound);
        if (is_steep(BOUNDS * (columns - 1), bound, bound + BOUNDS, step))
            raise_along(columns, bound, step);
        if (row)
            raise_to(BOUNDS * columns, bound, bound - four, step);
    }
    for (int row = rows - 2; row >= 0; row--)
        raise_to(BOUNDS * columns, bounds + row * four, bounds + (row + 1) * four,
                 step);
    take_middle(rows * columns, bounds, moves);
}
