// Multiply-adds per second of one core: independent chains in registers, in the vector width of the engine.
#include <chrono>
#include <cstdio>

#include "vector.hpp"

using aira::Vec;

int main() {
  constexpr int kChains = aira::kLanes == 16 ? 24 : 12;
  constexpr long kRounds = 2'000'000;
  double best = 0;
  for (int repeat = 0; repeat < 20; ++repeat) {
    Vec sums[kChains];
    for (int i = 0; i < kChains; ++i) sums[i] = aira::splat(static_cast<float>(i));
    Vec a = aira::splat(0.999f), b = aira::splat(1e-3f);
    asm volatile("" : "+x"(a), "+x"(b));
    const auto start = std::chrono::steady_clock::now();
    for (long n = 0; n < kRounds / 20; ++n)
#pragma GCC unroll 24
      for (int i = 0; i < kChains; ++i) sums[i] = sums[i] * a + b;
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    for (int i = 0; i < kChains; ++i) asm volatile("" : : "x"(sums[i]));
    const double rate = 2.0 * kChains * aira::kLanes * (kRounds / 20) / seconds.count();
    best = rate > best ? rate : best;
  }
  std::printf("%.4g\n", best);
}
