// mA: causal multi-head attention with rotary positions. Keeps rotated q and k, v, the probabilities (transposed,
// [source][target]) and the mixed values; recomputes the norm.
#pragma once

#include <limits>

#include "causal.hpp"
#include "dense.hpp"
#include "norm.hpp"
#include "rotary.hpp"
#include "shape.hpp"

namespace aira {

struct Attention {
  Dense input, output;
  const float *gain = nullptr, *input_bias = nullptr, *output_bias = nullptr;
  float *gain_gradient = nullptr, *input_bias_gradient = nullptr, *output_bias_gradient = nullptr;
  float* scale = nullptr;                          // (tokens)
  float *q = nullptr, *k = nullptr, *v = nullptr;  // (sequences, heads, length, padded head)
  float* weights = nullptr;                        // (sequences, heads, length, length)
  float* mixed = nullptr;                          // (tokens, width)

  void place(Arena& arena, const Shape& s, long tokens) {
    const long sequences = tokens / s.length, head = s.width / s.heads;
    input.shape(s.width, {3L * s.width});
    output.shape(s.width, {s.width});
    input.place(arena);
    output.place(arena);
    scale = arena.floats(tokens);
    q = arena.floats(tokens * s.heads * padded(head));
    k = arena.floats(tokens * s.heads * padded(head));
    v = arena.floats(tokens * s.heads * padded(head));
    weights = arena.floats(sequences * s.heads * s.length * s.length);
    mixed = arena.floats(tokens * s.width);
  }

  void forward(const Shape& s, const Rotary& rotary, Scratch& w, long tokens, const float* x, float* y) {
    const long width = s.width, length = s.length, head = width / s.heads, wide_head = padded(head);
    float* qkv = w.wide_a;
    norm_forward(tokens, width, x, width, gain, w.normed, scale);
    if (input_bias)
      input.apply_plus(tokens, w.normed, width, input_bias, 0, qkv, input.wide);
    else
      input.apply(tokens, w.normed, width, qkv, input.wide);
    for (long n = 0; n < tokens / length; ++n) {
      for (long h = 0; h < s.heads; ++h) {
        const long at = (n * s.heads + h) * length;
        float *qh = q + at * wide_head, *kh = k + at * wide_head, *vh = v + at * wide_head;
        for (long t = 0; t < length; ++t) {
          const float* row = qkv + (n * length + t) * input.wide + h * head;
          rotate(head / 2, row, rotary.cos + t * head, rotary.sin + t * head, qh + t * wide_head);
          rotate(head / 2, row + width, rotary.cos + (length + t) * head, rotary.sin + (length + t) * head,
                 kh + t * wide_head);
          std::memcpy(vh + t * wide_head, row + 2 * width, static_cast<size_t>(head) * sizeof(float));
        }
        float* square = weights + at * length;
        transpose(length, head, qh, wide_head, w.tall_a, length);
        causal_scores(length, head, kh, wide_head, w.tall_a, square);
        softmax(length, square);
        float* out = mixed + n * length * width + h * head;
        if (head == wide_head) {
          gather_past(length, head, square, vh, head, out, width);
        } else {
          gather_past(length, wide_head, square, vh, wide_head, w.tall_b, wide_head);
          copy_rows(length, head, w.tall_b, wide_head, out, width);
        }
      }
    }
    output.apply_plus(tokens, mixed, width, x, width, y, width);
    if (output_bias)
      for (long i = 0; i < tokens; ++i)
        for (long c = 0; c < width; c += kLanes)
          store(y + i * width + c, load(y + i * width + c) + load(output_bias + c));
  }

