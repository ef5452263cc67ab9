/*
 * Level and pitch of a voice: renderer/life/voice.py has the method and the numbers,
 * and native_voice.py fills these structures. `voice_problem` checks every number that
 * bounds a memory access.
 */
#ifndef VOICE_H
#define VOICE_H

#include <stdint.h>

#include "native.h"

enum { MAX_STEP = 960, MAX_HOP = 240, MAX_LAG = 160, MAX_RUMBLE = 8 };

/* Method, the same for all voices. "Slow" samples are means of `decimation` samples. */
typedef struct {
    int32_t step, decimation;    /* samples */
    int32_t hop;                 /* slow samples of a step; a window has two hops */
    int32_t first_lag, last_lag; /* of pitches, in slow samples: first .. last - 1 */
    int32_t rumble_count;        /* waves below the pitch of voices */
    const float *rumble;         /* [rumble_count][cosine, sine][2 * hop] */
    const float *echoes;         /* [last_lag][rumble_count]: their autocorrelation */
    const float *lag_weights;    /* [last_lag - first_lag] */
    float min_voiced, min_speech_db, floor;
} VoiceMethod;

/* State of one voice. */
typedef struct {
    int32_t pending_bytes;         /* less than a step */
    uint8_t pending[2 * MAX_STEP]; /* s16le */
    float last[MAX_HOP];           /* slow samples of the last step */
} Voice;

#endif
