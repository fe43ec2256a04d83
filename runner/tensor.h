// Element types and dense tensors, as the generated signature and the runner share them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

enum class DType { f64, f32, f16, bf16, i64, i32, i16, i8, u8, i1 };

struct TensorType {
  std::string name;
  DType dtype;
  std::vector<std::int64_t> shape;

  std::size_t count() const {
    std::size_t n = 1;
    for (auto size : shape) n *= static_cast<std::size_t>(size);
    return n;
  }
  std::size_t width() const {
    switch (dtype) {
      case DType::f64: case DType::i64: return 8;
      case DType::f32: case DType::i32: return 4;
      case DType::f16: case DType::bf16: case DType::i16: return 2;
      default: return 1;
    }
  }
  std::size_t bytes() const { return count() * width(); }
};

/// Tensors in a data file begin at multiples of this many bytes.
inline constexpr std::size_t alignment = 64;

inline std::size_t padded(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

/// A ranked memref descriptor: two pointers, an offset, sizes and strides in elements, all 8 bytes wide.
inline std::vector<std::int64_t> descriptor(const TensorType &type, void *data) {
  auto address = reinterpret_cast<std::int64_t>(data);
  std::vector<std::int64_t> fields{address, address, 0};
  fields.insert(fields.end(), type.shape.begin(), type.shape.end());
  std::vector<std::int64_t> strides(type.shape.size());
  std::int64_t stride = 1;
  for (std::size_t i = strides.size(); i-- > 0; stride *= type.shape[i]) strides[i] = stride;
  fields.insert(fields.end(), strides.begin(), strides.end());
  return fields;
}
