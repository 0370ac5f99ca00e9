// From the last products to the loss and back, in place: planes of maps go in, their gradients come out.
#pragma once
#include "simd.hpp"

enum Head { MAXIMUM = 0, KEY = 1, QUERY_KEY = 2, KEY_KEY = 3, SIGMOID = 4, PLAIN = 5 };
enum Loss { SQUARE = 0, ABSOLUTE = 1, CHARBONNIER = 2 };
constexpr int MOST_TEMPLATES = 256;

// Adds to `total` the loss of one vector of outputs and returns its gradient, `unit` being 1 / number of elements.
static inline vf judge(int kind, vf out, vf target, vi inside, float unit, vf& total) {
    vf d = keep(inside, out - target);
    if (kind == SQUARE) {
        total += d * d;
        return d * (2.0f * unit);
    }
    if (kind == ABSOLUTE) {
        total += pick(d < 0.0f, -d, d);
        return pick(d > 0.0f, splat(unit), pick(d < 0.0f, splat(-unit), d));
    }
    vf root = square_root(d * d + 1e-6f);
    total += keep(inside, root);
    return d / root * unit;
}

static inline float maximum_head(int kind, int n, float* y, long stride, const float* target, const int32_t* inside,
                                 float unit, int pixels) {
    vf total = {};
    for (int q = 0; q < pixels; q += LANES) {
        vf best = load(y + q);
        for (int c = 1; c < n; c++) {
            vf value = load(y + c * stride + q);
            best = value != value ? value : largest(best, value);
        }
        vi in = (vi)load(reinterpret_cast<const float*>(inside + q));
        vf g = judge(kind, best, load(target + q), in, unit, total);
        vf ties = {};
        for (int c = 0; c < n; c++) ties += pick(load(y + c * stride + q) == best, splat(1), splat(0));
        g = g / ties;
        for (int c = 0; c < n; c++) {
            vf value = load(y + c * stride + q);
            store(y + c * stride + q, keep(in & (value == best), g));
        }
    }
    return sum(total);
}

// value * softmax(logit), summed over templates; planes: values, then (queries,) keys.
template <int HEAD>
static inline float attention_head(int kind, int n, float* y, long stride, const float* target, const int32_t* inside,
                                   float unit, int pixels) {
    vf total = {};
    vf weight[MOST_TEMPLATES];
    const long keys = (HEAD == QUERY_KEY ? 2 : 1) * long(n) * stride;
    for (int q = 0; q < pixels; q += LANES) {
        vf top = splat(-3e38f);
        for (int c = 0; c < n; c++) {
            vf key = load(y + keys + c * stride + q);
            vf logit = HEAD == KEY ? key : HEAD == KEY_KEY ? key * key : key * load(y + (n + c) * stride + q);
            weight[c] = logit;
            top = logit != logit ? logit : largest(top, logit);
        }
        vf all = {}, mixed = {};
        for (int c = 0; c < n; c++) {
            weight[c] = exponential(weight[c] - top);
            all += weight[c];
            mixed += weight[c] * load(y + c * stride + q);
        }
        vf inverse = 1.0f / all, out = mixed * inverse;
        vi in = (vi)load(reinterpret_cast<const float*>(inside + q));
        vf g = judge(kind, out, load(target + q), in, unit, total) * inverse;
        for (int c = 0; c < n; c++) {
            float *value_at = y + c * stride + q, *key_at = y + keys + c * stride + q;
            vf d_value = g * weight[c];
            vf d_logit = d_value * (load(value_at) - out);
            store(value_at, keep(in, d_value));
            if (HEAD == KEY) {
                store(key_at, keep(in, d_logit));
            } else if (HEAD == KEY_KEY) {
                store(key_at, keep(in, d_logit * 2.0f * load(key_at)));
            } else {
                float* query_at = y + (n + c) * stride + q;
                vf query = load(query_at);
                store(query_at, keep(in, d_logit * load(key_at)));
                store(key_at, keep(in, d_logit * query));
            }
        }
    }
    return sum(total);
}

static inline float direct_head(bool squash, int kind, float* y, const float* target, const int32_t* inside,
                                float unit, int pixels) {
    vf total = {};
    for (int q = 0; q < pixels; q += LANES) {
        vf out = load(y + q);
        if (squash) out = logistic(out);
        vi in = (vi)load(reinterpret_cast<const float*>(inside + q));
        vf g = judge(kind, out, load(target + q), in, unit, total);
        store(y + q, keep(in, squash ? g * out * (1.0f - out) : g));
    }
    return sum(total);
}

// One sub-pixel position of `pixels` low-resolution pixels; returns the sum of the losses. Pixels outside
// `inside` (all bits set or none) count nothing and get a gradient of zero, whatever stands there.
static float head(int head, int kind, int n, float* y, long stride, const float* target, const int32_t* inside,
                  float unit, int pixels) {
    switch (head) {
        case MAXIMUM: return maximum_head(kind, n, y, stride, target, inside, unit, pixels);
        case KEY: return attention_head<KEY>(kind, n, y, stride, target, inside, unit, pixels);
        case QUERY_KEY: return attention_head<QUERY_KEY>(kind, n, y, stride, target, inside, unit, pixels);
        case KEY_KEY: return attention_head<KEY_KEY>(kind, n, y, stride, target, inside, unit, pixels);
        default: return direct_head(head == SIGMOID, kind, y, target, inside, unit, pixels);
    }
}
