// Mb: Mamba-2 with one B/C group. The state space is one masked quadratic form over the whole sequence,
// y_t = sum over s <= t of (C_t . B_s) exp(cs_t - cs_s) dt_s x_s, cs the running sum of -dt exp(a) (arXiv 2405.21060,
// section 6). Keeps the input product with silu(z) in the place of z, the convolution after its SiLU, the sigmoids of
// both, y, dt, the decays and C B^T.
#pragma once

#include "causal.hpp"
#include "conv.hpp"
#include "dense.hpp"
#include "norm.hpp"
#include "shape.hpp"

namespace aira {

struct Mamba2 {
  Dense input, output;
  const float *gain = nullptr, *conv = nullptr, *conv_bias = nullptr, *dt_bias = nullptr, *a = nullptr, *skip = nullptr;
  float* gain_gradient = nullptr;
  float *conv_gradient = nullptr, *conv_bias_gradient = nullptr, *dt_bias_gradient = nullptr, *a_gradient = nullptr,
        *skip_gradient = nullptr;
  long inner = 0, state = 0, channels = 0, dt_at = 0;  // padded widths and the column where dt starts
  // Padded copies of the small parameters and their gradients.
  float *taps = nullptr, *taps_gradient = nullptr, *bias = nullptr, *bias_gradient = nullptr, *dt_shift = nullptr,
        *dt_shift_gradient = nullptr;
  float *scale = nullptr, *mixed = nullptr, *acted = nullptr, *y = nullptr, *gate_scale = nullptr;
  float *conv_open = nullptr, *gate_open = nullptr;  // sigmoids: (tokens, channels), (tokens, inner)
  float *dt = nullptr, *running = nullptr;           // (sequences, heads, length)
  float *decay = nullptr, *gram = nullptr;           // (sequences, heads, length, length), (sequences, length, length)

  void place(Arena& arena, const Shape& s, long tokens) {
    const long sequences = tokens / s.length;
    inner = s.ssm_inner;
    state = padded(s.ssm_state);
    channels = inner + 2 * state;
    dt_at = inner + channels;
    input.shape(s.width, {s.ssm_inner, s.ssm_inner, s.ssm_state, s.ssm_state, s.ssm_heads});
    output.shape(s.ssm_inner, {s.width});
    input.place(arena);
    output.place(arena);
    taps = arena.floats(s.ssm_conv * channels);
    taps_gradient = arena.floats(s.ssm_conv * channels);
    bias = arena.floats(channels);
    bias_gradient = arena.floats(channels);
    dt_shift = arena.floats(padded(s.ssm_heads));
    dt_shift_gradient = arena.floats(padded(s.ssm_heads));
    scale = arena.floats(tokens);
    mixed = arena.floats(tokens * input.wide);
    conv_open = arena.floats(tokens * channels);
    gate_open = arena.floats(tokens * inner);
    acted = arena.floats(tokens * channels);
    y = arena.floats(tokens * inner);
    gate_scale = arena.floats(tokens);
    dt = arena.floats(tokens * s.ssm_heads);
    running = arena.floats(tokens * s.ssm_heads);
    decay = arena.floats(sequences * s.ssm_heads * s.length * s.length);
    gram = arena.floats(sequences * s.length * s.length);
  }

  void refresh(const Shape& s) {
    input.refresh();
    output.refresh();
    for (long k = 0; k <= s.ssm_conv; ++k) {
      const float* from = k < s.ssm_conv ? conv + k * (s.ssm_inner + 2 * s.ssm_state) : conv_bias;
      float* to = k < s.ssm_conv ? taps + k * channels : bias;
      copy(from, to, s.ssm_inner);
      copy(from + s.ssm_inner, to + inner, s.ssm_state);
      copy(from + s.ssm_inner + s.ssm_state, to + inner + state, s.ssm_state);
    }
    copy(dt_bias, dt_shift, s.ssm_heads);
  }

