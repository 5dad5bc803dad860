// The compression decoders: from the state at a sequence's last position to one hidden row per position.
//
// kLearnedCode: rows = norm(state) + code, then rows + narrow(gelu(widen(rows))).
// kSinusoidal: rows = state + fixed code, then twice gelu(matrix(norm(rows))) (the decoder of arXiv 2403.17844).
#pragma once

#include "dense.hpp"
#include "norm.hpp"
#include "shape.hpp"

namespace aira {

struct Decoder {
  Dense first, second;
  const float* code = nullptr;     // (length, width): learned, or the fixed table of the host
  float* code_gradient = nullptr;  // null when fixed
  float *state = nullptr, *rows = nullptr, *before = nullptr, *acted = nullptr, *middle = nullptr, *out = nullptr;
  float *before_second = nullptr, *scale = nullptr, *drows = nullptr, *dwide = nullptr, *dstate = nullptr;
  float *state_scale = nullptr, *normed = nullptr;

  void place(Arena& arena, const Shape& s) {
    const long length = s.length, wide = padded(s.decoder_inner);
    first.shape(s.width, {s.decoder_inner});
    second.shape(s.decoder_inner, {s.width});
    first.place(arena);
    second.place(arena);
    state = arena.floats(s.width);
    state_scale = arena.floats(1);
    rows = arena.floats(length * s.width);
    before = arena.floats(length * wide);
    acted = arena.floats(length * wide);
    middle = arena.floats(length * s.width);
    out = arena.floats(length * s.width);
    before_second = arena.floats(length * s.width);
    scale = arena.floats(length);
    drows = arena.floats(length * s.width);
    dwide = arena.floats(length * wide);
    dstate = arena.floats(s.width);
    normed = arena.floats(length * s.width);
  }

  // last (width) -> out (length, width).
  void forward(const Shape& s, const float* last) {
    const long width = s.width, length = s.length, wide = first.wide;
    const bool learned = static_cast<DecoderKind>(s.decoder) == DecoderKind::kLearnedCode;
    if (learned)
      norm_forward(1, width, last, width, nullptr, state, state_scale);
    else
      std::memcpy(state, last, static_cast<size_t>(width) * sizeof(float));
    for (long t = 0; t < length; ++t)
      for (long c = 0; c < width; c += kLanes)
        store(rows + t * width + c, load(state + c) + load(code + t * width + c));
    if (learned) {
      product(length, wide, width, rows, width, first.weights(), wide, before, wide);
      gelu(length * wide, before, acted);
      product_plus(length, width, s.decoder_inner, acted, wide, second.weights(), width, rows, width, out, width);
      return;
    }
    norm_forward(length, width, rows, width, nullptr, normed, scale);
    product(length, wide, width, normed, width, first.weights(), wide, before, wide);
    gelu(length * wide, before, middle);
    norm_forward(length, width, middle, width, nullptr, normed, scale);
    product(length, width, width, normed, width, second.weights(), width, before_second, width);
    gelu(length * width, before_second, out);
  }

  // dout (length, width), overwritten -> dlast (width) += gradient of the state.
  void backward(const Shape& s, const float* last, float* dout, float* dlast) {
    const long width = s.width, length = s.length, wide = first.wide;
    if (static_cast<DecoderKind>(s.decoder) == DecoderKind::kLearnedCode) {
      product(length, wide, width, dout, width, second.transposed, second.transposed_width(), dwide, wide);
      add_transposed_product(s.decoder_inner, width, length, acted, wide, dout, width, second.gradient, width);
      gelu_backward(length * wide, before, dwide);
      add_transposed_product(width, wide, length, rows, width, dwide, wide, first.gradient, wide);
      product_plus(length, width, s.decoder_inner, dwide, wide, first.transposed, width, dout, width, drows, width);
      for (long i = 0; i < length * width; i += kLanes)
        store(code_gradient + i, load(code_gradient + i) + load(drows + i));
      sum_rows(length, width);
      norm_backward(1, width, last, width, state_scale, nullptr, dstate, dlast, width, nullptr);
      return;
    }
    gelu_backward(length * width, before_second, dout);
    norm_forward(length, width, middle, width, nullptr, normed, scale);
    add_transposed_product(width, width, length, normed, width, dout, width, second.gradient, width);
    product(length, width, width, dout, width, second.transposed, width, dwide, width);
    std::memset(drows, 0, static_cast<size_t>(length * width) * sizeof(float));
    norm_backward(length, width, middle, width, scale, nullptr, dwide, drows, width, nullptr);
    gelu_backward(length * width, before, drows);
    norm_forward(length, width, rows, width, nullptr, normed, scale);
    add_transposed_product(width, width, length, normed, width, drows, width, first.gradient, width);
    product(length, width, width, drows, width, first.transposed, width, dwide, width);
    std::memset(drows, 0, static_cast<size_t>(length * width) * sizeof(float));
    norm_backward(length, width, rows, width, scale, nullptr, dwide, drows, width, nullptr);
    sum_rows(length, width);
    for (long c = 0; c < width; ++c) dlast[c] += dstate[c];
  }

 private:
  void sum_rows(long length, long width) {
    for (long c = 0; c < width; c += kLanes) {
      Vec sum{};
      for (long t = 0; t < length; ++t) sum += load(drows + t * width + c);
      store(dstate + c, sum);
    }
  }
  // x (1 + erf(x / sqrt 2)) / 2
  static void gelu(long count, const float* x, float* y) {
    for (long i = 0; i < count; i += kLanes) {
      const Vec v = load(x + i), u = v * 0.70710678118654752f;
      store(y + i, v * 0.5f * (1.0f + erf_given(u, exp(-u * u))));
    }
  }
  // dy -> dy times the derivative at x: (1 + erf) / 2 + x times the normal density.
  static void gelu_backward(long count, const float* x, float* dy) {
    for (long i = 0; i < count; i += kLanes) {
      const Vec v = load(x + i), u = v * 0.70710678118654752f, gauss = exp(-u * u);
      store(dy + i, load(dy + i) * (0.5f * (1.0f + erf_given(u, gauss)) + v * 0.39894228040143268f * gauss));
    }
  }
};

}  // namespace aira
