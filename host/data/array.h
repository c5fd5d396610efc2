// An array whose memory is not touched before it is written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace kindred {

template <class T>
class Array {
 public:
  Array() = default;
  explicit Array(int64_t size)
      : size_(static_cast<size_t>(size)), values_(std::make_unique_for_overwrite<T[]>(size_)) {}
  Array(Array&& other) noexcept : size_(std::exchange(other.size_, 0)), values_(std::move(other.values_)) {}
  Array& operator=(Array&& other) noexcept {
    size_ = std::exchange(other.size_, 0);
    values_ = std::move(other.values_);
    return *this;
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* data() { return values_.get(); }
  const T* data() const { return values_.get(); }
  T& operator[](int64_t i) { return values_[static_cast<size_t>(i)]; }
  std::span<const T> view() const { return {values_.get(), size_}; }

 private:
  size_t size_ = 0;
  std::unique_ptr<T[]> values_;
};

}  // namespace kindred