  void backward(const Shape& s, const Rotary& rotary, Scratch& w, long tokens, const float* x, float* dx) {
    const long width = s.width, length = s.length, head = width / s.heads, wide_head = padded(head);
    float *dmixed = w.narrow, *dqkv = w.wide_a;
    output.apply_transposed(tokens, dx, width, dmixed, width);
    output.add_gradient(tokens, mixed, width, dx, width);
    if (output_bias) add_column_sums(tokens, width, dx, width, output_bias_gradient);
    for (long n = 0; n < tokens / length; ++n) {
      for (long h = 0; h < s.heads; ++h) {
        const long at = (n * s.heads + h) * length;
        const float *qh = q + at * wide_head, *kh = k + at * wide_head, *vh = v + at * wide_head;
        const float* square = weights + at * length;
        const float* dout = dmixed + n * length * width + h * head;
        float *dsquare = w.square_a, *out = w.tall_b;
        transpose(length, head, dout, width, w.tall_a, length);
        causal_scores(length, head, vh, wide_head, w.tall_a, dsquare);
        softmax_backward(length, square, dsquare);
        float* rows = dqkv + n * length * input.wide + h * head;
        gather_past(length, wide_head, dsquare, kh, wide_head, out, wide_head);
        for (long t = 0; t < length; ++t)
          rotate_back(head / 2, out + t * wide_head, rotary.cos + t * head, rotary.sin + t * head,
                      rows + t * input.wide);
        gather_future(length, wide_head, dsquare, qh, wide_head, out, wide_head);
        for (long t = 0; t < length; ++t)
          rotate_back(head / 2, out + t * wide_head, rotary.cos + (length + t) * head, rotary.sin + (length + t) * head,
                      rows + t * input.wide + width);
        gather_future(length, wide_head, square, dout, width, out, wide_head);
        copy_rows(length, head, out, wide_head, rows + 2 * width, input.wide);
      }
    }
    if (input_bias) add_column_sums(tokens, 3 * width, dqkv, input.wide, input_bias_gradient);
    norm_forward(tokens, width, x, width, gain, w.normed, scale);
    input.add_gradient(tokens, w.normed, width, dqkv, input.wide);
    input.apply_transposed(tokens, dqkv, input.wide, w.narrow, width);
    norm_backward(tokens, width, x, width, scale, gain, w.narrow, dx, width, gain_gradient);
  }

 private:
  static void copy_rows(long rows, long count, const float* from, long ldfrom, float* to, long ldto) {
    for (long i = 0; i < rows; ++i)
      std::memcpy(to + i * ldto, from + i * ldfrom, static_cast<size_t>(count) * sizeof(float));
  }

  static void add_column_sums(long rows, long columns, const float* from, long ldfrom, float* sums) {
    for (long i = 0; i < rows; ++i)
      for (long c = 0; c < columns; c += kLanes) store(sums + c, load(sums + c) + load(from + i * ldfrom + c));
  }

  // Over the sources of each target; what lies in the future becomes exactly zero.
  static void softmax(long length, float* square) {
    const IntVec lanes = lane_numbers();
    for (long t = 0; t < length; t += kLanes) {
      const long sources = t + kLanes;
      const Vec never = splat(-std::numeric_limits<float>::infinity());
      Vec most = load(square + t);
      for (long j = 1; j < sources; ++j) {
        Vec score = load(square + j * length + t);
        if (j > t) score = lanes + static_cast<int32_t>(t - j) < 0 ? never : score;
        most = larger(most, score);
      }
      Vec sum{};
      for (long j = 0; j < sources; ++j) {
        float* at = square + j * length + t;
        Vec e = exp(load(at) - most);
        if (j > t) e = lanes + static_cast<int32_t>(t - j) < 0 ? Vec{} : e;
        sum += e;
        store(at, e);
      }
      const Vec share = 1.0f / sum;
      for (long j = 0; j < sources; ++j) store(square + j * length + t, load(square + j * length + t) * share);
      // With vectors shorter than a block, the rest of the diagonal block lies wholly in the future.
      for (long j = sources; j < t / kBlock * kBlock + kBlock; ++j) store(square + j * length + t, Vec{});
    }
  }

  // dsquare: from the gradient of the probabilities to that of the scores.
  static void softmax_backward(long length, const float* square, float* dsquare) {
    for (long t = 0; t < length; t += kLanes) {
      const long sources = t / kBlock * kBlock + kBlock;
      Vec along{};
      for (long j = 0; j < sources; ++j) along += load(square + j * length + t) * load(dsquare + j * length + t);
      for (long j = 0; j < sources; ++j) {
        float* at = dsquare + j * length + t;
        store(at, load(square + j * length + t) * (load(at) - along));
      }
    }
  }
};

}  // namespace aira