  void clear_gradients(const Shape& s) {
    input.clear_gradient();
    output.clear_gradient();
    for (long i = 0; i < s.ssm_conv * channels; ++i) taps_gradient[i] = 0;
    for (long i = 0; i < channels; ++i) bias_gradient[i] = 0;
    for (long i = 0; i < padded(s.ssm_heads); ++i) dt_shift_gradient[i] = 0;
  }

  void collect(const Shape& s) {
    input.collect();
    output.collect();
    for (long k = 0; k <= s.ssm_conv; ++k) {
      float* to = k < s.ssm_conv ? conv_gradient + k * (s.ssm_inner + 2 * s.ssm_state) : conv_bias_gradient;
      const float* from = k < s.ssm_conv ? taps_gradient + k * channels : bias_gradient;
      copy(from, to, s.ssm_inner);
      copy(from + inner, to + s.ssm_inner, s.ssm_state);
      copy(from + inner + state, to + s.ssm_inner + s.ssm_state, s.ssm_state);
    }
    copy(dt_shift_gradient, dt_bias_gradient, s.ssm_heads);
  }

  void forward(const Shape& s, Scratch& w, long tokens, const float* x, float* out) {
    const long wide = input.wide, length = s.length;
    norm_forward(tokens, s.width, x, s.width, gain, w.normed, scale);
    input.apply(tokens, w.normed, s.width, mixed, wide);
    for (long n = 0; n < tokens / length; ++n) {
      const long at = n * length;
      conv_forward(length, channels, s.ssm_conv, taps, bias, mixed + at * wide + inner, wide, acted + at * channels);
      for (long i = at * channels; i < (at + length) * channels; i += kLanes) {
        const Vec r = load(acted + i), open = sigmoid(r);
        store(conv_open + i, open);
        store(acted + i, r * open);
      }
      step_sizes(s, w, n);
      transpose(length, state, acted + at * channels + inner + state, channels, w.tall_a, length);
      causal_scores(length, s.ssm_state, acted + at * channels + inner, channels, w.tall_a, gram + n * length * length);
      for (long h = 0; h < s.ssm_heads; ++h) mix_head(s, w, n, h);
    }
    for (long i = 0; i < tokens; ++i) {
      const float* yi = y + i * inner;
      float *z = mixed + i * wide, *gated = w.wide_a + i * inner;
      Vec squares{};
      for (long c = 0; c < inner; c += kLanes) {
        const Vec gate = load(z + c), open = sigmoid(gate), silu = gate * open, g = load(yi + c) * silu;
        store(gate_open + i * inner + c, open);
        store(z + c, silu);
        squares += g * g;
        store(gated + c, g);
      }
      const float r = 1.0f / std::sqrt(sum_lanes(squares) / static_cast<float>(inner) + kNormEps);
      gate_scale[i] = r;
      for (long c = 0; c < inner; c += kLanes) store(gated + c, load(gated + c) * r);
    }
    output.apply_plus(tokens, w.wide_a, inner, x, s.width, out, s.width);
  }

