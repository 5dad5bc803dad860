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
    input.apply(tokens, w.normed, s.width, hidden, input.wide);
    for (long i = 0; i < tokens; ++i) {
      const float* gate = hidden + i * input.wide;
      for (long c = 0; c < inner; c += kLanes) {
        const long at = tail(c, inner);
        const Vec g = load(gate + at);
        store(w.wide_a + i * act + at, g * sigmoid(g) * load(gate + inner + at));
      }
    }
    output.apply_plus(tokens, w.wide_a, act, x, s.width, y, s.width);
  }

  // dx holds the gradient of the layer's output and leaves with that of its input.
  void backward(const Shape& s, Scratch& w, long tokens, const float* x, float* dx) {
    const long inner = s.ffn_inner, act = padded(inner);
    float *gated = w.wide_a, *dgated = w.wide_b, *dhidden = w.wide_c;
    output.apply_transposed(tokens, dx, s.width, dgated, act);
    for (long i = 0; i < tokens; ++i) {
      const float* z = hidden + i * input.wide;
      float* dz = dhidden + i * input.wide;
      for (long c = 0; c < inner; c += kLanes) {
        const long at = tail(c, inner);
        const Vec g = load(z + at), up = load(z + inner + at), d = load(dgated + i * act + at);
        const Vec open = sigmoid(g), silu = g * open;
        store(gated + i * act + at, silu * up);
        store(dz + inner + at, d * silu);
        store(dz + at, d * up * silu_slope(silu, open));
      }
    }
    output.add_gradient(tokens, gated, act, dx, s.width);
    norm_again(s, w, tokens, x);
    input.add_gradient(tokens, w.normed, s.width, dhidden, input.wide);
    input.apply_transposed(tokens, dhidden, input.wide, w.narrow, s.width);
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
