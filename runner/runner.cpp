// Runs a compiled model on recorded inputs, verifies every output element, times it, and measures it against the machine's peak.
#include <malloc.h>
#include <sys/prctl.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <random>

#include "files.h"
#include "options.h"
#include "peak.h"
#include "signature.h"
#include "timers.h"
#include "verify.h"

extern "C" void omp_set_num_threads(int);

namespace {

struct Freed {
  void operator()(char *memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<char, Freed>;

Memory allocate(std::size_t bytes) {
  Memory memory(static_cast<char *>(std::aligned_alloc(alignment, std::max(padded(bytes), alignment))));
  if (!memory) refuse("out of memory: " + std::to_string(bytes) + " bytes");
  return memory;
}

std::size_t total(const std::vector<TensorType> &types) {
  std::size_t bytes = 0;
  for (auto &type : types) bytes += padded(type.bytes());
  return bytes;
}

/// What a call leaves behind: its outputs, then the inputs that it writes in place.
std::vector<TensorType> everything_made() {
  auto types = signature::outputs;
  for (std::size_t place : signature::writes) types.push_back(signature::inputs[place]);
  return types;
}
const std::vector<TensorType> made = everything_made();

/// The same, as it lies in the files to compare with.
std::vector<TensorType> everything_expected() {
  std::vector<TensorType> types;
  for (auto &type : made) types.push_back(as_expected(type));
  return types;
}
const std::vector<TensorType> wanted = everything_expected();

/// The descriptors of a call, and the memory of its results.
class Call {
 public:
  Call(char *parameters, char *inputs, const char *expected) : inputs_(inputs), results_(allocate(total(made))) {
    spoil(expected);
    TensorType bytes{"parameters", DType::i8, {static_cast<std::int64_t>(signature::parameter_bytes)}};
    descriptors_.push_back(descriptor(bytes, parameters));
    add(signature::inputs, inputs);
    char *written = add(signature::outputs, results_.get());
    for (std::size_t place : signature::writes) {
      auto &type = signature::inputs[place];
      descriptors_[1 + place] = descriptor(type, written);
      written += padded(type.bytes());
    }
    for (auto &d : descriptors_) pointers_.push_back(d.data());
  }
  /// Give what a call writes in place the values that it had before the first one, so that all calls do the same.
  void restore() {
    char *written = results_.get() + total(signature::outputs);
    for (std::size_t place : signature::writes) {
      std::size_t begin = 0, bytes = padded(signature::inputs[place].bytes());
      for (std::size_t i = 0; i < place; ++i) begin += padded(signature::inputs[i].bytes());
      std::memcpy(written, inputs_ + begin, bytes);
      written += bytes;
    }
  }
  void operator()() { signature::call(pointers_.data()); }
  const char *results() const { return results_.get(); }

 private:
  /// Let an element that nobody writes be found: NaN, and for integers every bit other than it should be.
  void spoil(const char *expected) {
    char *output = results_.get();
    std::memset(output, 0xff, total(made));
    for (auto &type : signature::outputs) {
      for (std::size_t i = 0; is_integer(type.dtype) && i < type.bytes(); ++i) output[i] = static_cast<char>(~expected[i]);
      output += padded(type.bytes());
      expected += padded(as_expected(type).bytes());
    }
  }
  char *add(const std::vector<TensorType> &types, char *data) {
    for (auto &type : types) {
      descriptors_.push_back(descriptor(type, data));
      data += padded(type.bytes());
    }
    return data;
  }
  const char *inputs_;
  Memory results_;
  std::vector<std::vector<std::int64_t>> descriptors_;
  std::vector<void *> pointers_;
};

void verify(const char *actual, const char *expected, Errors &errors) {
  for (auto &type : made) {
    compare(type, actual, expected, errors);
    actual += padded(type.bytes());
    expected += padded(as_expected(type).bytes());
  }
}

/// Standard normal values in every f64, f32 and bf16 input; the others keep what was recorded.
void randomize(char *inputs, long seed) {
  std::mt19937_64 generator(static_cast<std::uint64_t>(seed));
  std::normal_distribution<double> normal;
  for (auto &type : signature::inputs) {
    for (std::size_t i = 0; i < type.count(); ++i) {
      if (type.dtype == DType::f32) reinterpret_cast<float *>(inputs)[i] = static_cast<float>(normal(generator));
      if (type.dtype == DType::f64) reinterpret_cast<double *>(inputs)[i] = normal(generator);
      if (type.dtype == DType::bf16) {
        auto value = static_cast<float>(normal(generator));
        std::memcpy(inputs + 2 * i, reinterpret_cast<char *>(&value) + 2, 2);  // the upper half, rounded towards zero
      }
    }
    inputs += padded(type.bytes());
  }
}

std::vector<double> time_calls(Call &call, int count) {
  std::vector<double> milliseconds;
  for (int i = 0; i < count; ++i) {
    call.restore();
    auto begin = std::chrono::steady_clock::now();
    timers::begin();
    call();
    auto end = std::chrono::steady_clock::now();
    milliseconds.push_back(std::chrono::duration<double, std::milli>(end - begin).count());
    timers::keep(begin, end);
  }
  return milliseconds;
}

/// The exit status: 1 for a wrong answer, with a sentence on standard error.
int verdict(const Errors &errors, double tolerance) {
  if (!errors.unacceptable.empty())
    std::fprintf(stderr, "Wrong answer: %s.\n", errors.unacceptable.c_str());
  else if (!(errors.relative <= tolerance))
    std::fprintf(stderr, "Wrong answer: the relative error %.2e is over the tolerance %.1e.\n", errors.relative, tolerance);
  else
    return 0;
  return 1;
}

double quantile(const std::vector<double> &sorted, double q) {
  double position = q * static_cast<double>(sorted.size() - 1);
  auto below = static_cast<std::size_t>(position);
  auto above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (position - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

struct Figures {
  double median, p10, p90, gflops, peak, tolerance;
  Errors errors;
  Errors against_f32;  // of a model in another dtype
};

const bool converted = std::strcmp(signature::dtype, "f32") != 0;

void print(const Figures &f, const Options &options) {
  std::printf("%s%s%s, %d thread%s, %d calls\n", signature::model, converted ? " in " : "", converted ? signature::dtype : "",
              options.threads, options.threads == 1 ? "" : "s", options.iterations);
  std::printf("  %-10s %12.3f ms   p10 %.3f   p90 %.3f\n", "median", f.median, f.p10, f.p90);
  std::printf("  %-10s %12.1f GFLOP/s, %.1f %% of the FMA peak of %.1f\n", "speed", f.gflops, 100 * f.gflops / f.peak, f.peak);
  std::printf("  %-10s %12.2e absolute, %.2e relative, %.1e allowed\n", "error", f.errors.absolute, f.errors.relative, f.tolerance);
  if (converted)
    std::printf("  %-10s %12.2e absolute, %.2e relative\n", "from f32", f.against_f32.absolute, f.against_f32.relative);
}

/// A file appears whole under its name, or not at all; a pipe or a device is written to.
void write(const std::string &path, const char *data, std::size_t bytes) {
  struct stat status {};
  bool special = stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
  std::string part = special ? path : path + ".part";
  std::FILE *file = std::fopen(part.c_str(), "wb");
  bool written = file && std::fwrite(data, 1, bytes, file) == bytes;
  written = file && std::fclose(file) == 0 && written;
  if (written && (special || std::rename(part.c_str(), path.c_str()) == 0)) return;
  std::string reason = std::strerror(errno);
  if (!special) std::remove(part.c_str());
  refuse(path + ": cannot be written: " + reason);
}

/// Answer each number on standard input with the milliseconds of so many calls, on one line; their outputs are written before.
void serve(Call &call, const std::string &output) {
  for (int count; std::scanf("%d", &count) == 1; std::fflush(stdout)) {
    auto times = time_calls(call, count);
    if (!output.empty()) write(output, call.results(), total(made));
    for (double milliseconds : times) std::printf("%.6f ", milliseconds);
    std::printf("\n");
  }
}

std::string json(const Figures &f, const Options &options) {
  char text[1024];
  auto finite = [](double value) { return std::isfinite(value) ? value : 1e308; };
  char off[128] = "";
  if (converted)
    std::snprintf(off, sizeof off, ", \"f32_max_abs_err\": %.6g, \"f32_max_rel_err\": %.6g", finite(f.against_f32.absolute),
                  finite(f.against_f32.relative));
  std::snprintf(text, sizeof text,
                "{\"model\": \"%s\", \"dtype\": \"%s\", \"threads\": %d, \"iterations\": %d, \"median_ms\": %.6g, \"p10_ms\": %.6g, \"p90_ms\": %.6g, "
                "\"gflops\": %.6g, \"peak_gflops\": %.6g, \"max_abs_err\": %.6g, \"max_rel_err\": %.6g, \"tolerance\": %.6g%s}\n",
                signature::model, signature::dtype, options.threads, options.iterations, f.median, f.p10, f.p90, f.gflops, f.peak,
                finite(f.errors.absolute), finite(f.errors.relative), f.tolerance, off);
  return text;
}

}  // namespace

int main(int count, char **arguments) {
  Options options = parse(count, arguments);
  if (!options.events.empty() && !(timers::built && options.serve))
    refuse("--events goes with --serve, in an executable with timers: `doit profile` builds one");
  // Large buffers stay with the process from one call to the next instead of being mapped and zeroed anew.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  omp_set_num_threads(options.threads);
  timers::prepare(options.threads);

  Loaded parameters(options.data + "/arg0.data", signature::parameter_bytes);
  Loaded inputs(options.data + "/inputs.data", total(signature::inputs));
  Loaded expected(options.data + "/expected.data", total(wanted));
  Call call(parameters.data(), inputs.data(), expected.data());
  time_calls(call, 1);
  Figures figures{};
  figures.tolerance = number_in(options.data + "/tolerance.txt");
  verify(call.results(), expected.data(), figures.errors);
  if (converted) verify(call.results(), Loaded(options.data + "/as_written.data", total(wanted)).data(), figures.against_f32);
  if (!options.output.empty()) write(options.output, call.results(), total(made));

  if (options.serve) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // who asks may halt this process, and be killed then
    serve(call, options.output);
    if (!options.events.empty()) write(options.events, timers::data(), timers::bytes());
    verify(call.results(), expected.data(), figures.errors);
    return verdict(figures.errors, figures.tolerance);
  }
  if (options.seed >= 0) randomize(inputs.data(), options.seed);
  time_calls(call, options.warmup);
  auto times = time_calls(call, options.iterations);
  std::sort(times.begin(), times.end());
  if (options.seed < 0) verify(call.results(), expected.data(), figures.errors);  // the last answer as well as the first
  figures.median = quantile(times, 0.5);
  figures.p10 = quantile(times, 0.1);
  figures.p90 = quantile(times, 0.9);
  figures.gflops = signature::flops / figures.median * 1e-6;
  figures.peak = peak::gflops<>(options.threads);
  print(figures, options);
  if (!options.json.empty()) {
    std::string text = json(figures, options);
    write(options.json, text.data(), text.size());
  }
  return verdict(figures.errors, figures.tolerance);
}
