/*
 * Network of the lip-sync driver, as in renderer/speech/network.py.
 *
 * Steps of all streams are rows of one batch, so that each weight is read once for up
 * to four of them. A row is computed in the same way in any batch.
 */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "speech.h"
#include "speech_math.h"

/* The compiler turns a loop into vector instructions when it stands alone in a
   function, with restrict pointers. */
#define LOOP static __attribute__((noinline)) void

/* Sums in the written order: a row then has the same sums in any batch. */
#ifdef __clang__
#define IN_ORDER _Pragma("clang fp reassociate(off)")
#else
#define IN_ORDER
#endif

enum {
    BUFFERS = 4,
    INPUTS = 4, /* of a product that are added up at a time */
    LINE = 32   /* weights in a line of the cache */
};

/* Add the products of INPUTS inputs with their rows of weights. */
LOOP add_products(int count, const int16_t *restrict w, const float *restrict x,
                  float *restrict y)
{
    IN_ORDER
    const int16_t *restrict w1 = w + count, *restrict w2 = w1 + count,
                            *restrict w3 = w2 + count;
    float x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3];
    for (int i = 0; i < count; i++)
        y[i] = x3 * w3[i] + (x2 * w2[i] + (x1 * w1[i] + (x0 * w[i] + y[i])));
}

/* Do the same for two rows; `in` and `count` are the rows' lengths. */
LOOP add_products_2(int count, int in, const int16_t *restrict w,
                    const float *restrict x, float *restrict y)
{
    IN_ORDER
    const int16_t *restrict w1 = w + count, *restrict w2 = w1 + count,
                            *restrict w3 = w2 + count;
    float a0 = x[0], a1 = x[1], a2 = x[2], a3 = x[3];
    float b0 = x[in], b1 = x[in + 1], b2 = x[in + 2], b3 = x[in + 3];
    float *restrict ya = y, *restrict yb = y + count;
    for (int i = 0; i < count; i++) {
        float v0 = w[i], v1 = w1[i], v2 = w2[i], v3 = w3[i];
        ya[i] = a3 * v3 + (a2 * v2 + (a1 * v1 + (a0 * v0 + ya[i])));
        yb[i] = b3 * v3 + (b2 * v2 + (b1 * v1 + (b0 * v0 + yb[i])));
    }
}

/* Do the same for four rows. */
LOOP add_products_4(int count, int in, const int16_t *restrict w,
                    const float *restrict x, float *restrict y)
{
    IN_ORDER
    const int16_t *restrict w1 = w + count, *restrict w2 = w1 + count,
                            *restrict w3 = w2 + count;
    const float *b = x + in, *c = b + in, *d = c + in;
    float a0 = x[0], a1 = x[1], a2 = x[2], a3 = x[3];
    float b0 = b[0], b1 = b[1], b2 = b[2], b3 = b[3];
    float c0 = c[0], c1 = c[1], c2 = c[2], c3 = c[3];
    float d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3];
    float *restrict ya = y, *restrict yb = ya + count, *restrict yc = yb + count,
                    *restrict yd = yc + count;
    for (int i = 0; i < count; i++) {
        float v0 = w[i], v1 = w1[i], v2 = w2[i], v3 = w3[i];
        ya[i] = a3 * v3 + (a2 * v2 + (a1 * v1 + (a0 * v0 + ya[i])));
        yb[i] = b3 * v3 + (b2 * v2 + (b1 * v1 + (b0 * v0 + yb[i])));
        yc[i] = c3 * v3 + (c2 * v2 + (c1 * v1 + (c0 * v0 + yc[i])));
        yd[i] = d3 * v3 + (d2 * v2 + (d1 * v1 + (d0 * v0 + yd[i])));
    }
}

LOOP scale_row(int count, const float *restrict scales, const float *restrict biases,
               float *restrict y)
{
    for (int i = 0; i < count; i++)
        y[i] = y[i] * scales[i] + biases[i];
}

/* Give y [rows][out] of x [rows][in]. */
static void multiply(const Linear *layer, const float *x, int rows, float *y)
{
    int in = layer->in, out = layer->out;
    memset(y, 0, sizeof(float) * (size_t)rows * out);
    for (int row = 0, taken; row < rows; row += taken) {
        const float *from = x + (size_t)row * in;
        float *to = y + (size_t)row * out;
        taken = rows - row >= 4 ? 4 : rows - row >= 2 ? 2 : 1;
        for (int i = 0; i < in; i += INPUTS) {
            const int16_t *weights = layer->weights + (size_t)i * out;
            /* Between two calls other work evicts the weights. */
            for (int k = 0; k < INPUTS * out; k += LINE)
                __builtin_prefetch(weights + PREFETCHED + k);
            if (taken == 4)
                add_products_4(out, in, weights, from + i, to);
            else if (taken == 2)
                add_products_2(out, in, weights, from + i, to);
            else
                add_products(out, weights, from + i, to);
        }
    }
    for (int row = 0; row < rows; row++)
        scale_row(out, layer->scales, layer->biases, y + (size_t)row * out);
}

