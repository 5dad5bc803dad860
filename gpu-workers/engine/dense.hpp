// One dense matrix of a layer: its place in the flat parameter vector, the padded copies the products read, and the
// padded gradient they add to.
//
// Columns come in sections (z, x, B, C, dt of Mamba-2), each padded to whole vectors so that every section starts a
// vector. A matrix without sections whose columns fill vectors is read in place.
#pragma once

#include <cstring>
#include <initializer_list>

#include "arena.hpp"
#include "product.hpp"
#include "transpose.hpp"

namespace aira {

constexpr int kMaxSections = 5;

struct Dense {
  long rows = 0, columns = 0, wide = 0;  // wide: columns after padding
  int sections = 0;
  long count[kMaxSections] = {};
  const float* value = nullptr;  // (rows, columns), in the flat vector
  float* flat_gradient = nullptr;
  float* forward = nullptr;     // (rows, wide); null when `value` itself will do
  float* transposed = nullptr;  // (columns padded by section, padded rows)
  float* gradient = nullptr;    // (rows, wide)

  void shape(long row_count, std::initializer_list<long> section_counts) {
    rows = row_count;
    columns = wide = sections = 0;
    for (long one : section_counts) {
      count[sections++] = one;
      columns += one;
    }
    // A single section is padded at its end only.
    for (int i = 0; i < sections; ++i) wide += padded(count[i]);
  }
  void place(Arena& arena) {
    if (wide != columns) forward = arena.floats(rows * wide);
    transposed = arena.floats(wide * padded(rows));
    gradient = arena.floats(rows * wide);
  }
  const float* weights() const { return forward ? forward : value; }
  long transposed_width() const { return padded(rows); }

  // Renew the copies from the parameters; once per step.
  void refresh() {
    if (forward) spread();
    transpose(rows, wide, weights(), wide, transposed, padded(rows));
  }
  void clear_gradient() { std::memset(gradient, 0, static_cast<size_t>(rows * wide) * sizeof(float)); }

  // Write the gradient, without padding, to its place in the flat vector.
  void collect() const {
    for (long r = 0; r < rows; ++r) {
      const float* from = gradient + r * wide;
      float* to = flat_gradient + r * columns;
      for (int i = 0; i < sections; from += padded(count[i]), to += count[i], ++i)
        std::memcpy(to, from, static_cast<size_t>(count[i]) * sizeof(float));
    }
  }

 private:
  void spread() {
    for (long r = 0; r < rows; ++r) {
      const float* from = value + r * columns;
      float* to = forward + r * wide;
      for (int i = 0; i < sections; from += count[i], to += padded(count[i]), ++i)
        std::memcpy(to, from, static_cast<size_t>(count[i]) * sizeof(float));
    }
  }
};

}  // namespace aira
