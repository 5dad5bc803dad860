// Transposition in 4 x 4 pieces.
#pragma once

#include <xmmintrin.h>

namespace aira {

// to (columns, rows) = transpose of from (rows, columns).
inline void transpose(long rows, long columns, const float* from, long ldfrom, float* to, long ldto) {
  long r = 0;
  for (; r + 4 <= rows; r += 4) {
    long c = 0;
    for (; c + 4 <= columns; c += 4) {
      const float* p = from + r * ldfrom + c;
      float* q = to + c * ldto + r;
      __m128 x0 = _mm_loadu_ps(p), x1 = _mm_loadu_ps(p + ldfrom);
      __m128 x2 = _mm_loadu_ps(p + 2 * ldfrom), x3 = _mm_loadu_ps(p + 3 * ldfrom);
      _MM_TRANSPOSE4_PS(x0, x1, x2, x3);
      _mm_storeu_ps(q, x0);
      _mm_storeu_ps(q + ldto, x1);
      _mm_storeu_ps(q + 2 * ldto, x2);
      _mm_storeu_ps(q + 3 * ldto, x3);
    }
    for (; c < columns; ++c)
      for (long i = 0; i < 4; ++i) to[c * ldto + r + i] = from[(r + i) * ldfrom + c];
  }
  for (; r < rows; ++r)
    for (long c = 0; c < columns; ++c) to[c * ldto + r] = from[r * ldfrom + c];
}

}  // namespace aira
