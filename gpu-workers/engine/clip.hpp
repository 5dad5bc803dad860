// One global gradient clip: all gradients together get a Euclidean norm of at most `largest`.
#pragma once

#include <cmath>

#include "vector.hpp"

namespace aira {

// A norm that is not finite makes the gradients NaN, so that the next loss shows it.
inline void clip_gradients(long count, float* gradients, float largest) {
  double total = 0;
  constexpr long kPiece = 4096;  // float sums stay short, the long sum is double
  for (long from = 0; from < count; from += kPiece) {
    const long to = from + kPiece < count ? from + kPiece : count;
    Vec squares{};
    long i = from;
    for (; i + kLanes <= to; i += kLanes) squares += load(gradients + i) * load(gradients + i);
    float rest = 0;
    for (; i < to; ++i) rest += gradients[i] * gradients[i];
    total += static_cast<double>(sum_lanes(squares)) + static_cast<double>(rest);
  }
  float factor = largest / (static_cast<float>(std::sqrt(total)) + 1e-6f);
  if (factor >= 1.0f) return;
  for (long i = 0; i < count; ++i) gradients[i] *= factor;
}

}  // namespace aira
