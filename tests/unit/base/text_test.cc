#include "common/base/text.h"

#include <catch2/catch.hpp>

using namespace postwain;

TEST_CASE("printable makes one safe line of anything") {
  struct Row {
    const char* name;
    std::string in;
    std::string want;
  };
  const Row rows[] = {
      {"plain", "user@example.org", "user@example.org"},
      {"line ends", "a\r\nb", "a\\x0d\\x0ab"},
      {"escape sequence", "\x1b[2J", "\\x1b[2J"},
      {"delete", "\x7f", "\\x7f"},
      {"backslash is doubled", "\\x0a", "\\\\x0a"},
      {"utf-8 stays", "grün", "grün"},
      {"invalid utf-8", "\xff", "\\xff"},
      {"cut utf-8", "\xc3", "\\xc3"},
      {"C1 control", "\xc2\x9b", "\\xc2\\x9b"},
      {"right-to-left override", "\xe2\x80\xae", "\\xe2\\x80\\xae"},
      {"line separator", "\xe2\x80\xa8", "\\xe2\\x80\\xa8"},
      {"zero width joiner stays", "\xe2\x80\x8d", "\xe2\x80\x8d"},
      {"nul", std::string("a\0b", 3), "a\\x00b"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(printable(row.in) == row.want);
  }
  CHECK(printable(std::string(600, 'x'), 512) == std::string(512, 'x') + "...");
  // What takes several octets is not cut within, and takes no more than there is room for.
  CHECK(printable("ab\x01", 4) == "ab...");
  CHECK(printable("\xE2\x80\xAE", 12) == "\\xe2\\x80\\xae");
  CHECK(printable("\xE2\x80\xAE", 11) == "...");
  CHECK(printable("abc\\", 4) == "abc...");
  CHECK(printable("ab\xC3\xA4", 3) == "ab...");
  CHECK(printable("ab\xC3\xA4", 4) == "ab\xC3\xA4");
}

TEST_CASE("utf-8 is checked by RFC 3629") {
  CHECK(is_valid_utf8("aé€😀"));
  for (const char* bad :
       {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80", "\xf8\x88\x80\x80\x80"})
    CHECK_FALSE(is_valid_utf8(bad));
}

TEST_CASE("is_ascii sees a high byte at every position") {
  for (std::size_t size = 0; size < 40; ++size) {
    std::string text(size, 'a');
    CHECK(is_ascii(text));
    for (std::size_t i = 0; i < size; ++i) {
      std::string bad = text;
      bad[i] = '\x80';
      CHECK_FALSE(is_ascii(bad));
    }
  }
}

TEST_CASE("decimal numbers are whole, unsigned and in range") {
  CHECK(parse_decimal<std::uint64_t>("18446744073709551615") == 18446744073709551615ULL);
  for (const char* bad :
       {"", "-1", "+1", " 1", "1 ", "0x10", "18446744073709551616", "9999999999999999999999"})
    CHECK_FALSE(parse_decimal<std::uint64_t>(bad));
  CHECK_FALSE(parse_decimal<std::uint16_t>("65536"));
}

TEST_CASE("base64 of every length survives, bad padding does not decode") {
  std::string bytes;
  for (int i = 0; i < 70; ++i) {
    CHECK(base64_decode(base64_encode(bytes)) == bytes);
    bytes += static_cast<char>(i * 37);
  }
  CHECK(base64_encode("foobar") == "Zm9vYmFy");
  for (const char* bad : {"Z", "Zg", "Zg=", "Zg=a", "=g==", "Zh==", "Zm9=", "Z m9", "Zg==Zg=="})
    CHECK_FALSE(base64_decode(bad));
}

TEST_CASE("letters compare without the locale") {
  CHECK(iequals("MAIL", "mail"));
  CHECK_FALSE(iequals("MAIL", "mai"));
  CHECK(istarts_with("Received: x", "received"));
  CHECK(trim(" \ta b\t ") == "a b");
  CHECK(split("a,,b", ',') == std::vector<std::string_view>{"a", "", "b"});
}
