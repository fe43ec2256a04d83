// Data files, read; a file that is missing or not of the expected size ends the program with a sentence and status 2.
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

/// The number that is a text file's only content.
inline double number_in(const std::string &path) {
  std::FILE *file = std::fopen(path.c_str(), "r");
  if (!file) refuse(path + ": " + std::strerror(errno) + "; `doit frontend` writes it");
  double value;
  if (std::fscanf(file, "%lf", &value) != 1) refuse(path + ": holds no number: `doit frontend` writes it anew");
  std::fclose(file);
  return value;
}

/// A file's bytes in memory of this process, writable, in pages of 2 MiB where the system has them.
class Loaded {
 public:
  Loaded(const std::string &path, std::size_t expected) : size_(expected) {
    int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) refuse(path + ": " + std::strerror(errno) + "; `doit frontend` writes it");
    struct stat status {};
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) refuse(path + ": not a regular file");
    auto found = static_cast<std::size_t>(status.st_size);
    if (found != expected)
      refuse(path + ": " + std::to_string(found) + " bytes, expected " + std::to_string(expected) +
             "; it belongs to another build: `doit frontend` writes it anew");
    if (expected > 0) {
      data_ = mmap(nullptr, expected, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (data_ == MAP_FAILED) refuse(path + ": no memory for its " + std::to_string(expected) + " bytes: " + std::strerror(errno));
      madvise(data_, expected, MADV_HUGEPAGE);
      read_whole(file, path);
    }
    close(file);
  }
  ~Loaded() {
    if (data_) munmap(data_, size_);
  }
  Loaded(const Loaded &) = delete;
  Loaded &operator=(const Loaded &) = delete;
  char *data() const { return static_cast<char *>(data_); }

 private:
  void read_whole(int file, const std::string &path) {
    for (std::size_t done = 0; done < size_;) {
      ssize_t count = read(file, data() + done, size_ - done);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) refuse(path + ": cannot be read: " + (count ? std::strerror(errno) : "it ended early"));
      done += static_cast<std::size_t>(count);
    }
  }
  void *data_ = nullptr;
  std::size_t size_;
};
