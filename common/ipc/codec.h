// Binary coding of the messages between our processes: little-endian, length-prefixed, no text
// formats, no lines. Encoder and Decoder have the same shape, so one visit() per message serves
// both. No I/O here.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "common/base/sane_time.h"

namespace postwain::ipc {

class Encoder {
 public:
  static constexpr bool kDecoding = false;

  explicit Encoder(std::string& out) : out_(out) {}

  template <class Integer>
  requires std::is_integral_v<Integer>
  void number(const Integer& value) {
    char bytes[sizeof(Integer)];
    std::memcpy(bytes, &value, sizeof bytes);
    out_.append(bytes, sizeof bytes);
  }
  void bytes(std::string_view value) {
    number(static_cast<std::uint32_t>(value.size()));
    out_.append(value);
  }

 private:
  std::string& out_;
};

// After the first mistake every further read yields zero or empty and ok() stays false.
class Decoder {
 public:
  static constexpr bool kDecoding = true;

  explicit Decoder(std::string_view in) : in_(in) {}

  bool ok() const { return ok_; }
  bool finished() const { return ok_ && in_.empty(); }
  void fail() {
    ok_ = false;
    in_ = {};
  }

  template <class Integer>
  requires std::is_integral_v<Integer>
  void number(Integer& value) {
    value = {};
    if (in_.size() < sizeof(Integer)) return fail();
    std::memcpy(&value, in_.data(), sizeof(Integer));
    in_.remove_prefix(sizeof(Integer));
  }
  std::string_view view() {
    std::uint32_t size = 0;
    number(size);
    if (size > in_.size()) {
      fail();
      return {};
    }
    std::string_view value = in_.substr(0, size);
    in_.remove_prefix(size);
    return value;
  }
  void bytes(std::string& value) { value = view(); }
  void bytes(std::string_view& value) { value = view(); }  // lives as long as the input
  std::size_t left() const { return in_.size(); }

 private:
  std::string_view in_;
  bool ok_ = true;
};

// An enum whose values are 0..last; anything else does not decode.
template <class A, class E>
void enum_field(A& archive, E& value, std::remove_const_t<E> last) {
  using Number = std::underlying_type_t<std::remove_const_t<E>>;
  Number number{};
  if constexpr (!A::kDecoding) number = static_cast<Number>(value);
  archive.number(number);
  if constexpr (A::kDecoding) {
    if (number > static_cast<Number>(last))
      archive.fail();
    else
      value = static_cast<E>(number);
  }
}

// archive & value for every type that stands in a message. An enum says its largest value with
// last_of(), beside its declaration.
template <class A, class T>
void field(A& archive, T& value) {
  using Plain = std::remove_const_t<T>;
  if constexpr (std::is_same_v<Plain, bool>) {
    std::uint8_t byte = 0;
    if constexpr (!A::kDecoding) byte = value ? 1 : 0;
    archive.number(byte);
    if constexpr (A::kDecoding) {
      if (byte > 1) archive.fail();
      value = byte == 1;
    }
  } else if constexpr (std::is_integral_v<Plain>) {
    archive.number(value);
  } else if constexpr (std::is_same_v<Plain, std::string> ||
                       std::is_same_v<Plain, std::string_view>) {
    archive.bytes(value);
  } else if constexpr (std::is_enum_v<Plain>) {
    enum_field(archive, value, last_of(Plain{}));
  } else {
    visit(archive, value);
  }
}

// A WallTime.
template <class A, class T>
void time_field(A& archive, T& value) {
  std::int64_t ms = 0;
  if constexpr (!A::kDecoding) ms = to_unix_ms(value);
  archive.number(ms);
  if constexpr (A::kDecoding) value = sane_time(ms);
}

// Whole milliseconds; one that is negative does not decode.
template <class A, class T>
void duration_field(A& archive, T& value) {
  std::int64_t ms = 0;
  if constexpr (!A::kDecoding) ms = value.count();
  archive.number(ms);
  if constexpr (A::kDecoding) {
    if (ms < 0) archive.fail();
    value = std::remove_const_t<T>(ms < 0 ? 0 : ms);
  }
}

// No list of ours is longer: recipients of a message are the longest.
constexpr std::uint32_t kListMax = 100'000;

template <class A, class T>
void list_field(A& archive, T& list) {
  std::uint32_t count = 0;
  if constexpr (!A::kDecoding) count = static_cast<std::uint32_t>(list.size());
  archive.number(count);
  if constexpr (A::kDecoding) {
    list.clear();
    // The list grows by what is there, whatever the count says: each element takes at least one
    // byte, so a count that lies fails early, and at most one element is made in vain.
    if (count > kListMax || count > archive.left()) return archive.fail();
    for (std::uint32_t i = 0; i < count && archive.ok(); ++i) field(archive, list.emplace_back());
  } else {
    for (auto& element : list) field(archive, element);
  }
}

template <class A, class... T>
void fields(A& archive, T&... values) {
  (field(archive, values), ...);
}

}  // namespace postwain::ipc
