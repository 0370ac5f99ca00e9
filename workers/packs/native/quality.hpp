// PSNR and SSIM of one image against another, line by line: workers/quality/ssim.py in loops.
#pragma once
#include <cmath>
#include <cstddef>
#include <vector>

constexpr int WINDOW = 11;
constexpr double C1 = 0.01 * 255 * 0.01 * 255, C2 = 0.03 * 255 * 0.03 * 255;

// A line of two images and the products of the two, in double precision: a variance is a small difference of large means.
struct Lines {
    enum Map { GOT, WANT, GOT_GOT, WANT_WANT, GOT_WANT, MAPS };
    int width;
    std::vector<double> memory;  // [map][width]

    explicit Lines(int width) : width(width), memory(size_t(MAPS) * width) {}
    double* map(int which) { return memory.data() + long(which) * width; }
    const double* map(int which) const { return memory.data() + long(which) * width; }

    void read(const float* got, const float* want) {
        double *a = map(GOT), *b = map(WANT), *aa = map(GOT_GOT), *bb = map(WANT_WANT), *ab = map(GOT_WANT);
        for (int x = 0; x < width; x++) {
            const double g = got[x], w = want[x];
            a[x] = g, b[x] = w, aa[x] = g * g, bb[x] = w * w, ab[x] = g * w;
        }
    }
};

// The sum over a line of the squared difference.
static inline double squared_error(const Lines& l) {
    const double *got = l.map(Lines::GOT), *want = l.map(Lines::WANT);
    double total = 0;
    for (int x = 0; x < l.width; x++) total += (got[x] - want[x]) * (got[x] - want[x]);
    return total;
}

// The Gaussian mean of `count` values: each is taps[0] * from(0)[x] + taps[1] * from(1)[x] + ...
template <class From>
inline void weigh(double* to, int count, const double* taps, const From& from) {
    for (int x = 0; x < count; x++) to[x] = taps[0] * from(0)[x];
    for (int t = 1; t < WINDOW; t++) {
        const double* line = from(t);
        for (int x = 0; x < count; x++) to[x] += taps[t] * line[x];
    }
}

// The sum over a line of windows of the similarity, from Gaussian means of the five maps.
static inline double similarity(const Lines& means, int windows) {
    const double *g = means.map(Lines::GOT), *w = means.map(Lines::WANT), *gg = means.map(Lines::GOT_GOT);
    const double *ww = means.map(Lines::WANT_WANT), *gw = means.map(Lines::GOT_WANT);
    double total = 0;
    for (int x = 0; x < windows; x++) {
        const double product = g[x] * w[x], squares = g[x] * g[x] + w[x] * w[x];
        const double apart = gg[x] + ww[x] - squares, variances = apart < 0 ? 0 : apart;
        total += ((2 * product + C1) * (2 * (gw[x] - product) + C2)) / ((squares + C1) * (variances + C2));
    }
    return total;
}

// Images of `height` rows of `width`, rows `stride` apart, values 0..255. Writes the mean squared error and, where a window
// fits, the mean similarity.
static void judge_image(const float* got, const float* want, int height, int width, long got_stride, long want_stride,
                        const double* taps, double* error, double* ssim) {
    const int windows = width - WINDOW + 1;
    std::vector<Lines> ring(WINDOW, Lines(width));
    Lines down(width), means(width);
    double errors = 0, similar = 0;
    for (int y = 0; y < height; y++) {
        Lines& now = ring[y % WINDOW];
        now.read(got + y * got_stride, want + y * want_stride);
        errors += squared_error(now);
        if (y + 1 < WINDOW || windows < 1) continue;
        for (int i = 0; i < Lines::MAPS; i++) {
            weigh(down.map(i), width, taps, [&](int t) { return ring[(y + 1 + t) % WINDOW].map(i); });
            weigh(means.map(i), windows, taps, [&](int t) { return down.map(i) + t; });
        }
        similar += similarity(means, windows);
    }
    *error = errors / (double(height) * width);
    *ssim = height < WINDOW || windows < 1 ? std::nan("") : similar / (double(height - WINDOW + 1) * windows);
}
