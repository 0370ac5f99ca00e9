// Orthogonal steps of a layer on white inputs: workers/training/whitening.py in loops. Matrices are dense, row by row.
#pragma once
#include "nets.hpp"
#include <cmath>

constexpr int ROUNDS = 5;
constexpr float QUINTIC_A = 3.4445f, QUINTIC_B = -4.7750f, QUINTIC_C = 2.0315f;

// R rows of V vectors of a product, the last of which may reach past the row: its lanes from `inside` on are left alone.
template <int R, int V>
static inline void block(const float* a, const float* b, float* out, int inner, int columns, int inside) {
    vf acc[R * V] = {};
    for (int k = 0; k < inner; k++) {
        vf line[V];
#pragma GCC unroll 8
        for (int v = 0; v < V; v++) line[v] = load(b + size_t(k) * columns + v * LANES);
#pragma GCC unroll 8
        for (int r = 0; r < R; r++) {
            const vf factor = splat(a[size_t(r) * inner + k]);
#pragma GCC unroll 8
            for (int v = 0; v < V; v++) acc[r * V + v] += factor * line[v];
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 8
        for (int v = 0; v < V; v++) {
            float* to = out + size_t(r) * columns + v * LANES;
            store(to, v + 1 < V || inside == LANES ? acc[r * V + v]
                                                   : pick(lane_numbers() < splat_int(inside), acc[r * V + v], load(to)));
        }
}

template <int V>
static inline void blocks(const float* a, const float* b, float* out, int rows, int inner, int columns, int inside) {
    constexpr int R = LANES == 16 ? 6 : 3;
    int r = 0;
    for (; r + R <= rows; r += R) block<R, V>(a + size_t(r) * inner, b, out + size_t(r) * columns, inner, columns, inside);
    for (; r < rows; r++) block<1, V>(a + size_t(r) * inner, b, out + size_t(r) * columns, inner, columns, inside);
}

// out (rows, columns) = a (rows, inner) times b (inner, columns). Behind b and out there is room for a vector.
static inline void multiply(const float* a, const float* b, float* out, int rows, int inner, int columns) {
    for (int c = 0; c < columns; c += 4 * LANES) {  // the strip of b stays in the cache for all rows
        const int vectors = (columns - c + LANES - 1) / LANES;
        const int inside = vectors > 4 ? LANES : columns - c - (vectors - 1) * LANES;
        switch (vectors) {
            case 1: blocks<1>(a, b + c, out + c, rows, inner, columns, inside); break;
            case 2: blocks<2>(a, b + c, out + c, rows, inner, columns, inside); break;
            case 3: blocks<3>(a, b + c, out + c, rows, inner, columns, inside); break;
            default: blocks<4>(a, b + c, out + c, rows, inner, columns, inside);
        }
    }
}

static inline size_t orthogonal_room(const Layer& l) {
    const size_t n = l.inputs(), rows = l.rows;
    return 2 * rows * n + 4 * rows * rows + LANES;
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
