// What the processor can do at most, measured: multiply-adds on independent registers, and reading memory.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <thread>
#include <vector>
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

namespace peak {

#if defined(__AVX512F__)
constexpr int lanes = 16;
#elif defined(__AVX__)
constexpr int lanes = 8;
#else
constexpr int lanes = 4;
#endif
using Vector = float __attribute__((vector_size(lanes * sizeof(float))));
constexpr int chains = 12;  // in flight: more than latency times issue width
constexpr int runs = 9;     // short ones, of which the median counts

/// x * y + sum in single precision.
struct Fp32 {
  static constexpr double flops = 2.0 * lanes;
  Vector x = Vector{} + 1.0001f, y = Vector{} + 0.9999f;
  Vector operator()(Vector sum) const { return x * y + sum; }
};

#ifdef __AVX512BF16__
/// Pairs of products in bfloat16, added up in single precision: vdpbf16ps.
struct Bf16 {
  static constexpr double flops = 4.0 * lanes;
  __m512bh x = (__m512bh)_mm512_set1_epi16(0x3f80), y = x;  // 1.0
  Vector operator()(Vector sum) const { return (Vector)_mm512_dpbf16_ps((__m512)sum, x, y); }
};
#endif

inline double since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Seconds that one thread takes for `steps` operations on each chain.
template <class Operation>
double run(long steps) {
  Operation operation;
  Vector sums[chains] = {};
  auto begin = std::chrono::steady_clock::now();
  for (long step = 0; step < steps; ++step) {
#pragma GCC unroll 12
    for (auto &sum : sums) {
      sum = operation(sum);
      asm volatile("" : "+v"(sum));
    }
  }
  return since(begin);
}

/// Seconds of the slowest thread; `work(thread)` gives its own.
template <class Work>
double slowest(int threads, Work work) {
  std::vector<double> seconds(threads);
  std::vector<std::thread> pool;
  for (int i = 0; i < threads; ++i) pool.emplace_back([&, i] { seconds[i] = work(i); });
  for (auto &thread : pool) thread.join();
  return *std::max_element(seconds.begin(), seconds.end());
}

template <class Rate>
double median(Rate rate) {
  std::vector<double> rates;
  for (int i = 0; i < runs; ++i) rates.push_back(rate());
  std::sort(rates.begin(), rates.end());
  return rates[runs / 2];
}

/// GFLOP/s of all threads together: the median of several short runs.
template <class Operation = Fp32>
double gflops(int threads) {
  constexpr long steps = 1'000'000;
  double work = Operation::flops * chains * steps * threads;
  return median([&] { return work / slowest(threads, [](int) { return run<Operation>(steps); }) * 1e-9; });
}

/// Seconds that one thread takes to read `bytes`, a multiple of 256, at `data`: two streams at once, a kilobyte ahead.
inline double read(const char *data, std::size_t bytes) {
  constexpr std::size_t line = 128, step = sizeof(Vector), ahead = 1024;
  Vector sums[2][line / step] = {};
  auto begin = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < bytes / 2; i += line)
    for (int stream = 0; stream < 2; ++stream) {
      const char *here = data + stream * (bytes / 2) + i;
#pragma GCC unroll 8
      for (std::size_t j = 0; j < line; j += step) {
        __builtin_prefetch(here + j + ahead);
        sums[stream][j / step] += *reinterpret_cast<const Vector *>(here + j);
      }
    }
  double seconds = since(begin);
  for (auto &stream : sums)
    for (auto &sum : stream) asm volatile("" : : "v"(sum));
  return seconds;
}

/// GB/s of all threads together, each reading its part of `bytes`: more than any cache holds. The median of a few runs.
inline double gbps(int threads, const char *data, std::size_t bytes) {
  std::size_t part = bytes / threads / 4096 * 4096;
  return median([&] {
    return static_cast<double>(part) * threads / slowest(threads, [&](int i) { return read(data + i * part, part); }) * 1e-9;
  });
}

}  // namespace peak
