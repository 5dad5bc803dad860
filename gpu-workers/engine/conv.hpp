// Depthwise causal convolution over time, y_t = bias + sum over lag of weight[taps - 1 - lag] x_{t - lag}, within one
// sequence. Channels are whole vectors.
#pragma once

#include "vector.hpp"

namespace aira {

constexpr long kMostTaps = 8;

inline void conv_forward(long length, long channels, long taps, const float* weight, const float* bias, const float* x,
                         long ldx, float* y) {
  for (long t = 0; t < length; ++t)
    for (long c = 0; c < channels; c += kLanes) {
      Vec sum = load(bias + c);
      for (long lag = 0; lag < taps && lag <= t; ++lag)
        sum += load(weight + (taps - 1 - lag) * channels + c) * load(x + (t - lag) * ldx + c);
      store(y + t * channels + c, sum);
    }
}

// dx = gradient of the input; the gradients of weight and bias are added to.
inline void conv_backward(long length, long channels, long taps, const float* weight, const float* x, long ldx,
                          const float* dy, float* dx, long lddx, float* dweight, float* dbias) {
  for (long c = 0; c < channels; c += kLanes) {
    Vec sums[kMostTaps] = {}, all{};
    for (long t = 0; t < length; ++t) {
      const Vec here = load(dy + t * channels + c);
      Vec back{};
      all += here;
      for (long lag = 0; lag < taps; ++lag) {
        if (lag <= t) sums[lag] += here * load(x + (t - lag) * ldx + c);
        if (t + lag < length)
          back += load(weight + (taps - 1 - lag) * channels + c) * load(dy + (t + lag) * channels + c);
      }
      store(dx + t * lddx + c, back);
    }
    store(dbias + c, load(dbias + c) + all);
    for (long lag = 0; lag < taps; ++lag) {
      float* at = dweight + (taps - 1 - lag) * channels + c;
      store(at, load(at) + sums[lag]);
    }
  }
}

}  // namespace aira
