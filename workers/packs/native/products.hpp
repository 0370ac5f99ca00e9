// The two matrix products that all the work is made of, with rows named by offsets so that a convolution needs no
// unfolded copy: row r of the input is the plane at `base + offset[r]`.
#pragma once
#include "simd.hpp"
#include <vector>

constexpr int MOST_COLUMNS = 6;
constexpr int STRIP = 12 * LANES;  // pixels done for all columns before going on: the rows' strips stay in L1

// Parts of near-equal size, none above `most`: 7 in parts of 6 is 4 + 3, not 6 + 1.
struct Parts {
    int count, whole, longer;
    Parts(int n, int most) : count((n + most - 1) / most), whole(n / count), longer(n % count) {}
    int size(int i) const { return whole + (i < longer); }
};

// Weights in the order `apply` reads them: column block, row, column in block.
static void pack(const float* w, const std::vector<int>& columns, const std::vector<int>& rows, float* out) {
    Parts parts(int(columns.size()), MOST_COLUMNS);
    const int* column = columns.data();
    for (int b = 0; b < parts.count; b++) {
        const int width = parts.size(b);
        for (int row : rows)
            for (int c = 0; c < width; c++) *out++ = w[column[c] + row];
        column += width;
    }
}

template <int CO, int NV, bool ADD>
static inline void tile(const float* base, const int* offset, int rows, const float* w, const float* bias, float* out,
                        long stride) {
    vf acc[CO][NV];
#pragma GCC unroll 12
    for (int c = 0; c < CO; c++)
#pragma GCC unroll 12
        for (int v = 0; v < NV; v++) acc[c][v] = ADD ? load(out + c * stride + v * LANES) : splat(bias ? bias[c] : 0);
    for (int r = 0; r < rows; r++, w += CO) {
        const float* x = base + offset[r];
        vf in[NV];
#pragma GCC unroll 12
        for (int v = 0; v < NV; v++) in[v] = load(x + v * LANES);
#pragma GCC unroll 12
        for (int c = 0; c < CO; c++) {
            vf weight = splat(w[c]);
#pragma GCC unroll 12
            for (int v = 0; v < NV; v++) acc[c][v] += weight * in[v];
        }
    }
#pragma GCC unroll 12
    for (int c = 0; c < CO; c++)
#pragma GCC unroll 12
        for (int v = 0; v < NV; v++) store(out + c * stride + v * LANES, acc[c][v]);
}

template <int CO, int NV, bool ADD>
static inline void rest(int vectors, const float* base, const int* offset, int rows, const float* w, const float* bias,
                        float* out, long stride) {
    if constexpr (NV > 0) {
        if (vectors == NV)
            tile<CO, NV, ADD>(base, offset, rows, w, bias, out, stride);
        else
            rest<CO, NV - 1, ADD>(vectors, base, offset, rows, w, bias, out, stride);
    }
}

// Vectors of pixels beside `columns` columns: with their sums and a weight they fill the registers, and they divide STRIP.
constexpr int vectors_beside(int columns) {
    return LANES == 16 ? (columns == 1 ? 12 : columns <= 4 ? 6 : 4)
                       : (columns == 1 ? 6 : columns == 2 ? 4 : columns <= 4 ? 3 : 2);
}

template <int CO, bool ADD>
static void strip(const float* base, const int* offset, int rows, const float* w, const float* bias, float* out,
                  long stride, int pixels) {
    constexpr int NV = vectors_beside(CO);
    int q = 0;
    for (; q + NV * LANES <= pixels; q += NV * LANES) tile<CO, NV, ADD>(base + q, offset, rows, w, bias, out + q, stride);
    rest<CO, NV - 1, ADD>((pixels - q) / LANES, base + q, offset, rows, w, bias, out + q, stride);
}

