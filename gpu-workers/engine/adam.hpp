// Adam (arXiv 1412.6980) with decoupled weight decay (AdamW, arXiv 1711.05101) over one flat range.
#pragma once

#include <cmath>

#include "arena.hpp"
#include "vector.hpp"

namespace aira {

struct AdamRates {
  double lr, beta1, beta2, eps, weight_decay;
};

struct Adam {
  float *mean = nullptr, *square = nullptr;
  long steps = 0;

  void place(Arena& arena, long count) {
    mean = arena.floats(count);
    square = arena.floats(count);
  }

  void step(long count, float* values, const float* gradients, const AdamRates& rates) {
    ++steps;
    const double n = static_cast<double>(steps);
    const float size = static_cast<float>(rates.lr / (1 - std::pow(rates.beta1, n)));
    const float root = static_cast<float>(std::sqrt(1 - std::pow(rates.beta2, n)));
    const float keep = static_cast<float>(1 - rates.lr * rates.weight_decay);
    const float b1 = static_cast<float>(rates.beta1), b2 = static_cast<float>(rates.beta2);
    const float c1 = static_cast<float>(1 - rates.beta1), c2 = static_cast<float>(1 - rates.beta2);
    const float eps = static_cast<float>(rates.eps);
    for (long i = 0; i < count; ++i) {
      const float g = gradients[i];
      mean[i] = mean[i] * b1 + c1 * g;
      square[i] = square[i] * b2 + c2 * g * g;
      values[i] = values[i] * keep - size * mean[i] / (std::sqrt(square[i]) / root + eps);
    }
  }
};

}  // namespace aira
