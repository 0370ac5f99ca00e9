// Vectors of floats in the compiler's own vector extension: AVX2, AVX-512 and NEON from one source.
#pragma once
#include <cstdint>
#include <cstring>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
constexpr int LANES = 16;
#else
constexpr int LANES = 8;
#endif

typedef float vf __attribute__((vector_size(LANES * 4)));
typedef int32_t vi __attribute__((vector_size(LANES * 4)));
typedef float vf_any __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

static inline vf load(const float* p) { return *reinterpret_cast<const vf_any*>(p); }
static inline void store(float* p, vf v) { *reinterpret_cast<vf_any*>(p) = v; }
static inline vf splat(float x) { return x - vf{}; }
static inline vi splat_int(int32_t x) { return x - vi{}; }
static inline vf pick(vi mask, vf yes, vf no) { return mask ? yes : no; }
static inline vf keep(vi mask, vf x) { return (vf)(mask & (vi)x); }
static inline vf largest(vf a, vf b) { return a > b ? a : b; }
static inline vf smallest(vf a, vf b) { return a < b ? a : b; }
static inline int round_up(int n, int to) { return (n + to - 1) / to * to; }

static inline vi lane_numbers() {
    vi out;
    for (int i = 0; i < LANES; i++) out[i] = i;
    return out;
}

static inline float sum(vf v) {
#if defined(__AVX512F__)
    return _mm512_reduce_add_ps((__m512)v);
#elif defined(__AVX2__)
    __m128 half = _mm_add_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
#else
    float total = 0;
    for (int i = 0; i < LANES; i++) total += v[i];
    return total;
#endif
}

#if defined(__AVX512F__)
// Lanes two (one) apart added, those of `a` and of `b` side by side in each quarter of the register.
static inline __m512 fold_2(__m512 a, __m512 b) {
    return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xee));
}
static inline __m512 fold_1(__m512 a, __m512 b) {
    return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd));
}
#endif

// out[i] = the sum of the lanes of v[i]: four at a time where the processor can, as a sum costs a dozen instructions.
template <int N>
static inline void sums_of(const vf* v, float* out) {
    int i = 0;
#if defined(__AVX512F__)
#pragma GCC unroll 8
    for (; i + 4 <= N; i += 4) {
        __m512 ab = fold_2((__m512)v[i], (__m512)v[i + 1]), cd = fold_2((__m512)v[i + 2], (__m512)v[i + 3]);
        __m512 four = fold_1(ab, cd);  // in each quarter of the register the sums over it of a, b, c and d
        __m256 half = _mm256_add_ps(_mm512_castps512_ps256(four), _mm512_extractf32x8_ps(four, 1));
        _mm_storeu_ps(out + i, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
    }
#endif
    for (; i < N; i++) out[i] = sum(v[i]);
}

static inline vf square_root(vf x) {
#if defined(__AVX512F__)
    return (vf)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX2__)
    return (vf)_mm256_sqrt_ps((__m256)x);
#else
    vf out;
    for (int i = 0; i < LANES; i++) out[i] = __builtin_sqrtf(x[i]);
    return out;
#endif
}

// e^x within 1.5 units in the last place; the argument is held to [-87, 88]. NaN stays NaN.
// x = n ln 2 + r with |r| <= ln 2 / 2; a minimax polynomial for e^r; 2^n by the exponent bits.
static inline vf exponential(vf x) {
    vi not_number = x != x;
    vf held = smallest(largest(x, splat(-87.0f)), splat(88.0f));
    vf shifted = held * 1.44269504f + 12582912.0f;
    vf n = shifted - 12582912.0f;
    vf r = held - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    vf p = splat(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    vf power = (vf)(((vi)shifted - 0x4B400000 + 127) << 23);
    return pick(not_number, x, p * power);
}

// tanh within a few units in the last place: an odd polynomial near zero, 1 - 2 / (e^2|x| + 1) beyond.
static inline vf hyperbolic_tangent(vf x) {
    vi sign = (vi)x & splat_int(INT32_MIN);
    vf size = (vf)((vi)x ^ sign);
    vf z = x * x;
    vf p = splat(-5.70498872745e-3f);
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    vf near = p * z * x + x;
    vf far = 1.0f - 2.0f / (exponential(smallest(size + size, splat(40.0f))) + 1.0f);
    far = (vf)((vi)far | sign);
    vf out = pick(size < 0.625f, near, far);
    return pick(x != x, x, out);
}

static inline vf logistic(vf x) { return 1.0f / (1.0f + exponential(-x)); }
