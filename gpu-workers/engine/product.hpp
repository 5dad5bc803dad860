// Dense products C = [D +] A B in registers: broadcast one number of A, multiply a row of B.
//
// One form serves all three products of a layer: forward (B = weights), input gradient (B = transposed weights) and
// weight gradient (A read down its columns, B = gradient rows). B is given by rows; columns come in whole vectors.
#pragma once

#include "vector.hpp"

namespace aira {

// The tile holds kTileRows x kTileVectors accumulators and leaves registers for a row of B and the broadcast:
// 24 + 3 + 1 of 32 with AVX-512, 12 + 2 + 1 of 16 with AVX2.
constexpr int kTileRows = kLanes == 16 ? 8 : 6;
constexpr int kTileVectors = kLanes == 16 ? 3 : 2;

enum class Read { kRows, kColumns };  // element (m, k) of A at a[m * lda + k], or at a[k * lda + m]

template <int R, int V, Read read, bool init>
inline void tile(long depth, const float* a, long lda, const float* b, long ldb, const float* d, long ldd, float* c,
                 long ldc) {
  Vec sums[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) sums[r][v] = init ? load(d + r * ldd + v * kLanes) : Vec{};
  for (long k = 0; k < depth; ++k) {
    Vec row[V];
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) row[v] = load(b + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vec scale = splat(read == Read::kRows ? a[r * lda] : a[r]);
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) sums[r][v] += scale * row[v];
    }
    a += read == Read::kRows ? 1 : lda;
    b += ldb;
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) store(c + r * ldc + v * kLanes, sums[r][v]);
}

// All rows of one column panel of V vectors.
template <int V, Read read, bool init>
inline void panel(long rows, long depth, const float* a, long lda, const float* b, long ldb, const float* d, long ldd,
                  float* c, long ldc) {
  const long down = read == Read::kRows ? lda : 1;
  long m = 0;
  for (; m + kTileRows <= rows; m += kTileRows)
    tile<kTileRows, V, read, init>(depth, a + m * down, lda, b, ldb, d + m * ldd, ldd, c + m * ldc, ldc);
  if (m + 4 <= rows) {
    tile<4, V, read, init>(depth, a + m * down, lda, b, ldb, d + m * ldd, ldd, c + m * ldc, ldc);
    m += 4;
  }
  for (; m < rows; ++m) tile<1, V, read, init>(depth, a + m * down, lda, b, ldb, d + m * ldd, ldd, c + m * ldc, ldc);
}

template <Read read, bool init>
inline void multiply(long rows, long columns, long depth, const float* a, long lda, const float* b, long ldb,
                     const float* d, long ldd, float* c, long ldc) {
  long n = 0;
  for (; n + kTileVectors * kLanes <= columns; n += kTileVectors * kLanes)
    panel<kTileVectors, read, init>(rows, depth, a, lda, b + n, ldb, d + n, ldd, c + n, ldc);
  if (n + 2 * kLanes <= columns) {
    panel<2, read, init>(rows, depth, a, lda, b + n, ldb, d + n, ldd, c + n, ldc);
    n += 2 * kLanes;
  }
  if (n < columns) panel<1, read, init>(rows, depth, a, lda, b + n, ldb, d + n, ldd, c + n, ldc);
}

// c (rows, columns) = a (rows, depth) b (depth, columns). `columns` is rounded up to whole vectors by the caller's
// padding: b, c and d must be readable, and c writable, up to padded(columns).
inline void product(long rows, long columns, long depth, const float* a, long lda, const float* b, long ldb, float* c,
                    long ldc) {
  multiply<Read::kRows, false>(rows, columns, depth, a, lda, b, ldb, c, ldc, c, ldc);
}

// c = d + a b; ldd = 0 adds one row d to all.
inline void product_plus(long rows, long columns, long depth, const float* a, long lda, const float* b, long ldb,
                         const float* d, long ldd, float* c, long ldc) {
  multiply<Read::kRows, true>(rows, columns, depth, a, lda, b, ldb, d, ldd, c, ldc);
}

// c (rows, columns) += transpose of a (depth, rows) times b (depth, columns).
inline void add_transposed_product(long rows, long columns, long depth, const float* a, long lda, const float* b,
                                   long ldb, float* c, long ldc) {
  multiply<Read::kColumns, true>(rows, columns, depth, a, lda, b, ldb, c, ldc, c, ldc);
}

// c (rows, columns) = transpose of a (depth, rows) times b (depth, columns).
inline void transposed_product(long rows, long columns, long depth, const float* a, long lda, const float* b, long ldb,
                               float* c, long ldc) {
  multiply<Read::kColumns, false>(rows, columns, depth, a, lda, b, ldb, c, ldc, c, ldc);
}

}  // namespace aira
