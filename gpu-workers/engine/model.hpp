// One training: parameters and gradients of the host, activations of ours, and the passes over them.
//
// Role: forward, backward and update of one residual stack x + f(norm(x)) with embedding, head and decoder. Not its
// role: data, schedules, scores, deciding when to stop; the host does that between calls. Invariants:
// 1. Nothing is allocated after `open`.
// 2. The flat vectors belong to the host and outlive the training; tokens, rows and labels are checked before use.
// 3. Gradients are summed in padded buffers block by block and written to the flat vector once per step.
// 4. One thread; the result of a call is a function of its arguments and the state of the training.
#pragma once

#include <memory>
#include <vector>

#include "adam.hpp"
#include "attention.hpp"
#include "clip.hpp"
#include "decoder.hpp"
#include "embedding.hpp"
#include "head.hpp"
#include "mamba2.hpp"
#include "muon.hpp"
#include "swiglu.hpp"

namespace aira {

struct Layer {
  Kind kind;
  Swiglu swiglu;
  Attention attention;
  Mamba2 mamba2;
  float *input_buffer, *output_buffer;  // Muon's momentum of the two matrices

  Dense& input() {
    return kind == Kind::kSwiglu ? swiglu.input : kind == Kind::kAttention ? attention.input : mamba2.input;
  }
  Dense& output() {
    return kind == Kind::kSwiglu ? swiglu.output : kind == Kind::kAttention ? attention.output : mamba2.output;
  }
};

// One step's question: sequences of tokens, the flat rows that are asked (ascending), then the rows of the decoder for
// the sequences decode_first .. decode_first + decode_count - 1; labels and loss weights of both in that order.
struct Batch {
  int32_t sequences;
  const int32_t* tokens;
  int32_t asked;
  const int32_t* rows;
  int32_t decode_first, decode_count;
  const int32_t* labels;
  const float* weights;
};

class Training {
 public:
  static std::unique_ptr<Training> open(const Shape& shape, const int32_t* kinds, float* values, float* gradients,
                                        const int64_t* offsets, int64_t total, int64_t rest, Rotary rotary,
                                        const float* code) {
    std::unique_ptr<Training> training(new Training(shape, kinds));
    training->flat_values_ = values;
    training->flat_gradients_ = gradients;
    training->total_ = total;
    training->rest_ = rest;
    training->rotary_ = rotary;
    training->decoder_.code = code;
    training->place();
    if (!training->arena_.settle()) return nullptr;
    training->place();
    training->bind(offsets);
    return training;
  }

  // Whether every index of the batch is inside its range.
  bool valid(const Batch& b) const {
    if (b.sequences < 1 || b.sequences > shape_.sequences || b.asked < 0) return false;
    const long tokens = static_cast<long>(b.sequences) * shape_.length;
    for (long i = 0; i < tokens; ++i)
      if (b.tokens[i] < 0 || b.tokens[i] >= shape_.vocabulary) return false;
    for (long i = 0; i < b.asked; ++i)
      if (b.rows[i] < 0 || b.rows[i] >= tokens || (i > 0 && b.rows[i] <= b.rows[i - 1])) return false;
    if (b.decode_count != 0 &&
        (b.decode_count < 0 || b.decode_first < 0 || no_decoder() || b.decode_first + b.decode_count > b.sequences))
      return false;
    const long labels = b.asked + static_cast<long>(b.decode_count) * shape_.length;
    for (long i = 0; b.labels && i < labels; ++i)
      if (b.labels[i] < 0 || b.labels[i] >= shape_.vocabulary) return false;
    return true;
  }

  // Gradient of the weighted loss into the flat vector; losses and hits (0 or 1) per row.
  void gradients(const Batch& b, float* losses, float* hits) {
    refresh();
    clear();
    long asked = 0;
    for (long first = 0; first < b.sequences; first += shape_.block) {
      const long count = std::min<long>(shape_.block, b.sequences - first), tokens = count * shape_.length;
      const int32_t* text = b.tokens + first * shape_.length;
      forward(text, tokens);
      std::memset(dstream_, 0, static_cast<size_t>(tokens * shape_.width) * sizeof(float));
      const long end = (first + count) * shape_.length;
      long next = asked;
      while (next < b.asked && b.rows[next] < end) ++next;
      ask(b, asked, next, first * shape_.length, losses, hits);
      asked = next;
      for (long n = first; n < first + count; ++n)
        if (n >= b.decode_first && n < b.decode_first + b.decode_count) decode(b, n, n - first, losses, hits);
      for (long l = shape_.layers - 1; l >= 0; --l) backward(l, tokens);
      embedding_backward(shape_.width, tokens, text, dstream_, embedding_gradient_);
    }
    collect();
  }

