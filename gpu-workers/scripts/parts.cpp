// Where the time of a nano training step goes: each kind of layer forward and backward on one block of tokens, its
// dense products alone, and the optimiser's step for its two matrices. One line of JSON per kind; microseconds, best of
// many.
#include <chrono>
#include <cstdio>
#include <functional>
#include <vector>

#include "model.hpp"

using namespace aira;

namespace {

// The nano profile of tasks/compose-mad-3p.
Shape kShape{.layers = 1,
             .width = 32,
             .heads = 2,
             .attention_bias = 0,
             .ffn_inner = 88,
             .ssm_inner = 64,
             .ssm_heads = 2,
             .ssm_state = 16,
             .ssm_conv = 4,
             .norm_gain = 0,
             .vocabulary = 125,
             .decoder = 0,
             .decoder_inner = 0,
             .length = 32,
             .sequences = 4,
             .block = 4};
constexpr long kTokens = 128;

double microseconds(const std::function<void()>& action) {
  constexpr int kTogether = 20;
  double best = 1e9;
  for (int repeat = 0; repeat < 100; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kTogether; ++i) action();
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count() / kTogether);
  }
  return best;
}

// Numbers of a layer's own size, small and of both signs.
struct Numbers {
  std::vector<float*> owned;
  ~Numbers() {
    for (float* one : owned) std::free(one);
  }
  float* operator()(long count) {
    auto* fresh = static_cast<float*>(std::aligned_alloc(64, static_cast<size_t>(count + 64) * 4 / 64 * 64 + 64));
    for (long i = 0; i < count; ++i) fresh[i] = 0.01f * static_cast<float>(i * 7919 % 41 - 20);
    owned.push_back(fresh);
    return fresh;
  }
};

template <typename Layer, typename Bind, typename Forward, typename Backward>
void report(const char* name, Bind bind, Forward forward, Backward backward) {
  Numbers numbers;
  Arena arena;
  Layer layer;
  Scratch scratch{};
  Muon muon;
  auto place = [&] {
    layer.place(arena, kShape, kTokens);
    scratch.place(arena, kShape, kTokens);
    layer.input.lend(scratch.rounded_a, scratch.rounded_b);
    layer.output.lend(scratch.rounded_a, scratch.rounded_b);
    muon.place(arena, std::max(layer.input.rows, layer.output.rows),
               std::max(layer.input.columns, layer.output.columns));
  };
  place();
  if (!arena.settle()) return;
  place();
  for (Dense* matrix : {&layer.input, &layer.output}) {
    matrix->value = numbers(matrix->rows * matrix->columns);
    matrix->flat_gradient = numbers(matrix->rows * matrix->columns);
    matrix->refresh();
  }
  bind(layer, numbers);
  float *x = numbers(kTokens * kShape.width), *y = numbers(kTokens * kShape.width),
        *dx = numbers(kTokens * kShape.width);
  float *wide = numbers(kTokens * 512), *other = numbers(kTokens * 512);
  const double both = microseconds([&] {
    forward(layer, scratch, x, y);
    backward(layer, scratch, x, dx);
  });
  double products = 0, operations = 0;
  for (Dense* matrix : {&layer.input, &layer.output}) {
    const long rows = matrix->rows, columns = matrix->wide, across = padded(rows);
    products += microseconds([&] { matrix->apply(kTokens, wide, across, other, columns); });
    products += microseconds([&] { matrix->apply_transposed(kTokens, wide, columns, other, across); });
    products += microseconds([&] { matrix->add_gradient(kTokens, wide, across, other, columns); });
    operations += 6.0 * kTokens * static_cast<double>(rows * columns);
  }
  const MuonRates rates{0.0, 0.9, 4};
  double update = 0;
  for (Dense* matrix : {&layer.input, &layer.output}) {
    float* buffer = numbers(matrix->rows * matrix->columns);
    update += microseconds([&] {
      muon.step(matrix->rows, matrix->columns, const_cast<float*>(matrix->value), matrix->flat_gradient, buffer, rates);
    });
  }
  std::printf(
      "{\"layer\": \"%s\", \"tokens\": %ld, \"both\": %.2f, \"products\": %.2f, \"rate\": %.4g, \"update\": %.2f}\n",
      name, kTokens, both, products, operations / products * 1e6, update);
}

}  // namespace

int main() {
  asm volatile("" : "+m"(kShape));  // sizes known when compiling would make other code than the engine's
  Numbers numbers;
  const Rotary rotary{numbers(2 * kShape.length * 16), numbers(2 * kShape.length * 16)};
  const auto nothing = [](auto&, Numbers&) {};
  report<Swiglu>(
      "M", nothing, [](auto& l, auto& w, auto* x, auto* y) { l.forward(kShape, w, kTokens, x, y); },
      [](auto& l, auto& w, auto* x, auto* dx) { l.backward(kShape, w, kTokens, x, dx); });
  report<Attention>(
      "mA", nothing, [&](auto& l, auto& w, auto* x, auto* y) { l.forward(kShape, rotary, w, kTokens, x, y); },
      [&](auto& l, auto& w, auto* x, auto* dx) { l.backward(kShape, rotary, w, kTokens, x, dx); });
  report<Mamba2>(
      "Mb",
      [](Mamba2& l, Numbers& n) {
        const long channels = kShape.ssm_inner + 2 * kShape.ssm_state;
        l.conv = n(kShape.ssm_conv * channels), l.conv_gradient = n(kShape.ssm_conv * channels);
        l.conv_bias = n(channels), l.conv_bias_gradient = n(channels);
        l.dt_bias = n(kShape.ssm_heads), l.dt_bias_gradient = n(kShape.ssm_heads);
        l.a = n(kShape.ssm_heads), l.a_gradient = n(kShape.ssm_heads);
        l.skip = n(kShape.ssm_heads), l.skip_gradient = n(kShape.ssm_heads);
        l.refresh(kShape);
      },
      [](auto& l, auto& w, auto* x, auto* y) { l.forward(kShape, w, kTokens, x, y); },
      [](auto& l, auto& w, auto* x, auto* dx) { l.backward(kShape, w, kTokens, x, dx); });
}
