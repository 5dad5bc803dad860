// Vectors of AIRA_LANES floats as the compiler's own vector type, and the elementary functions the layers need.
//
// No intrinsics: the same text becomes AVX-512 or AVX2 code by -march. Every function keeps NaN a NaN, because the loss
// is where a training that blew up is noticed.
#pragma once

#include <cstdint>
#include <cstring>

#ifndef AIRA_LANES
#error "AIRA_LANES (8 or 16) must be given by the build"
#endif

namespace aira {

constexpr int kLanes = AIRA_LANES;

typedef float Vec __attribute__((vector_size(4 * AIRA_LANES)));
typedef int32_t IntVec __attribute__((vector_size(4 * AIRA_LANES)));
typedef float UnalignedVec __attribute__((vector_size(4 * AIRA_LANES), aligned(4), may_alias));

inline Vec load(const float* p) { return *reinterpret_cast<const UnalignedVec*>(p); }
inline void store(float* p, Vec v) { *reinterpret_cast<UnalignedVec*>(p) = v; }
inline Vec splat(float a) { return a - Vec{}; }
inline Vec larger(Vec a, Vec b) { return a < b ? b : a; }

inline IntVec lane_numbers() {
  IntVec lanes;
  for (int i = 0; i < kLanes; ++i) lanes[i] = i;
  return lanes;
}

// Sum over the lanes, by halves so that rounding does not grow with the width.
inline float sum_lanes(Vec v) {
  typedef float Four __attribute__((vector_size(16)));
  Four parts[kLanes / 4];
  std::memcpy(parts, &v, sizeof v);
  Four s = parts[0];
  for (int i = 1; i < kLanes / 4; ++i) s += parts[i];
  return (s[0] + s[2]) + (s[1] + s[3]);
}

inline float max_lanes(Vec v) {
  float m = v[0];
  for (int i = 1; i < kLanes; ++i) m = v[i] > m ? v[i] : m;
  return m;
}

// e^x = 2^n e^r with |r| <= ln(2)/2 and the Taylor series of e^r to r^7 / 5040: remainder below 6e-9. Arguments are
// clamped to [-87, 88], where both 2^n and the result are normal numbers.
inline Vec exp(Vec x) {
  x = x < -87.0f ? splat(-87.0f) : x;
  x = x > 88.0f ? splat(88.0f) : x;
  const Vec magic = splat(12582912.0f);  // 1.5 * 2^23: adding and subtracting it rounds to an integer
  const Vec n = (x * 1.44269504088896341f + magic) - magic;
  const Vec r = (x - n * 0.693145751953125f) - n * 1.42860682030941723e-6f;
  Vec p = splat(1.98412698e-4f);
  p = p * r + 1.38888889e-3f;
  p = p * r + 8.33333333e-3f;
  p = p * r + 4.16666667e-2f;
  p = p * r + 1.66666667e-1f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const IntVec bits = (__builtin_convertvector(n, IntVec) + 127) << 23;
  Vec scale;
  std::memcpy(&scale, &bits, sizeof scale);
  return p * scale;
}

inline Vec sigmoid(Vec x) { return 1.0f / (1.0f + exp(-x)); }

// The derivative of silu(x) = x sigmoid(x), given both.
inline Vec silu_slope(Vec silu, Vec open) { return silu + open * (1.0f - silu); }

// log(1 + e^x) = max(x, 0) + log1p(e^-|x|), and log1p(e) = 2 atanh(e / (2 + e)) whose argument is at most 1/3.
inline Vec softplus(Vec x) {
  const Vec e = exp(x < 0.0f ? x : -x);
  const Vec s = e / (2.0f + e);
  const Vec q = s * s;
  Vec p = splat(1.0f / 15);
  p = p * q + 1.0f / 13;
  p = p * q + 1.0f / 11;
  p = p * q + 1.0f / 9;
  p = p * q + 1.0f / 7;
  p = p * q + 1.0f / 5;
  p = p * q + 1.0f / 3;
  p = p * q + 1.0f;
  return (x < 0.0f ? Vec{} : x) + 2.0f * s * p;
}

// Gauss error function, Abramowitz and Stegun 7.1.26: absolute error at most 1.5e-7. `gauss` is e^(-x^2).
inline Vec erf_given(Vec x, Vec gauss) {
  const Vec a = x < 0.0f ? -x : x;
  const Vec t = 1.0f / (1.0f + 0.3275911f * a);
  Vec p = splat(1.061405429f);
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const Vec positive = 1.0f - p * t * gauss;
  return x < 0.0f ? -positive : positive;
}

constexpr long padded(long count) { return (count + kLanes - 1) / kLanes * kLanes; }

}  // namespace aira
