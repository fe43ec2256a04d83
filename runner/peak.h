// What the processor can do at most, measured: fused multiply-adds on independent registers.
#pragma once
#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

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

/// Seconds that one thread takes for `steps` multiply-adds on each chain.
inline double run(long steps) {
  Vector sums[chains] = {}, x = sums[0] + 1.0001f, y = sums[0] + 0.9999f;
  auto begin = std::chrono::steady_clock::now();
  for (long step = 0; step < steps; ++step) {
#pragma GCC unroll 12
    for (auto &sum : sums) {
      sum = x * y + sum;
      asm volatile("" : "+v"(sum));
    }
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// GFLOP/s of all threads together: the median of several short runs.
inline double gflops(int threads) {
  constexpr long steps = 1'000'000;
  constexpr int runs = 9;
  std::vector<double> rates;
  for (int i = 0; i < runs; ++i) {
    std::vector<double> seconds(threads);
    std::vector<std::thread> pool;
    for (auto &s : seconds) pool.emplace_back([&s] { s = run(steps); });
    for (auto &thread : pool) thread.join();
    double slowest = *std::max_element(seconds.begin(), seconds.end());
    rates.push_back(2.0 * lanes * chains * steps * threads / slowest * 1e-9);
  }
  std::sort(rates.begin(), rates.end());
  return rates[runs / 2];
}

}  // namespace peak
