// Dense products whose operands are rounded to bfloat16 and whose sums are float32: VDPBF16PS of AVX-512 BF16.
//
// The instruction multiplies pairs: lane n of the sum += a0 b0[n] + a1 b1[n]. So rows of B are stored two by two, the
// numbers of one column side by side ("pairs"), and A gives two numbers of one row at a time. All depths are even.
// Compiled in only with AIRA_BF16; that engine has a name of its own, since its arithmetic is another.
#pragma once

#if AIRA_BF16

#include <immintrin.h>

#include "product.hpp"

namespace aira {

static_assert(kLanes == 16, "bfloat16 products need AVX-512");

using Pair = uint32_t;  // two bfloat16 of consecutive depth, the earlier one in the low half

inline __m256i rounded(const float* p) { return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_loadu_ps(p))); }

// Numbers of a row side by side: from (rows, columns) to (rows, columns / 2) pairs. Columns are even; whole vectors are
// read, so the source must be readable to padded(columns).
inline void pairs_along(long rows, long columns, const float* from, long ldfrom, Pair* to, long ldto) {
  for (long i = 0; i < rows; ++i) {
    const float* row = from + i * ldfrom;
    uint16_t* out = reinterpret_cast<uint16_t*>(to + i * ldto);
    long c = 0;
    for (; c + 16 <= columns; c += 16) _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + c), rounded(row + c));
    if (c < columns) {
      const auto left = static_cast<__mmask16>((1u << (columns - c)) - 1);
      const __m512 rest = _mm512_maskz_loadu_ps(left, row + c);
      _mm256_mask_storeu_epi16(out + c, left, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(rest)));
    }
  }
}

// Two rows in one: from (rows, columns) to (rows / 2, columns) pairs. Rows are even, columns whole vectors.
inline void pairs_across(long rows, long columns, const float* from, long ldfrom, Pair* to, long ldto) {
  for (long i = 0; i < rows; i += 2)
    for (long c = 0; c < columns; c += 16) {
      const __m512i low = _mm512_cvtepu16_epi32(rounded(from + i * ldfrom + c));
      const __m512i high = _mm512_cvtepu16_epi32(rounded(from + (i + 1) * ldfrom + c));
      _mm512_storeu_si512(to + i / 2 * ldto + c, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
    }
}

// As `tile` in product.hpp with depth counted in pairs.
template <int R, int V, Read read, bool init>
inline void pair_tile(long depth, const Pair* a, long lda, const Pair* b, long ldb, const float* d, long ldd, float* c,
                      long ldc) {
  __m512 sums[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) sums[r][v] = init ? _mm512_loadu_ps(d + r * ldd + v * 16) : _mm512_setzero_ps();
  for (long k = 0; k < depth; ++k) {
    __m512i row[V];
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) row[v] = _mm512_loadu_si512(b + v * 16);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const __m512i both = _mm512_set1_epi32(static_cast<int>(read == Read::kRows ? a[r * lda] : a[r]));
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v)
        sums[r][v] = _mm512_dpbf16_ps(sums[r][v], reinterpret_cast<__m512bh>(both), reinterpret_cast<__m512bh>(row[v]));
    }
    a += read == Read::kRows ? 1 : lda;
    b += ldb;
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) _mm512_storeu_ps(c + r * ldc + v * 16, sums[r][v]);
}

template <int V, Read read, bool init>
inline void pair_panel(long rows, long depth, const Pair* a, long lda, const Pair* b, long ldb, const float* d,
                       long ldd, float* c, long ldc) {
  const long down = read == Read::kRows ? lda : 1;
  long m = 0;
  for (; m + 8 <= rows; m += 8)
    pair_tile<8, V, read, init>(depth, a + m * down, lda, b, ldb, d + m * ldd, ldd, c + m * ldc, ldc);
  if (m + 4 <= rows) {
    pair_tile<4, V, read, init>(depth, a + m * down, lda, b, ldb, d + m * ldd, ldd, c + m * ldc, ldc);
    m += 4;
  }
  for (; m < rows; ++m)
    pair_tile<1, V, read, init>(depth, a + m * down, lda, b, ldb, d + m * ldd, ldd, c + m * ldc, ldc);
}

// c (rows, columns) = [d +] a b over `depth` pairs; columns are rounded up to whole vectors as in product.hpp.
template <Read read, bool init>
inline void pair_product(long rows, long columns, long depth, const Pair* a, long lda, const Pair* b, long ldb,
                         const float* d, long ldd, float* c, long ldc) {
  long n = 0;
  for (; n + 48 <= columns; n += 48) pair_panel<3, read, init>(rows, depth, a, lda, b + n, ldb, d + n, ldd, c + n, ldc);
  if (n + 32 <= columns) {
    pair_panel<2, read, init>(rows, depth, a, lda, b + n, ldb, d + n, ldd, c + n, ldc);
    n += 32;
  }
  if (n < columns) pair_panel<1, read, init>(rows, depth, a, lda, b + n, ldb, d + n, ldd, c + n, ldc);
}

}  // namespace aira

#endif  // AIRA_BF16