  // The update from the flat gradients as they stand. Muon for the layers' matrices where `muon` is given, Adam for
  // the flat range behind `rest`.
  void update(double clip, const MuonRates* muon, const AdamRates& adam) {
    if (clip > 0) clip_gradients(total_, flat_gradients_, static_cast<float>(clip));
    if (muon)
      for (Layer& layer : layers_) {
        Dense &in = layer.input(), &out = layer.output();
        muon_.step(in.rows, in.columns, const_cast<float*>(in.value), in.flat_gradient, layer.input_buffer, *muon);
        muon_.step(out.rows, out.columns, const_cast<float*>(out.value), out.flat_gradient, layer.output_buffer, *muon);
      }
    adam_.step(total_ - rest_, flat_values_ + rest_, flat_gradients_ + rest_, adam);
  }

  // The most likely token at every position of `sequences`, or with `decoded` of what the decoder rebuilds.
  void answers(int32_t sequences, const int32_t* tokens, bool decoded, int32_t* best) {
    refresh();
    for (long first = 0; first < sequences; first += shape_.block) {
      const long count = std::min<long>(shape_.block, sequences - first), rows = count * shape_.length;
      forward(tokens + first * shape_.length, rows);
      const float* top = stream(shape_.layers);
      int32_t* to = best + first * shape_.length;
      if (!decoded) {
        head_.forward(shape_, rows, top);
        head_.answers(shape_, rows, to);
        continue;
      }
      for (long n = 0; n < count; ++n) {
        decoder_.forward(shape_, top + ((n + 1) * shape_.length - 1) * shape_.width);
        head_.forward(shape_, shape_.length, decoder_.out);
        head_.answers(shape_, shape_.length, to + n * shape_.length);
      }
    }
  }

  const Shape& shape() const { return shape_; }
  bool no_decoder() const { return static_cast<DecoderKind>(shape_.decoder) == DecoderKind::kNone; }

 private:
  Training(const Shape& shape, const int32_t* kinds) : shape_(shape), layers_(static_cast<size_t>(shape.layers)) {
    for (size_t l = 0; l < layers_.size(); ++l) layers_[l].kind = static_cast<Kind>(kinds[l]);
  }

  float* stream(long depth) { return stream_ + depth * shape_.block * shape_.length * shape_.width; }

  // Runs twice: the arena counts, then hands out.
  void place() {
    const long tokens = static_cast<long>(shape_.block) * shape_.length, width = shape_.width;
    stream_ = arena_.floats((shape_.layers + 1) * tokens * width);
    dstream_ = arena_.floats(tokens * width);
    rows_ = arena_.floats(tokens * width);
    drows_ = arena_.floats(tokens * width);
    scratch_.place(arena_, shape_, tokens);
    long most_rows = 0, most_columns = 0;
    for (Layer& layer : layers_) {
      if (layer.kind == Kind::kSwiglu) layer.swiglu.place(arena_, shape_, tokens);
      if (layer.kind == Kind::kAttention) layer.attention.place(arena_, shape_, tokens);
      if (layer.kind == Kind::kMamba2) layer.mamba2.place(arena_, shape_, tokens);
      Dense &in = layer.input(), &out = layer.output();
      in.lend(scratch_.rounded_a, scratch_.rounded_b);
      out.lend(scratch_.rounded_a, scratch_.rounded_b);
      layer.input_buffer = arena_.floats(in.rows * in.columns);
      layer.output_buffer = arena_.floats(out.rows * out.columns);
      most_rows = std::max({most_rows, in.rows, out.rows});
      most_columns = std::max({most_columns, in.columns, out.columns});
    }
    muon_.place(arena_, most_rows, most_columns);
    head_.place(arena_, shape_, tokens);
    if (!no_decoder()) decoder_.place(arena_, shape_);
    adam_.place(arena_, total_ - rest_);
  }

  // Offsets into the flat vectors, in the order that binding.py writes them; -1 where a tensor does not exist.
  void bind(const int64_t* offsets) {
    auto value = [&](const float*& to, float*& gradient) {
      const int64_t at = *offsets++;
      to = at < 0 ? nullptr : flat_values_ + at;
      gradient = at < 0 ? nullptr : flat_gradients_ + at;
    };
    auto dense = [&](Dense& matrix) { value(matrix.value, matrix.flat_gradient); };
    value(embedding_, embedding_gradient_);
    for (Layer& layer : layers_) {
      if (layer.kind == Kind::kSwiglu) {
        value(layer.swiglu.gain, layer.swiglu.gain_gradient);
        dense(layer.swiglu.input);
        dense(layer.swiglu.output);
      } else if (layer.kind == Kind::kAttention) {
        Attention& one = layer.attention;
        value(one.gain, one.gain_gradient);
        dense(one.input);
        dense(one.output);
        value(one.input_bias, one.input_bias_gradient);
        value(one.output_bias, one.output_bias_gradient);
      } else {
        Mamba2& one = layer.mamba2;
        value(one.gain, one.gain_gradient);
        dense(one.input);
        dense(one.output);
        value(one.conv, one.conv_gradient);
        value(one.conv_bias, one.conv_bias_gradient);
        value(one.dt_bias, one.dt_bias_gradient);
        value(one.a, one.a_gradient);
        value(one.skip, one.skip_gradient);
      }
    }
    value(head_.gain, head_.gain_gradient);
    dense(head_.matrix);
    if (no_decoder()) return;
    if (static_cast<DecoderKind>(shape_.decoder) == DecoderKind::kLearnedCode)
      value(decoder_.code, decoder_.code_gradient);
    dense(decoder_.first);
    dense(decoder_.second);
  }

