// Rotary positions over a whole head: features i and i + half turn together by an angle per position. Heads are short,
// so the vectors here are of eight, four or one float, whichever divides the half.
#pragma once

#include <cstring>

#include "vector.hpp"

namespace aira {

// out = x * cos + roll(x, half) * sin for one token; the tables carry the sign and, for queries, the scale. With `back`
// the transpose: from the gradient of the output to that of the input.
template <typename Few, bool back>
inline void turn(long half, const float* x, const float* cos, const float* sin, float* out) {
  auto read = [](const float* p) {
    Few v;
    std::memcpy(&v, p, sizeof v);
    return v;
  };
  for (long i = 0; i < half; i += static_cast<long>(sizeof(Few) / sizeof(float))) {
    const Few low = read(x + i), high = read(x + half + i);
    const Few first = read(sin + i), second = read(sin + half + i);
    const Few a = low * read(cos + i) + high * (back ? second : first);
    const Few b = high * read(cos + half + i) + low * (back ? first : second);
    std::memcpy(out + i, &a, sizeof a);
    std::memcpy(out + half + i, &b, sizeof b);
  }
}

template <bool back>
inline void turn_head(long half, const float* x, const float* cos, const float* sin, float* out) {
  typedef float Eight __attribute__((vector_size(32)));
  typedef float Four __attribute__((vector_size(16)));
  if (half % 8 == 0)
    turn<Eight, back>(half, x, cos, sin, out);
  else if (half % 4 == 0)
    turn<Four, back>(half, x, cos, sin, out);
  else
    turn<float, back>(half, x, cos, sin, out);
}

inline void rotate(long half, const float* x, const float* cos, const float* sin, float* out) {
  turn_head<false>(half, x, cos, sin, out);
}

inline void rotate_back(long half, const float* dout, const float* cos, const float* sin, float* dx) {
  turn_head<true>(half, dout, cos, sin, dx);
}

}  // namespace aira
