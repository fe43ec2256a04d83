// What the timers in compiled code say, kept until the end: `passes/timers.py` puts them there, `doit profile` reads it.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

namespace timers {

using Time = std::chrono::steady_clock::time_point;

#ifdef SLUICE_TIMERS

extern "C" int omp_get_thread_num();

constexpr bool built = true;
constexpr std::int32_t region_begins = 0, call_began = 4, call_ended = 5;  // of the kinds, which the code knows all others of

/// What a timer says.
struct Tick {
  std::int64_t time;
  std::int32_t kind, region;
};

/// The same as it lies in the file, in nanoseconds of the system's clock.
struct Event {
  std::int32_t call, thread, kind, region;
  std::int64_t time;
};

inline std::int64_t nanoseconds(Time time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

/// The processor's own clock where it has a steady one, read in half the time of the system's.
inline std::int64_t ticks() {
#if defined(__x86_64__)
  return static_cast<std::int64_t>(__builtin_ia32_rdtsc());
#else
  return nanoseconds(std::chrono::steady_clock::now());
#endif
}

/// What one thread says in one call, in memory that is there beforehand and that no other thread writes next to.
class alignas(64) Lane {
 public:
  void add(std::int32_t kind, std::int32_t region) {
    if (count_ < ticks_.size()) ticks_[count_] = {ticks(), kind, region};
    ++count_;
  }
  bool whole() const { return count_ <= ticks_.size(); }
  const Tick *begin() const { return ticks_.data(); }
  const Tick *end() const { return ticks_.data() + count_; }
  /// Be ready for another call as long as this one.
  void clear() {
    if (!whole()) ticks_.resize(2 * count_);
    count_ = 0;
  }

 private:
  std::vector<Tick> ticks_ = std::vector<Tick>(1 << 12);
  std::size_t count_ = 0;
};

inline std::vector<Lane> lanes;
inline std::vector<Event> events;
inline std::int32_t calls = 0;
inline Time start;
inline std::int64_t start_ticks = 0, call_ticks = 0;

inline void prepare(int threads) {
  lanes.resize(static_cast<std::size_t>(threads));
  start = std::chrono::steady_clock::now();
  start_ticks = ticks();
}

/// The call begins at this moment.
inline void begin() { call_ticks = ticks(); }

/// Keep what the last call left; of one with more events than expected nothing is kept.
inline void keep(Time begin, Time end) {
  std::int64_t from = nanoseconds(begin), to = nanoseconds(end);
  double rate = static_cast<double>(to - nanoseconds(start)) / static_cast<double>(ticks() - start_ticks);
  if (std::all_of(lanes.begin(), lanes.end(), [](auto &lane) { return lane.whole(); })) {
    events.push_back({calls, 0, call_began, 0, from});
    for (std::size_t thread = 0; thread < lanes.size(); ++thread)
      for (auto &tick : lanes[thread]) {
        auto time = from + static_cast<std::int64_t>(rate * static_cast<double>(tick.time - call_ticks));
        events.push_back({calls, static_cast<std::int32_t>(thread), tick.kind, tick.region, std::clamp(time, from, to)});
      }
    events.push_back({calls, 0, call_ended, 0, to});
  }
  for (auto &lane : lanes) lane.clear();
  ++calls;
}

inline const char *data() { return reinterpret_cast<const char *>(events.data()); }
inline std::size_t bytes() { return events.size() * sizeof(Event); }

#else

constexpr bool built = false;
inline void prepare(int) {}
inline void begin() {}
inline void keep(Time, Time) {}
inline const char *data() { return nullptr; }
inline std::size_t bytes() { return 0; }

#endif

}  // namespace timers

#ifdef SLUICE_TIMERS
/// Called by the compiled code: now this thread is at a place of this kind in this region.
extern "C" inline __attribute__((used)) void sluice_timer(std::int32_t kind, std::int32_t region) {
  thread_local timers::Lane *mine = nullptr;
  if (!mine) {
    auto number = static_cast<std::size_t>(timers::omp_get_thread_num());
    if (number >= timers::lanes.size()) return;
    mine = &timers::lanes[number];
  }
  if (kind != timers::region_begins && timers::lanes.size() == 1) return;  // who is alone does not wait
  mine->add(kind, region);
}
#endif