  void backward(const Shape& s, Scratch& w, long tokens, const float* x, float* dx) {
    const long wide = input.wide, length = s.length;
    float *gated = w.wide_a, *dy = w.wide_b, *dmixed = w.wide_c;
    output.apply_transposed(tokens, dx, s.width, dy, inner);
    for (long i = 0; i < tokens; ++i) gate_backward(i, gated, dy, dmixed);
    output.add_gradient(tokens, gated, inner, dx, s.width);
    float* dacted = w.wide_a;  // the gated values are used up
    for (long n = 0; n < tokens / length; ++n) {
      const long at = n * length;
      const float* b = acted + at * channels + inner;
      float *dgram = w.square_c, *db = dacted + at * channels + inner;
      std::memset(dgram, 0, static_cast<size_t>(length * length) * sizeof(float));
      for (long h = 0; h < s.ssm_heads; ++h) head_backward(s, w, n, h, dy, dacted, dmixed, dgram);
      for (long t = 0; t < length; ++t)  // the padding behind the last head
        for (long c = s.ssm_heads; c < padded(s.ssm_heads); ++c) dmixed[(at + t) * wide + dt_at + c] = 0;
      gather_future(length, state, dgram, b + state, channels, db, channels);
      gather_past(length, state, dgram, b, channels, db + state, channels);
      for (long i = at * channels; i < (at + length) * channels; i += kLanes) {
        store(dacted + i, load(dacted + i) * silu_slope(load(acted + i), load(conv_open + i)));
      }
      conv_backward(length, channels, s.ssm_conv, taps, mixed + at * wide + inner, wide, dacted + at * channels,
                    dmixed + at * wide + inner, wide, taps_gradient, bias_gradient);
    }
    norm_forward(tokens, s.width, x, s.width, gain, w.normed, scale);
    input.add_gradient(tokens, w.normed, s.width, dmixed, wide);
    input.apply_transposed(tokens, dmixed, wide, w.narrow, s.width);
    norm_backward(tokens, s.width, x, s.width, scale, gain, w.narrow, dx, s.width, gain_gradient);
  }

 private:
  static void copy(const float* from, float* to, long count) {
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
  }

  // dt = softplus(raw + bias) and the running sum of -dt exp(a), both per head along time.
  void step_sizes(const Shape& s, Scratch& w, long n) {
    const long length = s.length, wide_heads = padded(s.ssm_heads);
    float* by_token = w.tall_b;
    for (long t = 0; t < length; ++t)
      for (long c = 0; c < wide_heads; c += kLanes)
        store(by_token + t * wide_heads + c,
              softplus(load(mixed + (n * length + t) * input.wide + dt_at + c) + load(dt_shift + c)));
    for (long h = 0; h < s.ssm_heads; ++h) {
      float *steps = dt + (n * s.ssm_heads + h) * length, *sums = running + (n * s.ssm_heads + h) * length;
      const float rate = -std::exp(a[h]);
      float sum = 0;
      for (long t = 0; t < length; ++t) {
        steps[t] = by_token[t * wide_heads + h];
        sum += steps[t] * rate;
        sums[t] = sum;
      }
    }
  }

  void mix_head(const Shape& s, Scratch& w, long n, long h) {
    const long length = s.length, p = inner / s.ssm_heads, at = n * length;
    const float *steps = dt + (n * s.ssm_heads + h) * length, *sums = running + (n * s.ssm_heads + h) * length;
    const float* products = gram + n * length * length;
    float *fade = decay + (n * s.ssm_heads + h) * length * length, *square = w.square_a;
    const IntVec lanes = lane_numbers();
    for (long j = 0; j < length; ++j) {
      const float from = sums[j], step = steps[j];
      for (long t = j / kBlock * kBlock; t < length; t += kLanes) {
        Vec f = exp(load(sums + t) - from);
        if (t < j) f = lanes + static_cast<int32_t>(t - j) < 0 ? Vec{} : f;
        store(fade + j * length + t, f);
        store(square + j * length + t, load(products + j * length + t) * f * step);
      }
    }
    const float* xh = acted + at * channels + h * p;
    float* yh = y + at * inner + h * p;
    gather_past(length, p, square, xh, channels, yh, inner);
    for (long t = 0; t < length; ++t)
      for (long c = 0; c < p; c += kLanes)
        store(yh + t * inner + c, load(yh + t * inner + c) + skip[h] * load(xh + t * channels + c));
  }

