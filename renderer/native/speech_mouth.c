/*
 * Face of a moment from the outputs around it: coarticulation, mouth weights and
 * crossfade, as in renderer/speech/coarticulation.py, mouth_weights.py and
 * lip_driver.py.
 */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "speech.h"
#include "speech_math.h"

/* Face that a stream is asked for: of one moment, with `lag` steps of look-ahead. */
typedef struct {
    const Speech *speech;
    Stream *stream;
    int64_t moment;
    int lag;
} Query;

static int64_t limit(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

static float limit_weight(float value)
{
    value = value > 0 ? value : 0;
    return value < 1 ? value : 1;
}

static float smoothstep(float x, const float *range)
{
    float t = limit_weight((x - range[0]) / (range[1] - range[0]));
    return t * t * (3 - 2 * t);
}

static float dot(int count, const float *a, const float *b)
{
    float sum = 0;
    for (int i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Return the step that a position is in; positions before the turn are negative. */
static int64_t step_at(const Speech *speech, int64_t moment)
{
    int64_t length = 2 * speech->mel.hop;
    return (moment < 0 ? moment - length + 1 : moment) / length;
}

/*
 * Return the outputs [curves, phonemes] for step `node`, and whether it is known. They
 * are those of the read-out that has all audio that the query may use, and no more.
 */
static const float *locate(const Query *query, int64_t node, float *known)
{
    const Mouth *mouth = &query->speech->mouth;
    int64_t steps = query->stream->steps;
    int64_t next = step_at(query->speech, query->moment) + 1;
    int64_t newest = next + query->lag < steps ? next + query->lag : steps;
    int64_t lag = limit(newest - node, 0, mouth->lags - 1);
    int64_t oldest = steps - mouth->kept_steps;
    int64_t step = limit(node + lag - 1, oldest, steps - 1) + mouth->kept_steps;
    *known = node <= newest || node <= next;
    return outputs_of(query->speech, query->stream) +
           (step % mouth->kept_steps * mouth->lags + lag) * (CURVES + mouth->phonemes);
}

/* Weigh the likelihoods of the phonemes at one step: their sum becomes `known`. */
static void weigh_phonemes(const Mouth *mouth, const float *likely, float rest,
                           float known, float *weights)
{
    float sum = 0;
    for (int i = 0; i < mouth->phonemes; i++)
        weights[i] = power(likely[i], mouth->exponent);
    weights[mouth->silence] *= mouth->stop_share + (1 - mouth->stop_share) * rest;
    for (int i = 0; i < mouth->phonemes; i++)
        sum += weights[i];
    for (int i = 0; i < mouth->phonemes; i++)
        weights[i] *= known / sum;
}

/* Give the curves at a step, with coarticulation. */
static void coarticulate(const Query *query, int64_t node, float *curves)
{
    const Mouth *mouth = &query->speech->mouth;
    const float *outputs[MAX_CONTEXT];
    float known[MAX_CONTEXT], weights[MAX_PHONEMES], pulled[2 * MAX_MODELLED] = {0};
    float now[MAX_PHONEMES] = {0}, lips = 0;
    int count = 2 * mouth->modelled;
    for (int i = 0; i < mouth->context_size; i++)
        outputs[i] = locate(query, node + mouth->context[i], known + i);
    memcpy(curves, outputs[mouth->now], sizeof(float) * CURVES);
    for (int i = 0; i < mouth->context_size; i++)
        lips += known[i] * mouth->lip_weights[i];
    for (int i = 0; i < mouth->context_size; i++) {
        const float *likely = outputs[i] + CURVES, *pulls = mouth->pulls;
        float share = known[i] * mouth->lip_weights[i] / lips;
        weigh_phonemes(mouth, likely, curves[REST], known[i], weights);
        pulls += (size_t)i * mouth->phonemes * count;
        for (int phoneme = 0; phoneme < mouth->phonemes; phoneme++, pulls += count)
            for (int k = 0; k < count; k++)
                pulled[k] += weights[phoneme] * pulls[k];
        for (int phoneme = 0; phoneme < mouth->phonemes; phoneme++)
            now[phoneme] += share * likely[phoneme];
    }
    for (int k = 0; k < mouth->modelled; k++) {
        float modelled = pulled[k] / (pulled[mouth->modelled + k] + 1e-6f);
        float *curve = curves + mouth->columns[k];
        *curve += mouth->model_shares[k] * (modelled - *curve);
    }
    curves[BITE] = dot(mouth->phonemes, now, mouth->bites);
    float opening = mouth->tongue_opening * dot(mouth->phonemes, now, mouth->tongues);
    float closed = dot(mouth->phonemes, now, mouth->closures);
    curves[SHUT] = 0.5f * (curves[SHUT] * (1 - opening) + closed);
}

/* Give the ARKit weights of curves 0..1. */
static void weigh_mouth(const Mouth *mouth, const float *curves, float *face)
{
    float shut = smoothstep(curves[SHUT], mouth->shut_range);
    float bite = smoothstep(curves[BITE], mouth->bite_range) * (1 - shut);
    float speaking = 1 - smoothstep(curves[REST], mouth->rest_range);
    float values[CURVES + 1];
    memcpy(values, curves, sizeof(float) * CURVES);
    values[SHUT] = shut;
    values[BITE] = bite;
    values[CURVES] = 1;
    memset(face, 0, sizeof(float) * FACE_SIZE);
    for (int shape = 0; shape < mouth->shapes; shape++) {
        const float *reductions = mouth->reductions + 3 * shape;
        float share = values[mouth->shape_curves[shape]] * speaking *
                      (1 - reductions[0] * shut) * (1 - reductions[1] * bite) *
                      (1 - reductions[2] * curves[ROUND]);
        for (int i = 0; i < FACE_SIZE; i++)
            face[i] += share * mouth->mixing[shape * FACE_SIZE + i];
    }
    face[mouth->mouth_close] = shut * face[mouth->jaw_open];
    for (int i = 0; i < FACE_SIZE; i++)
        face[i] = limit_weight(face[i] * (1 - shut * mouth->parting[i]));
}

/* Give the face of a query, interpolated between the two steps around its moment. */
static void find_face(const Query *query, float *face)
{
    float curves[CURVES], next[CURVES];
    int64_t length = 2 * query->speech->mel.hop;
    int64_t step = step_at(query->speech, query->moment);
    float fraction = (float)(query->moment - step * length) / (float)length;
    coarticulate(query, step, curves);
    coarticulate(query, step + 1, next);
    for (int i = 0; i < CURVES; i++)
        curves[i] += fraction * (next[i] - curves[i]);
    weigh_mouth(&query->speech->mouth, curves, face);
}

/*
 * Set the residual of a stream whose read-out changes: latest face minus the face that
 * the new read-out gives for the same moment, so that it has no movement in it.
 */
static void start_crossfade(const Speech *speech, Stream *stream, int lag)
{
    Query query = {speech, stream, stream->moment, lag};
    find_face(&query, stream->residual);
    for (int i = 0; i < FACE_SIZE; i++)
        stream->residual[i] = stream->face[i] - stream->residual[i];
}

void show_face(const Speech *speech, Stream *stream, int64_t moment, float *face)
{
    const Mouth *mouth = &speech->mouth;
    int64_t ahead = stream->steps - step_at(speech, moment) - 1;
    int lag = (int)limit(ahead, 0, mouth->max_lag);
    Query query = {speech, stream, moment, lag};
    if (stream->lag >= 0 && stream->lag != lag)
        start_crossfade(speech, stream, lag);
    find_face(&query, stream->face);
    int64_t elapsed = moment > stream->moment ? moment - stream->moment : 0;
    float kept = expf(-(float)elapsed / mouth->sample_rate / mouth->fade_s);
    for (int i = 0; i < FACE_SIZE; i++) {
        stream->residual[i] *= kept;
        stream->face[i] = limit_weight(stream->face[i] + stream->residual[i]);
    }
    stream->lag = lag;
    stream->moment = moment;
    memcpy(face, stream->face, sizeof stream->face);
}

static const char *context_problem(const Mouth *mouth)
{
    int has_now = 0;
    for (int i = 0; i < mouth->context_size; i++) {
        if (mouth->context[i] < -MAX_KEPT_STEPS || mouth->context[i] > MAX_KEPT_STEPS)
            return "a step of the context is too far away";
        /* The sum of the weights that are known divides: the moment is always known. */
        has_now |=
            i == mouth->now && mouth->context[i] == 0 && mouth->lip_weights[i] > 0;
    }
    return has_now ? NULL : "the context lacks the moment itself";
}

const char *mouth_problem(const Mouth *mouth)
{
    if (mouth->lags < 1 || mouth->lags > MAX_LAGS)
        return "there are no read-outs, or too many";
    if (mouth->max_lag < 0 || mouth->max_lag >= mouth->lags)
        return "the longest look-ahead has no read-out";
    if (mouth->kept_steps < 1 || mouth->kept_steps > MAX_KEPT_STEPS)
        return "no outputs are kept, or too many";
    if (mouth->phonemes < 1 || mouth->phonemes > MAX_PHONEMES)
        return "there are no phonemes, or too many";
    if (mouth->context_size < 1 || mouth->context_size > MAX_CONTEXT)
        return "the context is empty or too long";
    if (mouth->modelled < 0 || mouth->modelled > MAX_MODELLED)
        return "too many curves are modelled";
    for (int i = 0; i < mouth->modelled; i++)
        if (mouth->columns[i] < 0 || mouth->columns[i] >= CURVES)
            return "a modelled curve does not exist";
    if (mouth->shapes < 0 || mouth->shapes > MAX_SHAPES)
        return "the mouth has too many shapes";
    for (int i = 0; i < mouth->shapes; i++)
        if (mouth->shape_curves[i] < 0 || mouth->shape_curves[i] > CURVES)
            return "the curve of a shape does not exist";
    if (mouth->silence < 0 || mouth->silence >= mouth->phonemes)
        return "silence is no phoneme";
    if (mouth->jaw_open < 0 || mouth->jaw_open >= FACE_SIZE || mouth->mouth_close < 0 ||
        mouth->mouth_close >= FACE_SIZE)
        return "a weight is outside the face";
    return context_problem(mouth);
}
