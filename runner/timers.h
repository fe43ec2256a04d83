// What the timers in compiled code say, kept until the end: `passes/timers.py` puts them there, `doit profile` reads it.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace timers {

using Time = std::chrono::steady_clock::time_point;

#ifdef SLUICE_TIMERS

extern "C" int omp_get_thread_num();

constexpr bool built = true;
constexpr std::int32_t call_began = 4, call_ended = 5;  // after the kinds that the code itself knows

/// As it lies in the file.
struct Event {
  std::int32_t call, thread, kind, region;
  std::int64_t nanoseconds;
};

inline std::int64_t nanoseconds(Time time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

/// The events of one thread in one call, in memory that is there beforehand.
class Lane {
 public:
  void add(std::int32_t kind, std::int32_t region, std::int64_t time) {
    if (count_ < events_.size()) events_[count_] = {0, 0, kind, region, time};
    ++count_;
  }
  bool whole() const { return count_ <= events_.size(); }
  /// Hand them over, numbered, and be ready for another call as long as this one.
  void move(std::int32_t call, std::int32_t thread, std::vector<Event> &to, bool keep) {
    for (std::size_t i = 0; keep && i < count_; ++i) {
      to.push_back(events_[i]);
      to.back().call = call;
      to.back().thread = thread;
    }
    if (!whole()) events_.resize(2 * count_);
    count_ = 0;
  }

 private:
  std::vector<Event> events_ = std::vector<Event>(1 << 12);
  std::size_t count_ = 0;
};

inline std::vector<Lane> lanes;
inline std::vector<Event> events;
inline std::int32_t calls = 0;

inline void prepare(int threads) { lanes.resize(static_cast<std::size_t>(threads)); }

/// Keep what the last call left; of one with more events than expected nothing is kept.
inline void keep(Time begin, Time end) {
  bool whole = true;
  for (auto &lane : lanes) whole = whole && lane.whole();
  if (whole) events.push_back({calls, 0, call_began, 0, nanoseconds(begin)});
  for (std::size_t thread = 0; thread < lanes.size(); ++thread)
    lanes[thread].move(calls, static_cast<std::int32_t>(thread), events, whole);
  if (whole) events.push_back({calls, 0, call_ended, 0, nanoseconds(end)});
  ++calls;
}

inline const char *data() { return reinterpret_cast<const char *>(events.data()); }
inline std::size_t bytes() { return events.size() * sizeof(Event); }

#else

constexpr bool built = false;
inline void prepare(int) {}
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
  mine->add(kind, region, timers::nanoseconds(std::chrono::steady_clock::now()));
}
#endif