  // Through the gated norm of one token: writes the normed gate product, turns dy from the gradient of that product
  // into the gradient of y, and writes the gradient of z.
  void gate_backward(long i, float* gated, float* dy, float* dmixed) const {
    const float *silu = mixed + i * input.wide, *open = gate_open + i * inner, *yi = y + i * inner;
    float *g = gated + i * inner, *d = dy + i * inner, *dz = dmixed + i * input.wide;
    const float r = gate_scale[i];
    Vec along{};
    for (long c = 0; c < inner; c += kLanes) {
      const Vec normed = load(yi + c) * load(silu + c) * r;
      store(g + c, normed);
      along += normed * load(d + c);
    }
    const float mean = sum_lanes(along) / static_cast<float>(inner);
    for (long c = 0; c < inner; c += kLanes) {
      const Vec through = r * (load(d + c) - load(g + c) * mean);
      const Vec gate = load(silu + c);
      store(d + c, through * gate);
      store(dz + c, through * load(yi + c) * silu_slope(gate, load(open + c)));
    }
  }

  void head_backward(const Shape& s, Scratch& w, long n, long h, const float* dy, float* dacted, float* dmixed,
                     float* dgram) {
    const long length = s.length, p = inner / s.ssm_heads, at = n * length;
    const float *steps = dt + (n * s.ssm_heads + h) * length, *products = gram + n * length * length;
    const float* fade = decay + (n * s.ssm_heads + h) * length * length;
    const float *xh = acted + at * channels + h * p, *dyh = dy + at * inner + h * p;
    float *dsquare = w.square_a, *square = w.square_b;
    // Gradients of cs at targets, and of dt_s other than through cs; `own` is the part of the latter from s itself.
    float *by_target = w.row, *by_source = w.row + length, *own = w.row + 2 * length;
    const IntVec lanes = lane_numbers();
    transpose(length, p, dyh, inner, w.tall_a, length);
    causal_scores(length, p, xh, channels, w.tall_a, dsquare);
    std::memset(by_target, 0, static_cast<size_t>(length) * sizeof(float));
    for (long j = 0; j < length; ++j) {
      const float step = steps[j];
      Vec along{};
      for (long t = j / kBlock * kBlock; t < length; t += kLanes) {
        const long here = j * length + t;
        const Vec f = load(fade + here), g = load(products + here), d = load(dsquare + here);
        const Vec form = g * f;
        Vec through = d * form;
        store(square + here, form * step);
        store(dgram + here, load(dgram + here) + d * f * step);
        if (t <= j && j < t + kLanes) {
          // exp(cs_s - cs_s) = 1 whatever cs is: taken out here, it need not cancel later.
          own[j] = through[j - t];
          through = lanes + static_cast<int32_t>(t - j) == 0 ? Vec{} : through;
        }
        along += through;
        store(by_target + t, load(by_target + t) + through * step);
      }
      by_source[j] = sum_lanes(along);  // without `own`
    }
    float* dxh = dacted + at * channels + h * p;
    gather_future(length, p, square, dyh, inner, dxh, channels);
    Vec skipped{};
    for (long t = 0; t < length; ++t)
      for (long c = 0; c < p; c += kLanes) {
        const Vec d = load(dyh + t * inner + c);
        skipped += d * load(xh + t * channels + c);
        store(dxh + t * channels + c, load(dxh + t * channels + c) + skip[h] * d);
      }
    skip_gradient[h] += sum_lanes(skipped);
    // cs_t sums the log decays up to t, so a log decay meets the gradients of all later cs.
    const float rate = -std::exp(a[h]), shift = dt_shift[h];
    double later_sum = 0, slope = 0;
    float shifted = 0;
    for (long t = length - 1; t >= 0; --t) {
      later_sum += static_cast<double>(by_target[t]) - static_cast<double>(steps[t] * by_source[t]);
      slope += later_sum * static_cast<double>(steps[t] * rate);
      const float later = static_cast<float>(later_sum);
      const float before = mixed[(at + t) * input.wide + dt_at + h] + shift;
      const float d = (by_source[t] + own[t] + later * rate) / (1.0f + std::exp(-before));
      dmixed[(at + t) * input.wide + dt_at + h] = d;
      shifted += d;
    }
    a_gradient[h] += static_cast<float>(slope);
    dt_shift_gradient[h] += shifted;
  }
};

}  // namespace aira
