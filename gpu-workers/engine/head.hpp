// Final norm, head and cross-entropy on the rows that carry targets, forward and backward in one pass: the gradient of
// the loss starts here.
#pragma once

#include "dense.hpp"
#include "norm.hpp"
#include "shape.hpp"

namespace aira {

struct Head {
  Dense matrix;
  const float* gain = nullptr;
  float* gain_gradient = nullptr;
  float *normed = nullptr, *scale = nullptr, *logits = nullptr, *dnormed = nullptr;

  void place(Arena& arena, const Shape& s, long most_rows) {
    matrix.shape(s.width, {s.vocabulary});
    matrix.place(arena);
    normed = arena.floats(most_rows * s.width);
    scale = arena.floats(most_rows);
    logits = arena.floats(most_rows * matrix.wide);
    dnormed = arena.floats(most_rows * s.width);
  }

  // rows (count, width) -> logits (count, wide).
  void forward(const Shape& s, long count, const float* rows) {
    norm_forward(count, s.width, rows, s.width, gain, normed, scale);
    product(count, matrix.wide, s.width, normed, s.width, matrix.weights(), matrix.wide, logits, matrix.wide);
  }

  // The token with the largest logit of each row, the first among equals.
  void answers(const Shape& s, long count, int32_t* best) const {
    for (long i = 0; i < count; ++i) best[i] = first_largest(logits + i * matrix.wide, s.vocabulary);
  }

  // Per row: loss in nats and whether the answer is right. Turns the logits into their gradient under
  // sum over rows of weight x loss, and writes the gradient of `rows`.
  void backward(const Shape& s, long count, const float* rows, const int32_t* labels, const float* weights,
                float* losses, float* hits, float* drows) {
    const long wide = matrix.wide;
    for (long i = 0; i < count; ++i) {
      float* z = logits + i * wide;
      const int32_t label = labels[i];
      hits[i] = first_largest(z, s.vocabulary) == label ? 1.0f : 0.0f;
      for (long c = s.vocabulary; c < wide; ++c) z[c] = -1e30f;  // padding: no probability
      Vec most = load(z);
      for (long c = kLanes; c < wide; c += kLanes) most = larger(most, load(z + c));
      const float top = max_lanes(most), own = z[label];
      Vec sum{};
      for (long c = 0; c < wide; c += kLanes) {
        const Vec e = exp(load(z + c) - top);
        sum += e;
        store(z + c, e);
      }
      const float total = sum_lanes(sum), share = weights[i] / total;
      losses[i] = std::log(total) + (top - own);
      for (long c = 0; c < wide; c += kLanes) store(z + c, load(z + c) * share);
      z[label] -= weights[i];
    }
    add_transposed_product(s.width, wide, count, normed, s.width, logits, wide, matrix.gradient, wide);
    product(count, s.width, s.vocabulary, logits, wide, matrix.transposed, s.width, dnormed, s.width);
    std::memset(drows, 0, static_cast<size_t>(count * s.width) * sizeof(float));
    norm_backward(count, s.width, rows, s.width, scale, gain, dnormed, drows, s.width, gain_gradient);
  }

 private:
  static int32_t first_largest(const float* z, long count) {
    long best = 0;
    for (long c = 1; c < count; ++c)
      if (z[c] > z[best]) best = c;
    return static_cast<int32_t>(best);
  }
};

}  // namespace aira
