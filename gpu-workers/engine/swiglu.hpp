// M: x + out(silu(gate(h)) * up(h)), h = norm(x). Keeps gate and up; recomputes norm and activation.
#pragma once

#include "dense.hpp"
#include "norm.hpp"
#include "shape.hpp"

namespace aira {

struct Swiglu {
  Dense input, output;
  const float* gain = nullptr;
  float* gain_gradient = nullptr;
  float *scale = nullptr, *hidden = nullptr;  // (tokens), (tokens, 2 inner)

  void place(Arena& arena, const Shape& s, long tokens) {
    input.shape(s.width, {2L * s.ffn_inner});
    output.shape(s.ffn_inner, {s.width});
    input.place(arena);
    output.place(arena);
    scale = arena.floats(tokens);
    hidden = arena.floats(tokens * input.wide);
  }

  void forward(const Shape& s, Scratch& w, long tokens, const float* x, float* y) {
    const long inner = s.ffn_inner, act = padded(inner);
    norm_forward(tokens, s.width, x, s.width, gain, w.normed, scale);
    product(tokens, input.wide, s.width, w.normed, s.width, input.weights(), input.wide, hidden, input.wide);
    for (long i = 0; i < tokens; ++i) {
      const float* gate = hidden + i * input.wide;
      for (long c = 0; c < inner; c += kLanes) {
        const long at = tail(c, inner);
        const Vec g = load(gate + at);
        store(w.wide_a + i * act + at, g * sigmoid(g) * load(gate + inner + at));
      }
    }
    product_plus(tokens, s.width, inner, w.wide_a, act, output.weights(), s.width, x, s.width, y, s.width);
  }

  // dx holds the gradient of the layer's output and leaves with that of its input.
  void backward(const Shape& s, Scratch& w, long tokens, const float* x, float* dx) {
    const long inner = s.ffn_inner, act = padded(inner);
    float *gated = w.wide_a, *dgated = w.wide_b, *dhidden = w.wide_c;
    product(tokens, act, s.width, dx, s.width, output.transposed, output.transposed_width(), dgated, act);
    for (long i = 0; i < tokens; ++i) {
      const float* z = hidden + i * input.wide;
      float* dz = dhidden + i * input.wide;
      for (long c = 0; c < inner; c += kLanes) {
        const long at = tail(c, inner);
        const Vec g = load(z + at), up = load(z + inner + at), d = load(dgated + i * act + at);
        const Vec open = sigmoid(g), silu = g * open;
        store(gated + i * act + at, silu * up);
        store(dz + inner + at, d * silu);
        // d silu / d gate = silu + sigmoid (1 - silu)
        store(dz + at, d * up * (silu + open * (1.0f - silu)));
      }
    }
    add_transposed_product(inner, s.width, tokens, gated, act, dx, s.width, output.gradient, s.width);
    norm_again(s, w, tokens, x);
    add_transposed_product(s.width, input.wide, tokens, w.normed, s.width, dhidden, input.wide, input.gradient,
                           input.wide);
    product(tokens, s.width, 2 * inner, dhidden, input.wide, input.transposed, s.width, w.narrow, s.width);
    norm_backward(tokens, s.width, x, s.width, scale, gain, w.narrow, dx, s.width, gain_gradient);
  }

 private:
  // The last vector overlaps the one before it rather than reach into the other half; inner is at least one vector.
  static long tail(long c, long inner) { return c + kLanes <= inner ? c : inner - kLanes; }
  void norm_again(const Shape& s, Scratch& w, long tokens, const float* x) {
    norm_forward(tokens, s.width, x, s.width, gain, w.normed, scale);
  }
};

}  // namespace aira
