/* Level and pitch of a voice in steps of 20 ms, as in renderer/life/voice.py. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "voice.h"

/* Return what is wrong with the numbers that bound memory accesses, or NULL. */
EXPORT const char *voice_problem(const VoiceMethod *method);

/*
 * Analyse the next `count` bytes of audio, s16le, and return the number of steps that
 * they complete. levels: dB of each step. lags: its pitch in slow samples, 0 if it is
 * unvoiced.
 */
EXPORT int64_t voice_feed(const VoiceMethod *method, Voice *voice, const uint8_t *pcm,
                          int64_t count, float *levels, int32_t *lags);

static float dot(int count, const float *a, const float *b)
{
    float sum = 0;
    for (int i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Give the slow samples of a step. */
static void decimate(const VoiceMethod *method, const uint8_t *pcm, float *slow)
{
    int16_t samples[MAX_STEP];
    memcpy(samples, pcm, sizeof(int16_t) * (size_t)method->step);
    for (int i = 0; i < method->hop; i++) {
        int sum = 0;
        for (int k = 0; k < method->decimation; k++)
            sum += samples[i * method->decimation + k];
        slow[i] = (float)sum / ((float)method->decimation * 32768.0f);
    }
}

/* Give the level and the lag of a window [2 * hop]: peak of the autocorrelation,
   without the power of rumble. */
static void analyse(const VoiceMethod *method, const float *window, float *level,
                    int32_t *lag)
{
    int size = 2 * method->hop, count = method->rumble_count, best = 0;
    float power[MAX_RUMBLE], highest = 0;
    for (int k = 0; k < count; k++) {
        const float *cosine = method->rumble + (size_t)2 * k * size;
        float re = dot(size, cosine, window), im = dot(size, cosine + size, window);
        power[k] = re * re + im * im;
    }
    float total = dot(size, window, window) - dot(count, power, method->echoes);
    total = (total > 0 ? total : 0) + method->floor;
    for (int at = method->first_lag; at < method->last_lag; at++) {
        float echo = dot(size - at, window, window + at) -
                     dot(count, power, method->echoes + (size_t)at * count);
        echo *= method->lag_weights[at - method->first_lag];
        if (echo > highest) {
            highest = echo;
            best = at;
        }
    }
    *level = 10 * log10f(total / (float)size);
    int is_voiced =
        highest > method->min_voiced * total && *level > method->min_speech_db;
    *lag = is_voiced ? best : 0;
}

int64_t voice_feed(const VoiceMethod *method, Voice *voice, const uint8_t *pcm,
                   int64_t count, float *levels, int32_t *lags)
{
    int64_t steps = 0, bytes = 2 * method->step;
    size_t hop = sizeof(float) * (size_t)method->hop;
    float window[2 * MAX_HOP];
    while (voice->pending_bytes + count >= bytes) {
        int64_t taken = bytes - voice->pending_bytes;
        memcpy(voice->pending + voice->pending_bytes, pcm, (size_t)taken);
        pcm += taken;
        count -= taken;
        voice->pending_bytes = 0;
        memcpy(window, voice->last, hop);
        decimate(method, voice->pending, window + method->hop);
        memcpy(voice->last, window + method->hop, hop);
        analyse(method, window, levels + steps, lags + steps);
        steps++;
    }
    memcpy(voice->pending + voice->pending_bytes, pcm, (size_t)count);
    voice->pending_bytes += (int32_t)count;
    return steps;
}

const char *voice_problem(const VoiceMethod *method)
{
    if (method->step < 1 || method->step > MAX_STEP || method->hop < 1 ||
        method->hop > MAX_HOP || method->decimation < 1 ||
        method->decimation > MAX_STEP ||
        method->hop * method->decimation > method->step)
        return "a step is too long, or shorter than its slow samples";
    if (method->first_lag < 1 || method->first_lag > method->last_lag ||
        method->last_lag > MAX_LAG || method->last_lag > 2 * method->hop)
        return "a lag is longer than the window";
    if (method->rumble_count < 0 || method->rumble_count > MAX_RUMBLE)
        return "there are too many waves of rumble";
    return NULL;
}
