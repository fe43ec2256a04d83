// The command line.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "files.h"

struct Options {
  int warmup = 5, iterations = 30, threads = 0;
  long seed = -1;  // of random inputs for the timed runs; -1 times the recorded ones
  bool serve = false;
  std::string json, output, data, events;
};

inline const char *usage =
    "usage: %s [--warmup N] [--iterations N] [--threads N] [--seed N] [--data DIR] [--json FILE] [--output FILE] [--serve]\n"
    "          [--events FILE]\n"
    "\n"
    "Runs the compiled model on the inputs recorded beside it, compares every element of its answer with PyTorch's, and\n"
    "times it.\n"
    "\n"
    "  --warmup N      calls before timing (5)\n"
    "  --iterations N  timed calls (30)\n"
    "  --threads N     OpenMP threads (one for each processor)\n"
    "  --seed N        time on random floating-point inputs from this seed instead of the recorded ones\n"
    "  --data DIR      where arg0.data, inputs.data, expected.data and tolerance.txt are (where this program is)\n"
    "  --json FILE     write the figures as JSON\n"
    "  --output FILE   write the bytes of the outputs, and of the inputs that the model writes in place\n"
    "  --serve         answer each number on standard input with the milliseconds of so many calls, and write --output anew\n"
    "  --events FILE   with --serve: write what the timers in the code saw of each call, if it was built with timers\n"
    "\n"
    "Exits with 0 when the answer is right, 1 when it is wrong, 2 when the run cannot be made.\n";

constexpr long most = 1'000'000'000, most_threads = 4096;

inline long number(const std::string &option, const std::string &text, long least, long greatest = most) {
  char *end = nullptr;
  errno = 0;
  long value = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end || errno || value < least || value > greatest)
    refuse(option + " " + text + ": expected a whole number from " + std::to_string(least) + " to " + std::to_string(greatest));
  return value;
}

inline Options parse(int count, char **arguments) {
  Options options;
  options.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  options.data = std::filesystem::read_symlink("/proc/self/exe").parent_path();  // also when found through PATH
  for (int i = 1; i < count; ++i) {
    std::string option = arguments[i];
    if (option == "--help" || option == "-h") {
      std::printf(usage, arguments[0]);
      std::exit(0);
    }
    if (option == "--serve") {
      options.serve = true;
      continue;
    }
    if (i + 1 == count) refuse(option + ": unknown, or its value is missing; see --help");
    std::string value = arguments[++i];
    if (value.empty()) refuse(option + ": its value is empty; see --help");
    if (option == "--warmup") options.warmup = static_cast<int>(number(option, value, 0));
    else if (option == "--iterations") options.iterations = static_cast<int>(number(option, value, 1));
    else if (option == "--threads") options.threads = static_cast<int>(number(option, value, 1, most_threads));
    else if (option == "--seed") options.seed = number(option, value, 0);
    else if (option == "--data") options.data = value;
    else if (option == "--json") options.json = value;
    else if (option == "--output") options.output = value;
    else if (option == "--events") options.events = value;
    else refuse(option + ": unknown option; see --help");
  }
  return options;
}
