#include "common/mail/idn.h"

#include <idn2.h>

#include <cerrno>

#include <fmt/format.h>

#include "common/base/text.h"

namespace postwain::mail {

Result<std::string> to_ascii(std::string_view domain) {
  if (is_ascii(domain)) return std::string(domain);
  std::string text(domain);
  auto not_valid = [&](const char* why) {
    return Error{fmt::format("{} is not a valid internationalized domain name: {}", text, why),
                 EINVAL};
  };
  if (text.find('\0') != std::string::npos) return not_valid("it holds a NUL");
  // Not IDN2_USE_STD3_ASCII_RULES: with it the library drops characters that these rules forbid,
  // and another name comes out ("_x.bücher.example" as that of "x.").
  std::uint8_t* out = nullptr;
  int status = idn2_lookup_u8(reinterpret_cast<const std::uint8_t*>(text.c_str()), &out,
                              IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  if (status != IDN2_OK) return not_valid(idn2_strerror(status));
  std::string ascii(reinterpret_cast<const char*>(out));
  idn2_free(out);
  // The underscore is no letter of a host name, but hosts with one send and receive mail. Without
  // the rules of STD 3 a mapping can make any other character of a letter-like one.
  for (char c : ascii)
    if (!is_alnum(c) && c != '-' && c != '_' && c != '.') return not_valid("a character of it");
  return ascii;
}

}  // namespace postwain::mail
