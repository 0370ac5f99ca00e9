// Orthogonal steps of a layer on white inputs: workers/training/whitening.py in loops. Matrices are dense, row by row.
#pragma once
#include "nets.hpp"
#include <cmath>

constexpr int ROUNDS = 5;
constexpr float QUINTIC_A = 3.4445f, QUINTIC_B = -4.7750f, QUINTIC_C = 2.0315f;

// out (rows, columns) = a (rows, inner) times b (inner, columns).
static inline void multiply(const float* __restrict a, const float* __restrict b, float* __restrict out, int rows,
                            int inner, int columns) {
    std::memset(out, 0, size_t(rows) * columns * 4);
    for (int k = 0; k < inner; k++) {  // a row of b is read once, as the inverse is larger than the cache
        const float* line = b + size_t(k) * columns;
        for (int r = 0; r < rows; r++) {
            const float factor = a[size_t(r) * inner + k];
            float* to = out + size_t(r) * columns;
            for (int c = 0; c < columns; c++) to[c] += factor * line[c];
        }
    }
}

static inline size_t orthogonal_room(const Layer& l) {
    const size_t n = l.inputs(), rows = l.rows;
    return 2 * rows * n + 4 * rows * rows;
}

// Replaces the momentum in `room` [rows][inputs] by the step.
static inline void orthogonal(const Layer& l, float* room) {
    const int rows = l.rows, n = l.inputs(), square = rows * rows;
    float *momentum = room, *turned = momentum + size_t(rows) * n, *gram = turned + size_t(rows) * n;
    float *factor = gram + square, *total = factor + square, *spare = total + square;
    multiply(momentum, l.inverse.data(), turned, rows, n, n);
    double size = 0;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < rows; j++) {
            vf sums = {};
            const float *x = turned + size_t(i) * n, *y = momentum + size_t(j) * n;
            int k = 0;
            for (; k + LANES <= n; k += LANES) sums += load(x + k) * load(y + k);
            float all = sum(sums);
            for (; k < n; k++) all += x[k] * y[k];
            gram[i * rows + j] = all;
            if (i == j) size += all;
        }
    const float unit = float(1.0 / (size > 1e-30 ? size : 1e-30));
    for (int i = 0; i < square; i++) gram[i] *= unit, total[i] = i % (rows + 1) ? 0.0f : 1.0f;
    for (int round = 0; round < ROUNDS; round++) {
        multiply(gram, gram, factor, rows, rows, rows);
        for (int i = 0; i < square; i++)
            factor[i] = QUINTIC_C * factor[i] + QUINTIC_B * gram[i] + (i % (rows + 1) ? 0.0f : QUINTIC_A);
        multiply(total, factor, spare, rows, rows, rows);
        std::memcpy(total, spare, size_t(square) * 4);
        if (round + 1 == ROUNDS) break;
        multiply(gram, factor, spare, rows, rows, rows);
        multiply(spare, factor, gram, rows, rows, rows);
    }
    multiply(total, turned, momentum, rows, rows, n);
    const float scale = l.gain * std::sqrt(unit);
    for (size_t i = 0; i < size_t(rows) * n; i++) momentum[i] *= scale;
}
