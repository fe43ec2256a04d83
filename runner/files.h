// Data files, mapped; a file that is missing or not of the expected size ends the program with a sentence and status 2.
#pragma once
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

[[noreturn]] inline void refuse(const std::string &sentence) {
  std::fprintf(stderr, "%s\n", sentence.c_str());
  std::exit(2);
}

/// A file's bytes in memory of this process: writable, never written back.
class Mapped {
 public:
  Mapped(const std::string &path, std::size_t expected) : size_(expected) {
    int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) refuse(path + ": " + std::strerror(errno) + "; `doit frontend` writes it");
    struct stat status {};
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) refuse(path + ": not a regular file");
    auto found = static_cast<std::size_t>(status.st_size);
    if (found != expected)
      refuse(path + ": " + std::to_string(found) + " bytes, expected " + std::to_string(expected) +
             "; it belongs to another build: `doit frontend` writes it anew");
    if (expected > 0) {
      data_ = mmap(nullptr, expected, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
      if (data_ == MAP_FAILED) refuse(path + ": cannot be mapped: " + std::strerror(errno));
      madvise(data_, expected, MADV_HUGEPAGE);
    }
    close(file);
  }
  ~Mapped() {
    if (data_) munmap(data_, size_);
  }
  Mapped(const Mapped &) = delete;
  Mapped &operator=(const Mapped &) = delete;
  char *data() const { return static_cast<char *>(data_); }

 private:
  void *data_ = nullptr;
  std::size_t size_;
};