// out[c][q] (+)= bias[c] + sum over r of w[r][c] * base[offset[r] + q], for q below `pixels` (a multiple of LANES).
template <bool ADD>
static void apply(const float* base, const std::vector<int>& offset, const float* packed, const float* bias,
                  int columns, float* out, long stride, int pixels) {
    const int rows = int(offset.size());
    Parts parts(columns, MOST_COLUMNS);
    for (int q = 0; q < pixels; q += STRIP) {
        const int n = pixels - q < STRIP ? pixels - q : STRIP;
        const float* w = packed;
        for (int b = 0, c = 0; b < parts.count; b++) {
            const int width = parts.size(b);
            const float* add = bias ? bias + c : nullptr;
            float* to = out + c * stride + q;
            switch (width) {
                case 1: strip<1, ADD>(base + q, offset.data(), rows, w, add, to, stride, n); break;
                case 2: strip<2, ADD>(base + q, offset.data(), rows, w, add, to, stride, n); break;
                case 3: strip<3, ADD>(base + q, offset.data(), rows, w, add, to, stride, n); break;
                case 4: strip<4, ADD>(base + q, offset.data(), rows, w, add, to, stride, n); break;
                case 5: strip<5, ADD>(base + q, offset.data(), rows, w, add, to, stride, n); break;
                default: strip<6, ADD>(base + q, offset.data(), rows, w, add, to, stride, n);
            }
            c += width;
            w += width * rows;
        }
    }
}

template <int CB, int RB>
static void dots(const float* d, long stride, const int* column, const float* base, const int* offset, const int* row,
                 int pixels, float* grad) {
    vf acc[CB * RB] = {};
    for (int q = 0; q < pixels; q += LANES) {
        vf left[CB];
#pragma GCC unroll 12
        for (int c = 0; c < CB; c++) left[c] = load(d + c * stride + q);
#pragma GCC unroll 12
        for (int r = 0; r < RB; r++) {
            vf right = load(base + offset[r] + q);
#pragma GCC unroll 12
            for (int c = 0; c < CB; c++) acc[c * RB + r] += left[c] * right;
        }
    }
    float sums[CB * RB];
    sums_of<CB * RB>(acc, sums);
#pragma GCC unroll 12
    for (int c = 0; c < CB; c++)
#pragma GCC unroll 12
        for (int r = 0; r < RB; r++) grad[column[c] + row[r]] += sums[c * RB + r];
}

template <int CB>
static void dots_of(int width, const float* d, long stride, const int* column, const float* base, const int* offset,
                    const int* row, int pixels, float* grad) {
    switch (width) {
        case 1: return dots<CB, 1>(d, stride, column, base, offset, row, pixels, grad);
        case 2: return dots<CB, 2>(d, stride, column, base, offset, row, pixels, grad);
        case 3: return dots<CB, 3>(d, stride, column, base, offset, row, pixels, grad);
        case 4: return dots<CB, 4>(d, stride, column, base, offset, row, pixels, grad);
        case 5: return dots<CB, 5>(d, stride, column, base, offset, row, pixels, grad);
        default: return dots<CB, 6>(d, stride, column, base, offset, row, pixels, grad);
    }
}

constexpr int MOST_LEFT = LANES == 16 ? 4 : 3;  // columns whose gradients are summed with up to 6 rows (4 where 3) at once

// grad[column[c] + row[r]] += sum over q of d[c][q] * base[offset[r] + q].
static void weight_gradient(const float* d, long stride, const std::vector<int>& columns, const float* base,
                            const std::vector<int>& offset, const std::vector<int>& rows, int pixels, float* grad) {
    const int n = int(columns.size()), width = n < MOST_LEFT ? n : MOST_LEFT;
    Parts down(int(rows.size()), LANES < 16 && width == 3 ? 4 : 6), across(n, width);
    for (int i = 0, r = 0; i < down.count; r += down.size(i), i++)
        for (int j = 0, c = 0; j < across.count; c += across.size(j), j++) {
            const float* left = d + c * stride;
            const int *column = columns.data() + c, *at = offset.data() + r, *row = rows.data() + r;
            switch (across.size(j)) {
                case 1: dots_of<1>(down.size(i), left, stride, column, base, at, row, pixels, grad); break;
                case 2: dots_of<2>(down.size(i), left, stride, column, base, at, row, pixels, grad); break;
                case 3: dots_of<3>(down.size(i), left, stride, column, base, at, row, pixels, grad); break;
                default: dots_of<4>(down.size(i), left, stride, column, base, at, row, pixels, grad);
            }
        }
}
