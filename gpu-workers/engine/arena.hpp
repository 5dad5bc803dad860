// All memory of one training, taken in one piece when the training opens: a step allocates nothing.
//
// Two passes over the same code: without a base the arena only counts, with one it hands out. Invariants:
// 1. Every piece starts on a cache line and is followed by a spare one, so a full vector may be read at its end. Under
//    the address sanitizer catches reads and writes past it.
// 2. The memory starts as zeros; padding columns, which are never written, stay zero.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#define AIRA_GUARDED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define AIRA_GUARDED 1
#endif
#endif
#if defined(AIRA_GUARDED)
#include <sanitizer/asan_interface.h>
#endif

namespace aira {

class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() {
#if defined(AIRA_GUARDED)
    if (base_ != nullptr) ASAN_UNPOISON_MEMORY_REGION(base_, used_);
#endif
    std::free(base_);
  }

  float* floats(long count) { return reinterpret_cast<float*>(take(static_cast<size_t>(count) * sizeof(float))); }

  // Take the memory counted so far and start handing out. False when the system has none.
  bool settle() {
    constexpr size_t kHugePage = size_t{2} << 20;
    const size_t bytes = (used_ + kHugePage - 1) / kHugePage * kHugePage;
    base_ = static_cast<char*>(std::aligned_alloc(kHugePage, bytes));
    if (base_ == nullptr) return false;
#if defined(MADV_HUGEPAGE)
    madvise(base_, bytes, MADV_HUGEPAGE);  // a wish: fewer address translations, the same results without
#endif
    std::memset(base_, 0, bytes);
    used_ = 0;
    return true;
  }

 private:
  void* take(size_t bytes) {
    constexpr size_t kLine = 64;
    const size_t at = used_;
    used_ += (bytes + 2 * kLine - 1) / kLine * kLine;
#if defined(AIRA_GUARDED)
    if (base_ != nullptr) ASAN_POISON_MEMORY_REGION(base_ + used_, kLine);
    used_ += kLine;
#endif
    return base_ == nullptr ? nullptr : base_ + at;
  }

  char* base_ = nullptr;
  size_t used_ = 0;
};

}  // namespace aira
