// Writes DNS messages for tests, also wrong ones.
#pragma once

#include <arpa/inet.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace postwain::dns::test {

inline std::string u16(unsigned value) {
  return {static_cast<char>(value >> 8 & 255), static_cast<char>(value & 255)};
}
inline std::string u32(std::uint32_t value) {
  return u16(value >> 16) + u16(value & 0xFFFF);
}
inline std::string wire_name(std::string_view name) {
  std::string out;
  while (!name.empty()) {
    std::size_t dot = std::min(name.find('.'), name.size());
    out += static_cast<char>(dot);
    out += name.substr(0, dot);
    name.remove_prefix(std::min(dot + 1, name.size()));
  }
  return out + '\0';
}

constexpr unsigned kA = 1, kCname = 5, kSoa = 6, kMx = 15, kTxt = 16, kAaaa = 28, kTlsa = 52;

struct MessageWriter {
  unsigned id = 0;
  unsigned rcode = 0;
  bool authentic = false;
  std::string question_name;
  unsigned question_type = 0;
  std::string answers;
  unsigned answer_count = 0;
  std::string authority;
  unsigned authority_count = 0;

  MessageWriter(std::string_view name, unsigned type) : question_name(name), question_type(type) {}

  static std::string record(std::string_view owner, unsigned type, std::uint32_t ttl,
                            std::string_view data) {
    return wire_name(owner) + u16(type) + u16(1) + u32(ttl) +
           u16(static_cast<unsigned>(data.size())) + std::string(data);
  }
  MessageWriter& add(std::string_view owner, unsigned type, std::uint32_t ttl,
                     std::string_view data) {
    answers += record(owner, type, ttl, data);
    ++answer_count;
    return *this;
  }
  MessageWriter& mx(std::string_view owner, unsigned preference, std::string_view host,
                    std::uint32_t ttl = 300) {
    return add(owner, kMx, ttl, u16(preference) + wire_name(host));
  }
  MessageWriter& cname(std::string_view owner, std::string_view target, std::uint32_t ttl = 300) {
    return add(owner, kCname, ttl, wire_name(target));
  }
  MessageWriter& address(std::string_view owner, const char* text, std::uint32_t ttl = 300) {
    char bytes[16];
    bool v6 = std::string_view(text).find(':') != std::string_view::npos;
    inet_pton(v6 ? AF_INET6 : AF_INET, text, bytes);
    return add(owner, v6 ? kAaaa : kA, ttl, std::string_view(bytes, v6 ? 16 : 4));
  }
  MessageWriter& soa(std::string_view owner, std::uint32_t ttl, std::uint32_t minimum) {
    authority += record(
        owner, kSoa, ttl,
        wire_name("ns.x") + wire_name("root.x") + u32(1) + u32(2) + u32(3) + u32(4) + u32(minimum));
    ++authority_count;
    return *this;
  }
  std::string bytes() const {
    return u16(id) + u16(0x8180 | (authentic ? 0x20U : 0U) | rcode) + u16(1) + u16(answer_count) +
           u16(authority_count) + u16(0) + wire_name(question_name) + u16(question_type) + u16(1) +
           answers + authority;
  }
};

}  // namespace postwain::dns::test
