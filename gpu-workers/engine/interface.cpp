// The C interface of the engine, called by aira_workers/native/binding.py. Pointers to parameters, gradients and tables
// must stay valid until `aira_close`; a training is used by one thread at a time.
#include <new>

#include "model.hpp"

using aira::AdamRates;
using aira::Batch;
using aira::MuonRates;
using aira::Shape;
using aira::Training;

namespace {
enum Status : int32_t { kDone = 0, kBadIndex = 1 };
}  // namespace

extern "C" {

// Mirrored by binding.py. `muon_steps` 0: no Muon, the flat range behind `rest` is everything.
struct AiraRates {
  double clip, matrix_lr, momentum, lr, beta1, beta2, eps, weight_decay;
  int32_t muon_steps;
};

int32_t aira_lanes() { return aira::kLanes; }

// Whether dense products of the layers round their operands to bfloat16.
int32_t aira_rounds() {
#if AIRA_BF16
  return 1;
#else
  return 0;
#endif
}

// A training, or null when the system has no memory for it.
void* aira_open(const Shape* shape, const int32_t* kinds, float* values, float* gradients, const int64_t* offsets,
                int64_t total, int64_t rest, const float* cos, const float* sin, const float* code) {
  try {
    return Training::open(*shape, kinds, values, gradients, offsets, total, rest, {cos, sin}, code).release();
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void aira_close(void* training) { delete static_cast<Training*>(training); }

int32_t aira_gradients(void* training, const Batch* batch, float* losses, float* hits) {
  auto* one = static_cast<Training*>(training);
  if (!one->valid(*batch)) return kBadIndex;
  one->gradients(*batch, losses, hits);
  return kDone;
}

void aira_update(void* training, const AiraRates* rates) {
  const MuonRates muon{rates->matrix_lr, rates->momentum, rates->muon_steps};
  const AdamRates adam{rates->lr, rates->beta1, rates->beta2, rates->eps, rates->weight_decay};
  static_cast<Training*>(training)->update(rates->clip, rates->muon_steps > 0 ? &muon : nullptr, adam);
}

// best (sequences, length); with `decoded` the tokens that the decoder rebuilds.
int32_t aira_answers(void* training, int32_t sequences, const int32_t* tokens, int32_t decoded, int32_t* best) {
  auto* one = static_cast<Training*>(training);
  const Batch checked{sequences, tokens, 0, nullptr, 0, decoded != 0 ? sequences : 0, nullptr, nullptr};
  if (!one->valid(checked)) return kBadIndex;
  one->answers(sequences, tokens, decoded != 0, best);
  return kDone;
}

}  // extern "C"
