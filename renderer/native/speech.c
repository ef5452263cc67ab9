/*
 * Faces of many speaking streams in one call: new audio in, one face each out.
 *
 * It is the path that CPUs take. renderer/speech/lip_driver.py does the same with torch
 * and is the reference.
 */
#include <stddef.h>
#include <string.h>

#include "speech.h"
#include "speech_math.h"

/* Positions are kept so far from the limits of int64 that sums of them are safe. */
static const int64_t MAX_LOOKAHEAD = (int64_t)1 << 40;
static const float MAX_SAMPLE = 16; /* full scale is 1 */

static int step_length(const Mel *mel)
{
    return 2 * mel->hop;
}

/* Copy samples; a value that is no audio, such as NaN, becomes silence. */
static void copy_samples(const float *from, int64_t count, float *to)
{
    for (int64_t i = 0; i < count; i++)
        to[i] = from[i] > -MAX_SAMPLE && from[i] < MAX_SAMPLE ? from[i] : 0;
}

/* Move samples of a chunk to where its stream needs them. */
static void take(Chunk *chunk, int64_t count, float *to)
{
    if (count == 0)
        return; /* pcm may be NULL */
    copy_samples(chunk->pcm, count, to);
    chunk->pcm += count;
    chunk->count -= count;
}

/* Give the gain of each step of audio, as a factor of power. */
static void find_gains(const Speech *speech, Stream *stream, const float *audio,
                       int steps, float *gains)
{
    const Gain *gain = &speech->gain;
    int length = step_length(&speech->mel);
    for (int step = 0; step < steps; step++, audio += length) {
        float sum = 0;
        for (int i = 0; i < length; i++)
            sum += audio[i] * audio[i];
        double power = sum / (float)length, vowel = stream->vowel_power;
        if (power > vowel * gain->speech_ratio)
            vowel += (power - vowel) * (power > vowel ? gain->rise : gain->fall);
        double factor = gain->target_power / vowel;
        factor = factor > 1 ? factor : 1;
        gains[step] = (float)(factor < gain->max_gain ? factor : gain->max_gain);
        stream->vowel_power = vowel;
    }
}

/* Give the spectra of the next steps of a stream, and keep the audio after them. */
static void hear(const Speech *speech, const Segment *segment, Chunk *chunk,
                 float *spectra, float *audio)
{
    const Mel *mel = &speech->mel;
    Stream *stream = segment->stream;
    int history = history_of(mel), length = segment->steps * step_length(mel);
    float gains[MAX_ROWS];
    memcpy(audio, audio_of(stream), sizeof(float) * (history + stream->pending));
    take(chunk, length - stream->pending, audio + history + stream->pending);
    stream->pending = 0;
    memcpy(audio_of(stream), audio + length, sizeof(float) * history);
    find_gains(speech, stream, audio + history, segment->steps, gains);
    log_mel(mel, audio, segment->steps, gains,
            spectra + (size_t)2 * segment->row * mel->bands);
}

/* Run the network on whole steps of the streams' audio; false if there are none. */
static int run_steps(const Speech *speech, Chunk *chunks, int count)
{
    const Mel *mel = &speech->mel;
    Segment segments[MAX_ROWS];
    float *spectra = speech->scratch;
    float *audio = spectra + 2 * MAX_ROWS * mel->bands;
    float *scratch = audio + history_of(mel) + MAX_ROWS * step_length(mel);
    int used = 0, rows = 0;
    for (int i = 0; i < count && rows < MAX_ROWS; i++) {
        Stream *stream = chunks[i].stream;
        int64_t steps = (stream->pending + chunks[i].count) / step_length(mel);
        if (steps == 0)
            continue;
        if (steps > MAX_ROWS - rows)
            steps = MAX_ROWS - rows;
        segments[used] = (Segment){stream, rows, (int32_t)steps};
        hear(speech, segments + used, chunks + i, spectra, audio);
        rows += (int)steps;
        used++;
    }
    if (used > 0)
        run_network(speech, segments, used, spectra, scratch);
    return used > 0;
}

/* Return the bytes of a stream's state, or of scratch, in one piece of memory. */
EXPORT int64_t speech_stream_bytes(const Speech *speech);
EXPORT int64_t speech_scratch_bytes(const Speech *speech);

/* Return what is wrong with the numbers that bound memory accesses, or NULL. */
EXPORT const char *speech_problem(const Speech *speech);

/*
 * Give each stream its new audio, and the face of its next moment: [count][FACE_SIZE].
 * The chunks are used up.
 */
EXPORT void speech_drive(const Speech *speech, Chunk *chunks, int count, float *faces);

int64_t speech_stream_bytes(const Speech *speech)
{
    const Mel *mel = &speech->mel;
    int64_t audio = history_of(mel) + step_length(mel);
    int64_t outputs = (int64_t)speech->mouth.kept_steps * speech->network.outputs.out;
    return (int64_t)sizeof(Stream) +
           (int64_t)sizeof(float) * (audio + speech->network.state_size + outputs);
}

int64_t speech_scratch_bytes(const Speech *speech)
{
    const Mel *mel = &speech->mel;
    int64_t spectra = 2 * MAX_ROWS * mel->bands;
    int64_t audio = history_of(mel) + MAX_ROWS * step_length(mel);
    return (int64_t)sizeof(float) *
           (spectra + audio + network_scratch(&speech->network));
}

const char *speech_problem(const Speech *speech)
{
    const char *problem = mel_problem(&speech->mel);
    if (problem == NULL)
        problem = mouth_problem(&speech->mouth);
    return problem ? problem : network_problem(speech);
}

void speech_drive(const Speech *speech, Chunk *chunks, int count, float *faces)
{
    for (int i = 0; i < count; i++)
        chunks[i].stream->consumed += chunks[i].count;
    while (run_steps(speech, chunks, count))
        ;
    for (int i = 0; i < count; i++) {
        Stream *stream = chunks[i].stream;
        /* If a stream is in the batch twice, two rests may be a step. */
        while (run_steps(speech, chunks + i, 1))
            ;
        int64_t lookahead = chunks[i].lookahead;
        lookahead = lookahead > -MAX_LOOKAHEAD ? lookahead : -MAX_LOOKAHEAD;
        lookahead = lookahead < MAX_LOOKAHEAD ? lookahead : MAX_LOOKAHEAD;
        float *pending = audio_of(stream) + history_of(&speech->mel) + stream->pending;
        stream->pending += (int32_t)chunks[i].count;
        take(chunks + i, chunks[i].count, pending);
        show_face(speech, stream, stream->consumed - lookahead,
                  faces + (size_t)i * FACE_SIZE);
    }
}
