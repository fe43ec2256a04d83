// The machine's limits, measured on demand: `limits THREADS` answers each line on standard input with a line of JSON.
#include <cstdio>
#include <cstring>
#include <string>
#include <sys/mman.h>

#include "options.h"
#include "peak.h"

namespace {

constexpr std::size_t bytes = std::size_t{1} << 30, page = std::size_t{1} << 21;

/// Memory of huge pages, written once so that it is there.
const char *memory() {
  void *data = std::aligned_alloc(page, bytes);
  if (!data) refuse("out of memory: " + std::to_string(bytes) + " bytes");
  madvise(data, bytes, MADV_HUGEPAGE);
  return static_cast<char *>(std::memset(data, 0, bytes));
}

std::string bf16([[maybe_unused]] int threads) {
#ifdef __AVX512BF16__
  return std::to_string(peak::gflops<peak::Bf16>(threads));
#else
  return "null";
#endif
}

}  // namespace

int main(int count, char **arguments) {
  if (count != 2) refuse(std::string("usage: ") + arguments[0] + " THREADS");
  int threads = static_cast<int>(number("THREADS", arguments[1], 1, most_threads));
  const char *data = memory();
  for (int c; (c = std::getchar()) != EOF;) {
    if (c != '\n') continue;
    std::printf("{\"fp32_gflops\": %f, \"bf16_gflops\": %s, \"read_gbps\": %f}\n", peak::gflops<>(threads),
                bf16(threads).c_str(), peak::gbps(threads, data, bytes));
    std::fflush(stdout);
  }
}
