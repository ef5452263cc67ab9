/*
 * Rows of a portrait's region: which pixels each layer draws, and from which texels.
 *
 * A band is the rows of pixels between two rows of nodes. The nodes of all layers lie
 * on one grid, so in a band each layer draws the same pixels of every row.
 */
#include <string.h>

#include "portrait.h"

enum {
    CHROMA_SHIFT = -ONE / 4, /* its texels have twice the size of those of luma */
    MAX_RUNS = 2 * MAX_LAYERS,
    CACHE_LINE = 64, /* bytes */
    MAX_FETCHED_ROWS = 16
};

/* Band of luma (``half`` 0) or chroma (1). */
typedef struct {
    int half;
    int number;     /* of the row of nodes above it, in the base image */
    int step;       /* pixels from node to node */
    int margin;     /* pixels before the first node of the box, after its margin */
    int first, end; /* rows of the region */
    int run_counts[MAX_LAYERS];
    Run runs[MAX_LAYERS][MAX_RUNS]; /* pixels of the region */
} Band;

static Run clip(Run run, Run within)
{
    int from = run.from > within.from ? run.from : within.from;
    int to = run.to < within.to ? run.to : within.to;
    return (Run){from, to > from ? to : from};
}

/* Return the smallest run that contains two, of which one or both may be empty. */
static Run join(Run a, Run b)
{
    if (a.from >= a.to)
        return b;
    if (b.from >= b.to)
        return a;
    return (Run){a.from < b.from ? a.from : b.from, a.to > b.to ? a.to : b.to};
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

/* Return the pixels from the first of a run of nodes to its last; +-``more`` nodes. */
static Run pixels_between(const Layer *layer, const Band *band, Run nodes, int more,
                          Run within)
{
    int left = (layer->left >> band->half) - band->margin;
    Run pixels = {left + (nodes.from - more) * band->step,
                  left + (nodes.to - 1 + more) * band->step};
    if (nodes.from >= nodes.to)
        return (Run){0, 0};
    Run box = {layer->left >> band->half, (layer->left + layer->width) >> band->half};
    return clip(clip(pixels, box), within);
}

/* Set the runs of a band: what a later layer hides is not looked up. */
static void find_runs(const Portrait *portrait, Band *band)
{
    Run row = {0, portrait->region_width >> band->half};
    Run solid[MAX_LAYERS];
    for (int i = 0; i < portrait->layer_count; i++) {
        const Layer *layer = portrait->layers + i;
        int above = band->number - layer->top / layer->step;
        int inside = above >= 0 && above + 1 < layer->node_rows;
        Run visible = row;
        solid[i] = (Run){0, 0};
        if (!inside)
            visible = solid[i];
        else if (layer->mask) {
            Run nodes = join(layer->visible[above], layer->visible[above + 1]);
            visible = pixels_between(layer, band, nodes, 1, row);
            nodes = clip(layer->solid[above], layer->solid[above + 1]);
            solid[i] = pixels_between(layer, band, nodes, 0, row);
        }
        band->runs[i][0] = visible;
        band->run_counts[i] = visible.from < visible.to;
        for (int below = 0; below < i; below++)
            band->run_counts[below] =
                cut_out(band->runs[below], band->run_counts[below], solid[i]);
    }
}

/*
 * Return the line of a layer's nodes in a band, valid for ``pixels`` of the region.
 * line: scratch [2][line_size].
 */
static Line make_line(const Portrait *portrait, const Layer *layer, const Band *band,
                      Run pixels, const float *nodes, float scale, float shift,
                      float *line)
{
    int step = band->step, margin = band->margin;
    int first = (pixels.from + margin) / step, last = (pixels.to - 1 + margin) / step;
    size_t row = (size_t)(band->number - layer->top / layer->step);
    size_t column = (size_t)(first - layer->left / layer->step);
    const float *above = nodes + row * (size_t)layer->node_columns + column;
    const float *ways = layer->ways[band->half];
    float *move = line + portrait->line_size, *at = portrait->node_lines;
    float *along = at + portrait->node_line_size;
    float *down = along + portrait->node_line_size;
    float *turn = down + portrait->node_line_size;
    int count = last - first + 1;
    prepare_nodes(count, scale, shift, above, above + layer->node_columns, at, along,
                  down, turn);
    spread(count, step, ways, at, along, line + first * step);
    spread(count, step, ways, down, turn, move + first * step);
    return (Line){line + margin, move + margin};
}

static Lines make_lines(const Portrait *portrait, const Layer *layer,
                        const Blend *blend, const Band *band, Run pixels)
{
    float scale = band->half ? 0.5f : 1.0f, shift = band->half ? CHROMA_SHIFT : 0;
    float *line = portrait->lines;
    int pair = 2 * portrait->line_size;
    Lines lines = {0};
    for (int i = 0; i < blend->count; i++) {
        Place *place = lines.places + i;
        place->x =
            make_line(portrait, layer, band, pixels, layer->x[i], scale, shift, line);
        place->y = make_line(portrait, layer, band, pixels, layer->y[i], scale, shift,
                             line + pair);
        line += 2 * pair;
    }
    if (layer->mask)
        lines.mask = make_line(portrait, layer, band, pixels, layer->mask, 1, 0, line);
    return lines;
}

static void draw_luma(const Layer *layer, const Blend *blend, Run run,
                      const Lines *lines, float way, uint16_t *colours)
{
    uint32_t stride = (uint32_t)layer->luma_stride;
    const uint16_t *first = layer->images[blend->images[0]].luma;
    if (!layer->mask)
        fill_luma(run, lines, way, stride, first, colours);
    else if (blend->count == 1)
        blend_luma(run, lines, way, stride, first, colours);
    else
        blend_two_lumas(run, lines, way, stride, first,
                        layer->images[blend->images[1]].luma, (uint32_t)blend->share,
                        colours);
}

static void draw_chroma(const Layer *layer, const Blend *blend, Run run,
                        const Lines *lines, float way, uint16_t *us, uint16_t *vs)
{
    uint32_t stride = (uint32_t)layer->chroma_stride;
    const uint32_t *first = layer->images[blend->images[0]].chroma;
    if (!layer->mask)
        fill_chroma(run, lines, way, stride, first, us, vs);
    else if (blend->count == 1)
        blend_chroma(run, lines, way, stride, first, us, vs);
    else
        blend_two_chromas(run, lines, way, stride, first,
                          layer->images[blend->images[1]].chroma,
                          (uint32_t)blend->share, us, vs);
}

/* Return the colours of a row of a band; of chroma, u and then v. */
static uint16_t *row_of(const Portrait *portrait, const Band *band, int row)
{
    int line = (row - band->first) << band->half;
    return portrait->colours + (size_t)line * (size_t)portrait->line_size;
}

/* Draw the runs of a layer in all rows of a band. */
static void draw_layer(const Portrait *portrait, int number, const Blend *blend,
                       const Band *band)
{
    const Layer *layer = portrait->layers + number;
    const Run *runs = band->runs[number];
    int count = band->run_counts[number];
    if (count == 0)
        return;
    Run pixels = {runs[0].from, runs[count - 1].to};
    Lines lines = make_lines(portrait, layer, blend, band, pixels);
    const float *ways = layer->ways[band->half] + band->margin;
    for (int row = band->first; row < band->end; row++) {
        float way = ways[row - band->number * band->step];
        uint16_t *colours = row_of(portrait, band, row);
        for (int i = 0; i < count; i++)
            if (band->half)
                draw_chroma(layer, blend, runs[i], &lines, way, colours,
                            colours + portrait->line_size);
            else
                draw_luma(layer, blend, runs[i], &lines, way, colours);
    }
}

/*
 * Load what nodes show of a texture, and what is below it down to the next row of
 * nodes, into the cache. x, y: luma texels in 256ths; ``texel``: 2^n luma texels wide.
 */
static void fetch(const char *texels, ptrdiff_t texel_bytes, ptrdiff_t stride_bytes,
                  int texel, int count, const float *x, const float *y,
                  const float *below_y)
{
    const char *last = texels;
    for (int i = 0; i < count; i++) {
        int column = (int)x[i] / ONE >> texel;
        int row = (int)y[i] / ONE >> texel, end = (int)below_y[i] / ONE >> texel;
        const char *line = texels + column * texel_bytes;
        const char *address = line + row * stride_bytes;
        if (i && address >= last && address < last + CACHE_LINE)
            continue;
        last = address;
        if (end > row + MAX_FETCHED_ROWS)
            end = row + MAX_FETCHED_ROWS;
        for (; row <= end; row++)
            __builtin_prefetch(line + row * stride_bytes);
    }
}

/*
 * Load the texels of a band into the cache while the band above it is drawn: rows are
 * too short for the processor to foresee what they need. It saves a fifth of the time.
 */
static void fetch_band(const Portrait *portrait, const Blend *blends, int number)
{
    for (int i = 0; i < portrait->layer_count; i++) {
        const Layer *layer = portrait->layers + i;
        int above = number - layer->top / layer->step, columns = layer->node_columns;
        if (above < 0 || above + 1 >= layer->node_rows)
            continue;
        Run run = {0, columns};
        if (layer->mask)
            run = join(layer->visible[above], layer->visible[above + 1]);
        size_t first = (size_t)above * columns + run.from;
        for (int k = 0; k < blends[i].count; k++) {
            const Image *image = layer->images + blends[i].images[k];
            const float *x = layer->x[k] + first, *y = layer->y[k] + first;
            fetch((const char *)image->luma, 2, layer->luma_stride * 2, 0,
                  run.to - run.from, x, y, y + columns);
            fetch((const char *)image->chroma, 4, layer->chroma_stride * 4, 1,
                  run.to - run.from, x, y, y + columns);
        }
    }
}

/* Draw a band into ``planes``: one of luma, or two of chroma. */
static void draw_band(const Portrait *portrait, const Blend *blends, Band *band,
                      uint8_t *const *planes)
{
    int width = portrait->region_width >> band->half;
    size_t stride = (size_t)(portrait->width >> band->half);
    size_t left = (size_t)(portrait->region_left >> band->half);
    size_t top = (size_t)(portrait->region_top >> band->half);
    find_runs(portrait, band);
    for (int i = 0; i < portrait->layer_count; i++)
        draw_layer(portrait, i, blends + i, band);
    for (int row = band->first; row < band->end; row++) {
        const uint16_t *colours = row_of(portrait, band, row);
        for (int i = 0; i <= band->half; i++)
            write_bytes(width, colours + i * portrait->line_size,
                        planes[i] + (top + (size_t)row) * stride + left);
    }
}

static Band make_band(const Portrait *portrait, int half, int number)
{
    Band band = {.half = half, .number = number};
    int height = portrait->region_height >> half;
    band.step = portrait->layers->step >> half;
    band.margin = (band.step + 1) / 2;
    band.first = number * band.step - band.margin;
    band.end = band.first + band.step;
    if (band.first < 0)
        band.first = 0;
    if (band.end > height)
        band.end = height;
    return band;
}

/* Draw the region of a frame into ``out``, I420. */
void draw_rows(const Portrait *portrait, const Blend *blends, uint8_t *out)
{
    size_t size = (size_t)portrait->width * (size_t)portrait->height;
    uint8_t *luma[] = {out}, *chroma[] = {out + size, out + size * 5 / 4};
    for (int number = 0; number + 1 < portrait->layers->node_rows; number++) {
        fetch_band(portrait, blends, number + 1);
        Band band = make_band(portrait, 0, number);
        draw_band(portrait, blends, &band, luma);
        band = make_band(portrait, 1, number);
        draw_band(portrait, blends, &band, chroma);
    }
}
