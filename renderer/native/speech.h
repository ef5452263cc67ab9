/*
 * Data of the lip-sync driver, from audio to faces.
 *
 * renderer/speech/native_model.py fills `Speech` and owns its memory, scratch
 * included; the numbers in it are those of the Python modules. `speech_problem` checks
 * every number that bounds a memory access. Scratch belongs to one driver: one thread
 * at a time drives it.
 */
#ifndef SPEECH_H
#define SPEECH_H

#include <stdint.h>

#include "native.h"

enum {
    FACE_SIZE = 57,
    MAX_ROWS = 16, /* steps that one pass over the weights takes, of all streams */
    MAX_BLOCKS = 8,
    MAX_WIDTH = 4096, /* values in a row, between any two layers */
    LANES = 4,        /* spectra that are computed at a time */
    FFT_SIZE = 768, /* samples; a spectrum is an FFT of half as many complex numbers */
    MAX_CONTEXT = 8,
    MAX_PHONEMES = 64,
    MAX_MODELLED = 8,
    MAX_BANDS = 128,
    MAX_TAPS = 8,
    MAX_DILATION = 64,
    MAX_SHAPES = 32,
    PREFETCHED = 4096, /* weights that are fetched ahead of those in use: 8 KB */
    MAX_LAGS = 16,
    MAX_KEPT_STEPS = 64
};

/* Curves of the mouth, in the order of CURVES in renderer/speech/network.py. */
enum { JAW, SHUT, BITE, ROUND, FUNNEL, SPREAD, TEETH, TONGUE, REST, CURVES };

/* Log-mel spectra: renderer/speech/mel.py. */
typedef struct {
    int32_t hop, window; /* samples; a step has two hops */
    int32_t bands;
    int32_t first_bin, last_bin; /* bins that any band uses: first .. last - 1 */
    const float *hann;           /* [window] */
    const float *cosines;        /* [FFT_SIZE]: cosine of i / FFT_SIZE turns */
    const int32_t *band_bins;    /* [bands][2]: first bin, and number of bins */
    const float *band_weights;   /* of the bins of all bands, one after the other */
    float floor, scale;
} Mel;

/* Gain: renderer/speech/gain.py. */
typedef struct {
    float target_power, max_gain, speech_ratio, rise, fall;
} Gain;

/* Matrix product: y = x W * scales + biases. Lengths are in numbers. */
typedef struct {
    int32_t in, out;
    const int16_t *weights; /* [in][out]; memory goes on for PREFETCHED more + 4 rows */
    const float *scales;    /* [out] */
    const float *biases;    /* [out] */
} Linear;

/* Causal convolution over steps, as a matrix product of its taps. */
typedef struct {
    int32_t channels, taps, dilation;
    Linear linear;
} Convolution;

/* Network: renderer/speech/network.py. Its state is the past of each convolution, in
   order, and the memory of the GRU. */
typedef struct {
    int32_t block_count, memory;
    int32_t state_size; /* numbers */
    int32_t widest;     /* longest input or output of a layer, in numbers */
    Convolution stem, halve, blocks[MAX_BLOCKS];
    const float *norm_gains[MAX_BLOCKS]; /* [width] */
    const float *norm_biases[MAX_BLOCKS];
    Linear input, recurrent; /* gates of the GRU: reset, update, new */
    Linear joint, outputs;   /* outputs: [lags][curves, phonemes] */
} Network;

/* Coarticulation and mouth weights: coarticulation.py, mouth_weights.py. */
typedef struct {
    int32_t lags, max_lag, kept_steps, phonemes, context_size, modelled, shapes;
    const int32_t *context;    /* [context_size]: steps from the moment */
    const float *lip_weights;  /* [context_size] */
    const int32_t *columns;    /* [modelled]: curves */
    const float *model_shares; /* [modelled] */
    const float *pulls;        /* [context_size * phonemes][2 * modelled]: target times
                                  strength, then strength */
    const float *bites;        /* [phonemes]: 1 for the members of a group, else 0 */
    const float *closures;     /* [phonemes] */
    const float *tongues;      /* [phonemes] */
    const int32_t *shape_curves; /* [shapes]; CURVES stands for the value 1 */
    const float *reductions;     /* [shapes][3]: by closure, bite and rounding */
    const float *mixing;         /* [shapes][FACE_SIZE] */
    const float *parting;        /* [FACE_SIZE]: 1 for weights that part the lips */
    float exponent, stop_share, tongue_opening;
    float shut_range[2], bite_range[2], rest_range[2];
    int32_t now, silence, jaw_open, mouth_close;
    float sample_rate, fade_s;
} Mouth;

/* Lip-sync driver of all streams. */
typedef struct {
    Mel mel;
    Gain gain;
    Network network;
    Mouth mouth;
    float *scratch; /* `speech_scratch_bytes` */
} Speech;

/*
 * State of one turn. Positions are in samples from the start of the turn. After it
 * come, as floats: audio [window - hop + step] of which the last `pending` samples of
 * the used part are new, the state of the network, and outputs
 * [kept_steps][lags][curves, phonemes], where step s is in row s % kept_steps.
 */
typedef struct {
    int64_t steps;    /* on which the network has run */
    int64_t consumed; /* samples that the driver was given */
    int64_t moment;   /* position that the latest face shows */
    double vowel_power;
    int32_t lag;           /* read-out of the latest face; -1: there is no face yet */
    int32_t pending;       /* samples after the history, less than a step */
    float face[FACE_SIZE]; /* latest */
    float residual[FACE_SIZE];
} Stream;

/* New audio of one stream. */
typedef struct {
    Stream *stream;
    const float *pcm;
    int64_t count;
    int64_t lookahead; /* samples of the turn past the moment of the face */
} Chunk;

/* Steps of one stream in a pass: rows `row` .. `row + steps - 1`. */
typedef struct {
    Stream *stream;
    int32_t row, steps;
} Segment;

static inline int history_of(const Mel *mel)
{
    return mel->window - mel->hop;
}

static inline float *audio_of(Stream *stream)
{
    return (float *)(stream + 1);
}

static inline float *state_of(const Speech *speech, Stream *stream)
{
    return audio_of(stream) + history_of(&speech->mel) + 2 * speech->mel.hop;
}

static inline float *outputs_of(const Speech *speech, Stream *stream)
{
    return state_of(speech, stream) + speech->network.state_size;
}

/* Return how many numbers of scratch the network needs. */
int64_t network_scratch(const Network *network);

/*
 * Give the spectra [steps * 2][bands] of audio [window - hop + step * steps].
 * gains: [steps].
 */
void log_mel(const Mel *mel, const float *audio, int steps, const float *gains,
             float *spectra);

/*
 * Run the network on the spectra [rows * 2][bands] of some steps, and keep the
 * probabilities in their streams.
 */
void run_network(const Speech *speech, const Segment *segments, int count,
                 const float *spectra, float *scratch);

/* Give the face that a stream shows at `moment`. */
void show_face(const Speech *speech, Stream *stream, int64_t moment, float *face);

/* Return what is wrong with the numbers of a part, or NULL. */
const char *mel_problem(const Mel *mel);
const char *network_problem(const Speech *speech);
const char *mouth_problem(const Mouth *mouth);

#endif
