// RMS norm y = x / sqrt(mean(x^2) + 1e-5), optionally times a gain per feature. Widths are whole vectors.
#pragma once

#include <cmath>

#include "vector.hpp"

namespace aira {

constexpr float kNormEps = 1e-5f;

// y (rows, width) and scale (rows), the reciprocal root of each row.
inline void norm_forward(long rows, long width, const float* x, long ldx, const float* gain, float* y, float* scale) {
  for (long i = 0; i < rows; ++i, x += ldx, y += width) {
    Vec squares{};
    for (long c = 0; c < width; c += kLanes) squares += load(x + c) * load(x + c);
    const float s = 1.0f / std::sqrt(sum_lanes(squares) / static_cast<float>(width) + kNormEps);
    scale[i] = s;
    for (long c = 0; c < width; c += kLanes) {
      const Vec normed = load(x + c) * s;
      store(y + c, gain ? normed * load(gain + c) : normed);
    }
  }
}

// dx += gradient of the norm, given dy and the scale of the forward pass; gain_gradient += its share.
inline void norm_backward(long rows, long width, const float* x, long ldx, const float* scale, const float* gain,
                          const float* dy, float* dx, long lddx, float* gain_gradient) {
  for (long i = 0; i < rows; ++i, x += ldx, dy += width, dx += lddx) {
    const float s = scale[i];
    Vec along{};
    for (long c = 0; c < width; c += kLanes) {
      const Vec normed = load(x + c) * s;
      const Vec g = load(dy + c);
      if (gain) store(gain_gradient + c, load(gain_gradient + c) + g * normed);
      along += (gain ? g * load(gain + c) : g) * normed;
    }
    const float mean = sum_lanes(along) / static_cast<float>(width);
    for (long c = 0; c < width; c += kLanes) {
      const Vec g = gain ? load(dy + c) * load(gain + c) : load(dy + c);
      store(dx + c, load(dx + c) + s * (g - load(x + c) * (s * mean)));
    }
  }
}

}  // namespace aira
