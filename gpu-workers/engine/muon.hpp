// Muon (Jordan et al. 2024): Nesterov momentum whose update is made nearly orthogonal by Newton-Schulz steps.
//
// The iterate is stored tall, (long side, short side): then x'x, the polynomial and the next x are all products whose
// operands are read by rows. A matrix stored wide is transposed once on the way in and once on the way out.
#pragma once

#include <algorithm>
#include <cmath>

#include "dense.hpp"

namespace aira {

struct MuonRates {
  double lr, momentum;
  int32_t steps;
};

struct Muon {
  // One set of work space for the largest matrix; every matrix has its own momentum.
  float *tall = nullptr, *next = nullptr, *gram = nullptr, *scaled = nullptr, *polynomial = nullptr, *update = nullptr;

  void place(Arena& arena, long most_rows, long most_columns) {
    const long small = padded(std::min(most_rows, most_columns)), large = std::max(most_rows, most_columns);
    update = arena.floats(most_rows * most_columns);
    tall = arena.floats(large * small);
    next = arena.floats(large * small);
    gram = arena.floats(small * small);
    scaled = arena.floats(small * small);
    polynomial = arena.floats(small * small);
  }

  // values (rows, columns) -= lr sqrt(max(1, columns / rows)) orthogonal(gradient + momentum x buffer).
  void step(long rows, long columns, float* values, const float* gradient, float* buffer, const MuonRates& rates) {
    const long count = rows * columns;
    const float momentum = static_cast<float>(rates.momentum);
    double total = 0;
    for (long r = 0; r < rows; ++r) {
      float squares = 0;
      for (long i = r * columns; i < (r + 1) * columns; ++i) {
        buffer[i] = buffer[i] * momentum + gradient[i];
        update[i] = gradient[i] + momentum * buffer[i];
      }
      squares = sum_of_squares(columns, update + r * columns);
      total += squares;
    }
    const float shrink = 1.0f / (static_cast<float>(std::sqrt(total)) + 1e-7f);
    for (long i = 0; i < count; ++i) update[i] *= shrink;

    const bool wide = columns >= rows;
    const long small = wide ? rows : columns, large = wide ? columns : rows, ld = padded(small);
    if (wide)
      transpose(rows, columns, update, columns, tall, ld);
    else
      for (long r = 0; r < rows; ++r) std::copy_n(update + r * columns, columns, tall + r * ld);
    for (long r = 0; r < large; ++r)
      for (long c = small; c < ld; ++c) tall[r * ld + c] = 0;
    for (int32_t i = 0; i < rates.steps; ++i) newton_schulz(small, large, ld);

    const float size = static_cast<float>(
        rates.lr * std::sqrt(std::max(1.0, static_cast<double>(columns) / static_cast<double>(rows))));
    if (wide)
      transpose(columns, rows, tall, ld, update, columns);
    else
      for (long r = 0; r < rows; ++r) std::copy_n(tall + r * ld, columns, update + r * columns);
    for (long i = 0; i < count; ++i) values[i] -= size * update[i];
  }

 private:
  static float sum_of_squares(long count, const float* x) {
    Vec squares{};
    long i = 0;
    for (; i + kLanes <= count; i += kLanes) squares += load(x + i) * load(x + i);
    float sum = sum_lanes(squares);
    for (; i < count; ++i) sum += x[i] * x[i];
    return sum;
  }

  // x <- x (a I + b g + c g^2), g = x'x: the quintic of the Muon reference.
  void newton_schulz(long small, long large, long ld) {
    constexpr float a = 3.4445f, b = -4.7750f, c = 2.0315f;
    transposed_product(small, ld, large, tall, ld, tall, ld, gram, ld);
    for (long i = 0; i < small * ld; ++i) {
      scaled[i] = c * gram[i];
      polynomial[i] = b * gram[i];
    }
    for (long i = 0; i < small; ++i) polynomial[i * ld + i] += a;
    product_plus(small, ld, small, scaled, ld, gram, ld, polynomial, ld, polynomial, ld);
    product(large, ld, small, tall, ld, polynomial, ld, next, ld);
    std::swap(tall, next);
  }
};

}  // namespace aira