LOOP apply_gelu(int count, float *restrict x)
{
    for (int i = 0; i < count; i++)
        x[i] = gelu(x[i]);
}

LOOP add_gelu(int count, const float *restrict y, float *restrict x)
{
    for (int i = 0; i < count; i++)
        x[i] += gelu(y[i]);
}

LOOP normalise(int count, const float *restrict x, const float *restrict gain,
               const float *restrict bias, float *restrict y)
{
    float mean = 0, variance = 0;
    for (int i = 0; i < count; i++)
        mean += x[i];
    mean /= (float)count;
    for (int i = 0; i < count; i++)
        variance += (x[i] - mean) * (x[i] - mean);
    float scale = 1 / sqrtf(variance / (float)count + 1e-5f);
    for (int i = 0; i < count; i++)
        y[i] = (x[i] - mean) * scale * gain[i] + bias[i];
}

static int past_of(const Convolution *layer)
{
    return (layer->taps - 1) * layer->dilation;
}

static int state_size_of(const Convolution *layer)
{
    return past_of(layer) * layer->channels;
}

/* Give the taps [rows][taps][channels] of x [rows][channels], and move the past on. */
static void gather_taps(const Convolution *layer, float *past, const float *x, int rows,
                        float *taps)
{
    int kept = past_of(layer), channels = layer->channels;
    size_t bytes = sizeof(float) * channels;
    for (int row = 0; row < rows; row++)
        for (int tap = 0; tap < layer->taps; tap++) {
            int from = row + tap * layer->dilation - kept;
            memcpy(taps,
                   from < 0 ? past + (kept + from) * channels : x + from * channels,
                   bytes);
            taps += channels;
        }
    if (rows < kept)
        memmove(past, past + rows * channels, (kept - rows) * bytes);
    int new = rows < kept ? rows : kept;
    memcpy(past + (kept - new) * channels, x + (rows - new) * channels, new * bytes);
}

/* One pass of the network. */
typedef struct {
    const Speech *speech;
    const Segment *segments;
    int count, rows; /* segments; steps of all of them */
    int state;       /* offset of the next layer's past in a stream's state */
    float *taps;     /* scratch */
} Pass;

/* Give y [rows][out] of x [rows][channels]; each step has `repeat` rows. */
static void convolve(Pass *pass, const Convolution *layer, int repeat, const float *x,
                     float *y)
{
    for (int i = 0; i < pass->count; i++) {
        const Segment *segment = pass->segments + i;
        size_t row = (size_t)segment->row * repeat;
        float *past = state_of(pass->speech, segment->stream) + pass->state;
        gather_taps(layer, past, x + row * layer->channels, segment->steps * repeat,
                    pass->taps + row * layer->linear.in);
    }
    pass->state += state_size_of(layer);
    multiply(&layer->linear, pass->taps, pass->rows * repeat, y);
}

/* Give x [rows][width] of the spectra; y is scratch. */
static void run_convolutions(Pass *pass, const float *spectra, float *x, float *y)
{
    const Network *network = &pass->speech->network;
    int width = network->halve.linear.out;
    convolve(pass, &network->stem, 2, spectra, y);
    apply_gelu(2 * pass->rows * network->stem.linear.out, y);
    convolve(pass, &network->halve, 1, y, x);
    apply_gelu(pass->rows * width, x);
    for (int block = 0; block < network->block_count; block++) {
        for (int row = 0; row < pass->rows; row++)
            normalise(width, x + row * width, network->norm_gains[block],
                      network->norm_biases[block], y + row * width);
        convolve(pass, network->blocks + block, 1, y, y);
        add_gelu(pass->rows * width, y, x);
    }
}

/* Move the memory of a GRU on. a, b: gates of the input and of the memory. */
LOOP update_memory(int count, const float *restrict a, const float *restrict b,
                   float *restrict memory)
{
    const float *restrict a1 = a + count, *restrict a2 = a1 + count;
    const float *restrict b1 = b + count, *restrict b2 = b1 + count;
    for (int i = 0; i < count; i++) {
        float reset = sigmoid(a[i] + b[i]), update = sigmoid(a1[i] + b1[i]);
        float new = hyperbolic_tangent(a2[i] + reset * b2[i]);
        memory[i] = new + update * (memory[i] - new);
    }
}

/* Give [rows][memory, width]: the GRU's memory after each step, and its input x. */
static void run_memory(Pass *pass, const float *x, float *joined, float *gates)
{
    const Network *network = &pass->speech->network;
    int size = network->memory, width = network->input.in, active = 1;
    float *memories = pass->taps, *recalled = memories + MAX_ROWS * size;
    multiply(&network->input, x, pass->rows, gates);
    for (int step = 0; active > 0; step++) {
        active = 0;
        for (int i = 0; i < pass->count; i++)
            if (step < pass->segments[i].steps)
                memcpy(memories + size * active++,
                       state_of(pass->speech, pass->segments[i].stream) + pass->state,
                       sizeof(float) * size);
        multiply(&network->recurrent, memories, active, recalled);
        for (int i = 0, at = 0; i < pass->count; i++) {
            if (step >= pass->segments[i].steps)
                continue;
            int row = pass->segments[i].row + step;
            float *memory =
                state_of(pass->speech, pass->segments[i].stream) + pass->state;
            float *both = joined + row * (size + width);
            update_memory(size, gates + row * 3 * size, recalled + at++ * 3 * size,
                          memory);
            memcpy(both, memory, sizeof(float) * size);
            memcpy(both + size, x + row * width, sizeof(float) * width);
        }
    }
}

