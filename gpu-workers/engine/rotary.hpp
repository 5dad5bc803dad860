// Rotary positions over a whole head: features i and i + half turn together by an angle per position.
#pragma once

#include "vector.hpp"

namespace aira {

// out = x * cos + roll(x, half) * sin for one token; the tables carry the sign and, for queries, the scale.
inline void rotate(long half, const float* x, const float* cos, const float* sin, float* out) {
  for (long i = 0; i < half; ++i) {
    const float low = x[i], high = x[i + half];
    out[i] = low * cos[i] + high * sin[i];
    out[i + half] = high * cos[i + half] + low * sin[i + half];
  }
}

// The transpose of `rotate`: from the gradient of its output to that of its input.
inline void rotate_back(long half, const float* dout, const float* cos, const float* sin, float* dx) {
  for (long i = 0; i < half; ++i) {
    const float low = dout[i], high = dout[i + half];
    dx[i] = low * cos[i] + high * sin[i + half];
    dx[i + half] = high * cos[i + half] + low * sin[i];
  }
}

}  // namespace aira
