/*
 * Log-mel spectra, as in renderer/speech/mel.py.
 *
 * Four spectra are computed at a time, one in each lane of a vector. An FFT of real
 * numbers is one of half as many complex ones: even samples are the real parts.
 */
#include <stddef.h>

#include "speech.h"
#include "speech_math.h"

enum { HALF = FFT_SIZE / 2, QUARTER_TURN = FFT_SIZE / 4 };

typedef float Lanes __attribute__((vector_size(4 * LANES)));

typedef struct {
    Lanes re, im;
} Complex;

static inline Complex add(Complex a, Complex b)
{
    return (Complex){a.re + b.re, a.im + b.im};
}

static inline Complex subtract(Complex a, Complex b)
{
    return (Complex){a.re - b.re, a.im - b.im};
}

/* Return a, turned clockwise by `turn` / FFT_SIZE turns. */
static inline Complex rotate(const float *cosines, Complex a, int turn)
{
    float cosine = cosines[turn % FFT_SIZE];
    float sine = cosines[(turn + FFT_SIZE - QUARTER_TURN) % FFT_SIZE];
    return (Complex){a.re * cosine + a.im * sine, a.im * cosine - a.re * sine};
}

/* Make one pass of a Stockham FFT of radix 2: `stride` transforms of n numbers. */
static void pass_of_2(const float *cosines, int n, int stride, const Complex *x,
                      Complex *y)
{
    for (int p = 0; p < n / 2; p++)
        for (int q = 0; q < stride; q++) {
            Complex a = x[q + stride * p], b = x[q + stride * (p + n / 2)];
            Complex *to = y + q + stride * 2 * p;
            to[0] = add(a, b);
            to[stride] = rotate(cosines, subtract(a, b), p * (FFT_SIZE / n));
        }
}

/* Make the first pass, of radix 3. */
static void pass_of_3(const float *cosines, const Complex *x, Complex *y)
{
    const float sine = 0.866025403784439f; /* of a third of a turn */
    for (int p = 0; p < HALF / 3; p++) {
        Complex a = x[p], b = x[p + HALF / 3], c = x[p + 2 * HALF / 3];
        Complex sum = add(b, c), difference = subtract(b, c);
        Complex middle = {a.re - 0.5f * sum.re, a.im - 0.5f * sum.im};
        Complex side = {sine * difference.im, -sine * difference.re};
        int turn = p * (FFT_SIZE / HALF);
        y[3 * p] = add(a, sum);
        y[3 * p + 1] = rotate(cosines, add(middle, side), turn);
        y[3 * p + 2] = rotate(cosines, subtract(middle, side), 2 * turn);
    }
}

/* Transform x, which has HALF numbers; y is scratch of the same size. */
static Complex *transform(const float *cosines, Complex *x, Complex *y)
{
    pass_of_3(cosines, x, y);
    for (int n = HALF / 3, stride = 3; n > 1; n /= 2, stride *= 2) {
        Complex *last = x;
        x = y;
        y = last;
        pass_of_2(cosines, n, stride, x, y);
    }
    return y;
}

/* Give the windows that begin at `audio` + starts[lane], weighted, as complex pairs. */
static void load_windows(const Mel *mel, const float *audio, const int *starts,
                         Complex *x)
{
    for (int i = 0; i < HALF; i++) {
        Lanes pair[2] = {{0}, {0}};
        for (int part = 0; part < 2 && 2 * i + part < mel->window; part++)
            for (int lane = 0; lane < LANES; lane++)
                pair[part][lane] =
                    audio[starts[lane] + 2 * i + part] * mel->hann[2 * i + part];
        x[i] = (Complex){pair[0], pair[1]};
    }
}

/* Give the power of the bins that any band uses. z: the transform of the pairs. */
static void find_power(const Mel *mel, const Complex *z, Lanes *power)
{
    for (int bin = mel->first_bin; bin < mel->last_bin; bin++) {
        Complex a = z[bin % HALF], b = z[(HALF - bin) % HALF];
        Complex even = {0.5f * (a.re + b.re), 0.5f * (a.im - b.im)};
        Complex odd = {0.5f * (a.im + b.im), 0.5f * (b.re - a.re)};
        Complex sum = add(even, rotate(mel->cosines, odd, bin));
        power[bin - mel->first_bin] = sum.re * sum.re + sum.im * sum.im;
    }
}

/* Give the bands of spectra by lane: [bands][LANES]. */
static void filter_bands(const Mel *mel, const Lanes *power, Lanes *bands)
{
    const float *weights = mel->band_weights;
    for (int band = 0; band < mel->bands; band++) {
        int first = mel->band_bins[2 * band] - mel->first_bin;
        int count = mel->band_bins[2 * band + 1];
        Lanes sum = {0};
        for (int i = 0; i < count; i++)
            sum += weights[i] * power[first + i];
        bands[band] = sum;
        weights += count;
    }
}

void log_mel(const Mel *mel, const float *audio, int steps, const float *gains,
             float *spectra)
{
    Complex x[HALF], y[HALF];
    Lanes power[HALF + 1], bands[MAX_BANDS];
    int count = 2 * steps, starts[LANES];
    for (int first = 0; first < count; first += LANES) {
        for (int lane = 0; lane < LANES; lane++) {
            int row = first + lane < count ? first + lane : count - 1;
            starts[lane] = row * mel->hop;
        }
        load_windows(mel, audio, starts, x);
        find_power(mel, transform(mel->cosines, x, y), power);
        filter_bands(mel, power, bands);
        for (int lane = 0; lane < LANES && first + lane < count; lane++) {
            float gain = gains[(first + lane) / 2];
            float *row = spectra + (size_t)(first + lane) * mel->bands;
            for (int band = 0; band < mel->bands; band++)
                row[band] =
                    mel->scale * logarithm(bands[band][lane] * gain + mel->floor);
        }
    }
}

const char *mel_problem(const Mel *mel)
{
    if (mel->hop < 1 || mel->window < mel->hop || mel->window > FFT_SIZE)
        return "the window is shorter than a hop or longer than the FFT";
    if (mel->bands < 1 || mel->bands > MAX_BANDS)
        return "there are no bands, or too many";
    if (mel->first_bin < 0 || mel->last_bin > HALF + 1)
        return "a bin is outside the spectrum";
    for (int band = 0; band < mel->bands; band++) {
        int first = mel->band_bins[2 * band], count = mel->band_bins[2 * band + 1];
        if (first < mel->first_bin || count < 0 || count > mel->last_bin - first)
            return "a band uses a bin that is not computed";
    }
    return NULL;
}
