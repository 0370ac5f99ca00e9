// Multiply-adds on one core with nothing to load: 24 independent sums, which is more than the units' latency needs.
#include "simd.hpp"

constexpr int SUMS = 24;

// Floating-point operations done by `rounds` rounds of multiply-adds of floats; what the sums come to is put in `out`.
extern "C" double fma_operations(long rounds, float* out) {
    vf acc[SUMS], factor = splat(out[0]), term = splat(out[1]);
#pragma GCC unroll 24
    for (int i = 0; i < SUMS; i++) acc[i] = splat(float(i));
    for (long r = 0; r < rounds; r++) {
#pragma GCC unroll 24
        for (int i = 0; i < SUMS; i++) {
            acc[i] = acc[i] * factor + term;
            asm volatile("" : "+v"(acc[i]));
        }
    }
    vf total = acc[0];
#pragma GCC unroll 24
    for (int i = 1; i < SUMS; i++) total += acc[i];
    out[0] = sum(total);
    return 2.0 * LANES * SUMS * double(rounds);
}

// The same in products of bfloat16 that are summed as floats; 0 where the processor has none.
extern "C" double bf16_operations(long rounds, float* out) {
#if defined(__AVX512BF16__)
    __m512 acc[SUMS];
    __m512bh factor = _mm512_cvtne2ps_pbh(_mm512_set1_ps(out[0]), _mm512_set1_ps(out[0]));
#pragma GCC unroll 24
    for (int i = 0; i < SUMS; i++) acc[i] = _mm512_set1_ps(float(i));
    for (long r = 0; r < rounds; r++) {
#pragma GCC unroll 24
        for (int i = 0; i < SUMS; i++) {
            acc[i] = _mm512_dpbf16_ps(acc[i], factor, factor);
            asm volatile("" : "+v"(acc[i]));
        }
    }
    __m512 total = acc[0];
#pragma GCC unroll 24
    for (int i = 1; i < SUMS; i++) total = _mm512_add_ps(total, acc[i]);
    out[0] = _mm512_reduce_add_ps(total);
    return 2.0 * 32 * SUMS * double(rounds);
#else
    (void)rounds, (void)out;
    return 0;
#endif
}
