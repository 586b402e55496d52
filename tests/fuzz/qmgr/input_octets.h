// An input as numbers and texts, for targets that go through many steps. What is missing is 0.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace postwain::fuzz {

class InputOctets {
 public:
  InputOctets(const std::uint8_t* data, std::size_t size)
      : left_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return left_.empty(); }
  std::uint8_t octet() { return static_cast<std::uint8_t>(number(1)); }
  std::uint64_t number(unsigned octets) {
    std::uint64_t out = 0;
    for (unsigned i = 0; i < octets; ++i) {
      out = out << 8U | (left_.empty() ? 0 : static_cast<unsigned char>(left_.front()));
      if (!left_.empty()) left_.remove_prefix(1);
    }
    return out;
  }
  std::int64_t any_number() { return static_cast<std::int64_t>(number(8)); }
  std::string text() {
    std::size_t octets = octet();
    octets = std::min(octets, left_.size());
    std::string out(left_.substr(0, octets));
    left_.remove_prefix(octets);
    return out;
  }

 private:
  std::string_view left_;
};

}  // namespace postwain::fuzz
