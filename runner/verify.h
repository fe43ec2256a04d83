// Every element of a result against what PyTorch gave.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "tensor.h"

inline double half(std::uint16_t bits) {
  int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  double value = exponent == 31  ? (mantissa ? NAN : INFINITY)
                 : exponent == 0 ? std::ldexp(mantissa, -24)
                                 : std::ldexp(mantissa + 1024, exponent - 25);
  return bits >> 15 ? -value : value;
}

template <class T>
T element(const char *data, std::size_t index) {
  T value;
  std::memcpy(&value, data + index * sizeof(T), sizeof(T));
  return value;
}

inline double real(const TensorType &type, const char *data, std::size_t i) {
  switch (type.dtype) {
    case DType::f64: return element<double>(data, i);
    case DType::f32: return element<float>(data, i);
    case DType::f16: return half(element<std::uint16_t>(data, i));
    case DType::bf16: {
      std::uint32_t bits = static_cast<std::uint32_t>(element<std::uint16_t>(data, i)) << 16;
      float value;
      std::memcpy(&value, &bits, sizeof value);
      return value;
    }
    case DType::i64: return static_cast<double>(element<std::int64_t>(data, i));
    case DType::i32: return element<std::int32_t>(data, i);
    case DType::i16: return element<std::int16_t>(data, i);
    case DType::i8: return element<std::int8_t>(data, i);
    default: return element<std::uint8_t>(data, i);
  }
}

struct Errors {
  double absolute = 0;       // largest
  double relative = 0;       // largest absolute error over the largest expected magnitude of its output
  std::string unacceptable;  // a sentence, when an element is NaN or an infinity or an integer differs
};

inline bool is_integer(DType dtype) {
  return dtype != DType::f64 && dtype != DType::f32 && dtype != DType::f16 && dtype != DType::bf16;
}

/// What a result is compared with: floats of 16 bits are expected as f32.
inline TensorType as_expected(TensorType type) {
  if (type.dtype == DType::bf16 || type.dtype == DType::f16) type.dtype = DType::f32;
  return type;
}

/// Compare one output with what is expected; integers and booleans must be equal.
inline void compare(const TensorType &type, const char *actual, const char *expected, Errors &errors) {
  TensorType wanted = as_expected(type);
  double largest = 0, worst = 0;
  auto reject = [&](std::size_t i, const char *what) {
    if (errors.unacceptable.empty())
      errors.unacceptable = type.name + "[" + std::to_string(i) + "] is " + what + ": " +
                            std::to_string(real(type, actual, i)) + ", expected " + std::to_string(real(wanted, expected, i));
  };
  for (std::size_t i = 0; i < type.count(); ++i) {
    double a = real(type, actual, i), e = real(wanted, expected, i);
    if (is_integer(type.dtype)) {
      if (std::memcmp(actual + i * type.width(), expected + i * type.width(), type.width()) != 0) reject(i, "another number");
    } else if (std::isnan(a) || std::isnan(e)) {
      reject(i, "not a number");
    } else if (std::isinf(a) || std::isinf(e)) {
      if (a != e) reject(i, "infinite where it should not be");
      continue;
    }
    largest = std::max(largest, std::fabs(e));
    worst = std::max(worst, std::fabs(a - e));
  }
  errors.absolute = std::max(errors.absolute, worst);
  errors.relative = std::max(errors.relative, largest > 0 ? worst / largest : worst);
}