  // The copies that the products read, from the parameters as they stand.
  void refresh() {
    for (Layer& layer : layers_) {
      if (layer.kind == Kind::kMamba2) {
        layer.mamba2.refresh(shape_);
      } else {
        layer.input().refresh();
        layer.output().refresh();
      }
    }
    head_.matrix.refresh();
    if (no_decoder()) return;
    decoder_.first.refresh();
    decoder_.second.refresh();
  }

  // The flat vector is cleared for what is summed there directly: embedding, gains, biases, code, per-head scalars.
  void clear() {
    std::memset(flat_gradients_, 0, static_cast<size_t>(total_) * sizeof(float));
    for (Layer& layer : layers_) {
      if (layer.kind == Kind::kMamba2) {
        layer.mamba2.clear_gradients(shape_);
      } else {
        layer.input().clear_gradient();
        layer.output().clear_gradient();
      }
    }
    head_.matrix.clear_gradient();
    if (no_decoder()) return;
    decoder_.first.clear_gradient();
    decoder_.second.clear_gradient();
  }

  void collect() {
    for (Layer& layer : layers_) {
      if (layer.kind == Kind::kMamba2) {
        layer.mamba2.collect(shape_);
      } else {
        layer.input().collect();
        layer.output().collect();
      }
    }
    head_.matrix.collect();
    if (no_decoder()) return;
    decoder_.first.collect();
    decoder_.second.collect();
  }

  void forward(const int32_t* text, long tokens) {
    embedding_forward(shape_.width, tokens, text, embedding_, stream(0));
    for (long l = 0; l < shape_.layers; ++l) {
      Layer& layer = layers_[static_cast<size_t>(l)];
      const float* x = stream(l);
      float* y = stream(l + 1);
      if (layer.kind == Kind::kSwiglu) layer.swiglu.forward(shape_, scratch_, tokens, x, y);
      if (layer.kind == Kind::kAttention) layer.attention.forward(shape_, rotary_, scratch_, tokens, x, y);
      if (layer.kind == Kind::kMamba2) layer.mamba2.forward(shape_, scratch_, tokens, x, y);
    }
  }

  void backward(long l, long tokens) {
    Layer& layer = layers_[static_cast<size_t>(l)];
    const float* x = stream(l);
    if (layer.kind == Kind::kSwiglu) layer.swiglu.backward(shape_, scratch_, tokens, x, dstream_);
    if (layer.kind == Kind::kAttention) layer.attention.backward(shape_, rotary_, scratch_, tokens, x, dstream_);
    if (layer.kind == Kind::kMamba2) layer.mamba2.backward(shape_, scratch_, tokens, x, dstream_);
  }

  // Rows asked .. next of the batch lie in the block that starts at token `start`.
  void ask(const Batch& b, long asked, long next, long start, float* losses, float* hits) {
    const long count = next - asked, width = shape_.width;
    if (count == 0) return;
    const float* top = stream(shape_.layers);
    const size_t bytes = static_cast<size_t>(width) * sizeof(float);
    for (long i = 0; i < count; ++i) std::memcpy(rows_ + i * width, top + (b.rows[asked + i] - start) * width, bytes);
    head_.forward(shape_, count, rows_);
    head_.backward(shape_, count, rows_, b.labels + asked, b.weights + asked, losses + asked, hits + asked, drows_);
    for (long i = 0; i < count; ++i)
      std::memcpy(dstream_ + (b.rows[asked + i] - start) * width, drows_ + i * width, bytes);
  }

  void decode(const Batch& b, long sequence, long in_block, float* losses, float* hits) {
    const long width = shape_.width, length = shape_.length, last = ((in_block + 1) * length - 1) * width;
    const long at = b.asked + (sequence - b.decode_first) * length;
    decoder_.forward(shape_, stream(shape_.layers) + last);
    head_.forward(shape_, length, decoder_.out);
    head_.backward(shape_, length, decoder_.out, b.labels + at, b.weights + at, losses + at, hits + at, drows_);
    decoder_.backward(shape_, stream(shape_.layers) + last, drows_, dstream_ + last);
  }

  Shape shape_;
  std::vector<Layer> layers_;
  Arena arena_;
  Rotary rotary_;
  Scratch scratch_{};
  Head head_;
  Decoder decoder_;
  Muon muon_;
  Adam adam_;
  float *flat_values_ = nullptr, *flat_gradients_ = nullptr;
  int64_t total_ = 0, rest_ = 0;
  const float* embedding_ = nullptr;
  float* embedding_gradient_ = nullptr;
  float *stream_ = nullptr, *dstream_ = nullptr, *rows_ = nullptr, *drows_ = nullptr;
};

}  // namespace aira
