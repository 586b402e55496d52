// Bytes as content that has to become 7-bit, whole and in pieces: what comes out is the same
// however it is cut, ASCII, and has whole line ends only.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/check.h"
#include "common/content/seven_bit.h"

using namespace postwain::mail;

namespace {

std::string converted(std::string_view content, std::size_t piece) {
  SevenBit converter;
  std::string out;
  for (std::size_t at = 0; at < content.size(); at += piece)
    converter.convert(content.substr(at, piece), out);
  converter.finish(out);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view content(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string whole = converted(content, content.size() + 1);
  PW_CHECK(converted(content, 1 + data[0] % 16) == whole);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    auto octet = static_cast<unsigned char>(whole[i]);
    PW_CHECK(octet != 0 && octet < 128);
    if (octet == '\n') PW_CHECK(i > 0 && whole[i - 1] == '\r');
    if (octet == '\r') PW_CHECK(i + 1 < whole.size() && whole[i + 1] == '\n');
  }
  return 0;
}
