#include "common/dns/idn.h"

#include <idn2.h>

#include <cerrno>

#include <fmt/format.h>

#include "common/base/text.h"

namespace postwain::dns {

Result<std::string> to_ascii(std::string_view domain) {
  if (is_ascii(domain)) return std::string(domain);
  std::string text(domain);
  auto not_valid = [&](const char* why) {
    return Error{fmt::format("{} is not a valid internationalized domain name: {}", text, why),
                 EINVAL};
  };
  if (text.find('\0') != std::string::npos) return not_valid("it holds a NUL");
  std::uint8_t* out = nullptr;
  int status = idn2_lookup_u8(reinterpret_cast<const std::uint8_t*>(text.c_str()), &out,
                              IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL | IDN2_USE_STD3_ASCII_RULES);
  if (status != IDN2_OK) return not_valid(idn2_strerror(status));
  std::string ascii(reinterpret_cast<const char*>(out));
  idn2_free(out);
  return ascii;
}

}  // namespace postwain::dns
