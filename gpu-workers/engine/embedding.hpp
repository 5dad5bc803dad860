// Token embedding: a row of the table per token.
#pragma once

#include <cstring>

#include "vector.hpp"

namespace aira {

inline void embedding_forward(long width, long tokens, const int32_t* text, const float* table, float* out) {
  for (long i = 0; i < tokens; ++i)
    std::memcpy(out + i * width, table + text[i] * width, static_cast<size_t>(width) * sizeof(float));
}

inline void embedding_backward(long width, long tokens, const int32_t* text, const float* dout, float* dtable) {
  for (long i = 0; i < tokens; ++i)
    for (long c = 0; c < width; c += kLanes) {
      float* at = dtable + text[i] * width + c;
      store(at, load(at) + load(dout + i * width + c));
    }
}

}  // namespace aira
