// One dense matrix of a layer: its place in the flat parameter vector, the padded copies the products read, and the
// padded gradient they add to.
//
// Columns come in sections (z, x, B, C, dt of Mamba-2), each padded to whole vectors so that every section starts a
// vector. A matrix without sections whose columns fill vectors is read in place.
#pragma once

#include <cstring>
#include <initializer_list>

#include "arena.hpp"
#include "bfloat.hpp"
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
#if AIRA_BF16
  Pair *forward_pairs = nullptr, *transposed_pairs = nullptr;  // (rows / 2, wide), (wide / 2, padded rows)
  Pair *left = nullptr, *right = nullptr;                      // operands of one product, of the work space
#endif

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
#if AIRA_BF16
    forward_pairs = reinterpret_cast<Pair*>(arena.floats(rows / 2 * wide));
    transposed_pairs = reinterpret_cast<Pair*>(arena.floats(wide / 2 * padded(rows)));
#endif
  }
  // Where a product of up to `tokens` rows puts its rounded operands; shared by all matrices.
  void lend([[maybe_unused]] float* a, [[maybe_unused]] float* b) {
#if AIRA_BF16
    left = reinterpret_cast<Pair*>(a);
    right = reinterpret_cast<Pair*>(b);
#endif
  }
  const float* weights() const { return forward ? forward : value; }
  long transposed_width() const { return padded(rows); }

  // Renew the copies from the parameters; once per step.
  void refresh() {
    if (forward) spread();
    transpose(rows, wide, weights(), wide, transposed, padded(rows));
#if AIRA_BF16
    if (rows % 2 != 0) return;
    pairs_across(rows, wide, weights(), wide, forward_pairs, wide);
    pairs_across(wide, padded(rows), transposed, padded(rows), transposed_pairs, padded(rows));
#endif
  }
  void clear_gradient() { std::memset(gradient, 0, static_cast<size_t>(rows * wide) * sizeof(float)); }

  // y (tokens, wide) = x (tokens, rows) times the matrix.
  void apply(long tokens, const float* x, long ldx, float* y, long ldy) const {
#if AIRA_BF16
    if (rounds(tokens)) {
      pairs_along(tokens, rows, x, ldx, left, rows / 2);
      pair_product<Read::kRows, false>(tokens, wide, rows / 2, left, rows / 2, forward_pairs, wide, y, ldy, y, ldy);
      return;
    }
#endif
    product(tokens, wide, rows, x, ldx, weights(), wide, y, ldy);
  }

  // y = d + x times the matrix; ldd = 0 adds one row d to all.
  void apply_plus(long tokens, const float* x, long ldx, const float* d, long ldd, float* y, long ldy) const {
#if AIRA_BF16
    if (rounds(tokens)) {
      pairs_along(tokens, rows, x, ldx, left, rows / 2);
      pair_product<Read::kRows, true>(tokens, wide, rows / 2, left, rows / 2, forward_pairs, wide, d, ldd, y, ldy);
      return;
    }
#endif
    product_plus(tokens, wide, rows, x, ldx, weights(), wide, d, ldd, y, ldy);
  }

  // dx (tokens, padded rows) = dy (tokens, wide) times the transposed matrix.
  void apply_transposed(long tokens, const float* dy, long lddy, float* dx, long lddx) const {
#if AIRA_BF16
    if (rounds(tokens)) {
      const long across = padded(rows);
      pairs_along(tokens, depth(), dy, lddy, left, depth() / 2);
      pair_product<Read::kRows, false>(tokens, across, depth() / 2, left, depth() / 2, transposed_pairs, across, dx,
                                       lddx, dx, lddx);
      return;
    }
#endif
    product(tokens, padded(rows), depth(), dy, lddy, transposed, padded(rows), dx, lddx);
  }

  // gradient += transpose of x (tokens, rows) times dy (tokens, wide).
  void add_gradient(long tokens, const float* x, long ldx, const float* dy, long lddy) {
#if AIRA_BF16
    if (rounds(tokens)) {
      const long across = padded(rows);
      pairs_across(tokens, across, x, ldx, left, across);
      pairs_across(tokens, wide, dy, lddy, right, wide);
      pair_product<Read::kColumns, true>(rows, wide, tokens / 2, left, across, right, wide, gradient, wide, gradient,
                                         wide);
      return;
    }
#endif
    add_transposed_product(rows, wide, tokens, x, ldx, dy, lddy, gradient, wide);
  }

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
  // Columns that a product over columns runs through: padding between sections holds zeros, padding at the end of a
  // single section anything.
  long depth() const { return sections == 1 ? columns : wide; }
#if AIRA_BF16
  // Matrices outside the layers are lent no space and stay float32; so do odd sizes, which have no pairs.
  bool rounds(long tokens) const { return left != nullptr && rows % 2 == 0 && depth() % 2 == 0 && tokens % 2 == 0; }
#endif
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
