// The sizes of one training as the host gives them, and what all layers share.
//
// Activations are token-major: row = token, features contiguous. A batch runs through the whole network in blocks of
// `block` sequences, so that what the backward pass needs is still in the cache when it comes.
#pragma once

#include <cstdint>

#include "arena.hpp"
#include "vector.hpp"

namespace aira {

enum class Kind : int32_t { kSwiglu = 0, kAttention = 1, kMamba2 = 2 };
enum class DecoderKind : int32_t { kNone = 0, kLearnedCode = 1, kSinusoidal = 2 };

// Mirrored field by field by aira_workers/native/binding.py.
struct Shape {
  int32_t layers, width, heads, attention_bias, ffn_inner;
  int32_t ssm_inner, ssm_heads, ssm_state, ssm_conv;
  int32_t norm_gain, vocabulary, decoder, decoder_inner;
  int32_t length;     // tokens per sequence, a multiple of 16
  int32_t sequences;  // most sequences in a step
  int32_t block;      // sequences that run together
};

// Views into the tables of the host, alive as long as the training: (2, length, head), queries then keys.
struct Rotary {
  const float* cos = nullptr;
  const float* sin = nullptr;
};

// Buffers that no layer keeps between its calls; sized for one block of `tokens` rows.
struct Scratch {
  float *normed, *wide_a, *wide_b, *wide_c, *narrow, *narrow_b;
  float *square_a, *square_b, *square_c, *tall_a, *tall_b, *row;
  float *rounded_a = nullptr, *rounded_b = nullptr;  // operands in bfloat16, where products take them

  void place(Arena& arena, const Shape& s, long tokens) {
    const long t = s.length;
    // The widest rows of any layer: M holds 2 inner, mA 3 width, Mb its padded sections.
    long wide = padded(2 * s.ffn_inner);
    wide = wide > padded(3 * s.width) ? wide : padded(3 * s.width);
    const long ssm = 2 * padded(s.ssm_inner) + 2 * padded(s.ssm_state) + padded(s.ssm_heads);
    wide = wide > ssm ? wide : ssm;
    const long head = padded(s.width) + padded(s.ssm_inner) + padded(s.ssm_state);
    normed = arena.floats(tokens * s.width);
    wide_a = arena.floats(tokens * wide);
    wide_b = arena.floats(tokens * wide);
    wide_c = arena.floats(tokens * wide);
    narrow = arena.floats(tokens * s.width);
    narrow_b = arena.floats(tokens * s.width);
    square_a = arena.floats(t * t);
    square_b = arena.floats(t * t);
    square_c = arena.floats(t * t);
    tall_a = arena.floats(t * head);
    tall_b = arena.floats(t * head);
    row = arena.floats(8 * (t + wide));
#if AIRA_BF16
    rounded_a = arena.floats(tokens * wide / 2);
    rounded_b = arena.floats(tokens * wide / 2);
#endif
  }
};

}  // namespace aira
