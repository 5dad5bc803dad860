// Products with a causal square, shared by attention and state space duality.
//
// The square is stored transposed, at[source][target] with targets along the lanes, so everything that runs over
// sources of one target is a vertical operation. Work is skipped in blocks of 16: block (s, t) exists for t >= s.
// Entries of a diagonal block with target < source must be zero where the square is used as a factor. Lengths are
// multiples of 16.
#pragma once

#include "product.hpp"

namespace aira {

constexpr long kBlock = 16;

// square[s][t] = sum over k of a[s][k] b[k][t] for t at or behind the block of s; b (depth, length).
inline void causal_scores(long length, long depth, const float* a, long lda, const float* b, float* square) {
  for (long s = 0; s < length; s += kBlock)
    product(kBlock, length - s, depth, a + s * lda, lda, b + s, length, square + s * length + s, length);
}

// out[t] = sum over s <= t of square[s][t] from[s]; rows of `columns` numbers.
inline void gather_past(long length, long columns, const float* square, const float* from, long ldfrom, float* out,
                        long ldout) {
  for (long t = 0; t < length; t += kBlock)
    transposed_product(kBlock, columns, t + kBlock, square + t, length, from, ldfrom, out + t * ldout, ldout);
}

// out[s] = sum over t >= s of square[s][t] from[t].
inline void gather_future(long length, long columns, const float* square, const float* from, long ldfrom, float* out,
                          long ldout) {
  for (long s = 0; s < length; s += kBlock)
    product(kBlock, columns, length - s, square + s * length + s, length, from + s * ldfrom, ldfrom, out + s * ldout,
            ldout);
}

}  // namespace aira