LOOP apply_softmax(int count, float *restrict x)
{
    float highest = x[0], sum = 0;
    for (int i = 1; i < count; i++)
        highest = x[i] > highest ? x[i] : highest;
    for (int i = 0; i < count; i++) {
        x[i] = exponential(x[i] - highest);
        sum += x[i];
    }
    for (int i = 0; i < count; i++)
        x[i] /= sum;
}

/* Convert the logits of a step to curves 0..1 and likelihoods of phonemes. */
static void find_probabilities(const Mouth *mouth, float *outputs)
{
    for (int lag = 0; lag < mouth->lags; lag++) {
        for (int i = 0; i < CURVES; i++)
            outputs[i] = sigmoid(outputs[i]);
        apply_softmax(mouth->phonemes, outputs + CURVES);
        outputs += CURVES + mouth->phonemes;
    }
}

/* Keep the outputs [rows][lags][curves, phonemes] in their streams. */
static void keep_outputs(const Pass *pass, float *outputs)
{
    const Mouth *mouth = &pass->speech->mouth;
    int size = pass->speech->network.outputs.out;
    for (int i = 0; i < pass->count; i++) {
        Stream *stream = pass->segments[i].stream;
        for (int step = 0; step < pass->segments[i].steps; step++, stream->steps++) {
            float *row = outputs + (size_t)(pass->segments[i].row + step) * size;
            find_probabilities(mouth, row);
            memcpy(outputs_of(pass->speech, stream) +
                       stream->steps % mouth->kept_steps * size,
                   row, sizeof(float) * size);
        }
    }
}

static int buffer_size(const Network *network)
{
    return 2 * MAX_ROWS * network->widest;
}

int64_t network_scratch(const Network *network)
{
    return (int64_t)BUFFERS * buffer_size(network);
}

void run_network(const Speech *speech, const Segment *segments, int count,
                 const float *spectra, float *scratch)
{
    const Network *network = &speech->network;
    int size = buffer_size(network);
    float *x = scratch, *y = x + size, *joined = y + size, *taps = joined + size;
    int rows = segments[count - 1].row + segments[count - 1].steps;
    Pass pass = {speech, segments, count, rows, 0, taps};
    run_convolutions(&pass, spectra, x, y);
    run_memory(&pass, x, joined, y);
    multiply(&network->joint, joined, rows, x);
    apply_gelu(rows * network->joint.out, x);
    multiply(&network->outputs, x, rows, y);
    keep_outputs(&pass, y);
}

static int is_linear(const Network *network, const Linear *layer, int in, int out)
{
    return layer->in == in && layer->out == out && in >= INPUTS && in % INPUTS == 0 &&
           out >= 1 && in <= network->widest && out <= network->widest;
}

static int is_convolution(const Network *network, const Convolution *layer,
                          int channels, int out)
{
    return layer->channels == channels && channels >= 1 && channels <= MAX_WIDTH &&
           layer->taps >= 1 && layer->taps <= MAX_TAPS && layer->dilation >= 1 &&
           layer->dilation <= MAX_DILATION &&
           is_linear(network, &layer->linear, layer->taps * channels, out);
}

const char *network_problem(const Speech *speech)
{
    const Network *network = &speech->network;
    const Mouth *mouth = &speech->mouth;
    int stem = network->stem.linear.out, width = network->halve.linear.out;
    int memory = network->memory, joint = network->joint.out;
    if (network->block_count < 0 || network->block_count > MAX_BLOCKS)
        return "there are too many blocks";
    if (memory < 1 || memory > MAX_WIDTH || network->widest < 3 * memory ||
        network->widest > MAX_WIDTH || stem < 1 || stem > MAX_WIDTH)
        return "a layer is empty or too long";
    if (!is_convolution(network, &network->stem, speech->mel.bands, stem) ||
        !is_convolution(network, &network->halve, 2 * stem, width))
        return "the first convolutions do not fit";
    int state = state_size_of(&network->stem) + state_size_of(&network->halve);
    for (int block = 0; block < network->block_count; block++) {
        if (!is_convolution(network, network->blocks + block, width, width))
            return "a block does not fit";
        state += state_size_of(network->blocks + block);
    }
    if (network->state_size != state + memory)
        return "the state has another size";
    if (!is_linear(network, &network->input, width, 3 * memory) ||
        !is_linear(network, &network->recurrent, memory, 3 * memory))
        return "the GRU does not fit";
    if (!is_linear(network, &network->joint, memory + width, joint) ||
        !is_linear(network, &network->outputs, joint,
                   mouth->lags * (CURVES + mouth->phonemes)))
        return "the output layers do not fit";
    return NULL;
}
