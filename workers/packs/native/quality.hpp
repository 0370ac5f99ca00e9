// PSNR and SSIM of one image against another, line by line: workers/quality/ssim.py in loops.
#pragma once
#include "simd.hpp"
#include <cmath>
#include <vector>

constexpr int WINDOW = 11;
constexpr float C1 = 0.01f * 255 * 0.01f * 255, C2 = 0.03f * 255 * 0.03f * 255;

// A line of an image with room for a whole vector after its end, and the products of the two lines.
struct Lines {
    enum Map { GOT, WANT, GOT_GOT, WANT_WANT, GOT_WANT, MAPS };
    int length;
    std::vector<float> memory;  // [map][length]

    explicit Lines(int width) : length(round_up(width, LANES) + LANES), memory(size_t(MAPS) * length) {}
    float* map(int which) { return memory.data() + long(which) * length; }
    const float* map(int which) const { return memory.data() + long(which) * length; }

    void read(const float* got, const float* want, int width) {
        std::memcpy(map(GOT), got, size_t(width) * 4);
        std::memcpy(map(WANT), want, size_t(width) * 4);
        for (int x = 0; x < length; x += LANES) {
            vf g = load(map(GOT) + x), w = load(map(WANT) + x);
            store(map(GOT_GOT) + x, g * g);
            store(map(WANT_WANT) + x, w * w);
            store(map(GOT_WANT) + x, g * w);
        }
    }
};

// The sum over a line of the squared difference.
static inline double squared_error(const Lines& l, int width) {
    const vi lanes = lane_numbers();
    vf total = {};
    for (int x = 0; x < width; x += LANES) {
        vf d = keep(lanes + x < splat_int(width), load(l.map(Lines::GOT) + x) - load(l.map(Lines::WANT) + x));
        total += d * d;
    }
    return sum(total);
}

// The sum over a line of windows of the similarity; `means`: Gaussian means down the window, `taps`: those along it.
static inline double similarity(const Lines& means, const float* taps, int windows) {
    const vi lanes = lane_numbers();
    vf total = {};
    for (int x = 0; x < windows; x += LANES) {
        vf m[Lines::MAPS];
        for (int i = 0; i < Lines::MAPS; i++) {
            m[i] = taps[0] * load(means.map(i) + x);
            for (int t = 1; t < WINDOW; t++) m[i] += taps[t] * load(means.map(i) + x + t);
        }
        vf product = m[Lines::GOT] * m[Lines::WANT];
        vf squares = m[Lines::GOT] * m[Lines::GOT] + m[Lines::WANT] * m[Lines::WANT];
        vf variances = m[Lines::GOT_GOT] + m[Lines::WANT_WANT] - squares;
        variances = pick(variances < 0.0f, splat(0), variances);
        vf covariance = m[Lines::GOT_WANT] - product;
        vf s = ((2.0f * product + C1) * (2.0f * covariance + C2)) / ((squares + C1) * (variances + C2));
        total += keep(lanes + x < splat_int(windows), s);
    }
    return sum(total);
}

// Images of `height` rows of `width`, rows `stride` apart, values 0..255. Writes the mean squared error and, where a window
// fits, the mean similarity.
static void judge_image(const float* got, const float* want, int height, int width, long got_stride, long want_stride,
                        const float* taps, double* error, double* ssim) {
    const int windows = width - WINDOW + 1;
    std::vector<Lines> ring(WINDOW, Lines(width));
    Lines means(width);
    double errors = 0, similar = 0;
    for (int y = 0; y < height; y++) {
        Lines& now = ring[y % WINDOW];
        now.read(got + y * got_stride, want + y * want_stride, width);
        errors += squared_error(now, width);
        if (y + 1 < WINDOW || windows < 1) continue;
        for (int i = 0; i < Lines::MAPS; i++)
            for (int x = 0; x < means.length; x += LANES) {
                vf mean = taps[0] * load(ring[(y + 1) % WINDOW].map(i) + x);
                for (int t = 1; t < WINDOW; t++) mean += taps[t] * load(ring[(y + 1 + t) % WINDOW].map(i) + x);
                store(means.map(i) + x, mean);
            }
        similar += similarity(means, taps, windows);
    }
    *error = errors / (double(height) * width);
    *ssim = height < WINDOW || windows < 1 ? std::nan("") : similar / (double(height - WINDOW + 1) * windows);
}
