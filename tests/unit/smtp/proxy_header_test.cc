// The PROXY protocol's two headers: the forms of its specification, every cut, every bound.
#include <catch2/catch.hpp>

#include "common/smtp/syntax/proxy_header.h"

using namespace postwain::smtp;

namespace {

std::string binary(unsigned char command, unsigned char family, const std::string& rest) {
  std::string out("\r\n\r\n\0\r\nQUIT\n", 12);
  out += static_cast<char>(command);
  out += static_cast<char>(family);
  out += static_cast<char>(rest.size() >> 8);
  out += static_cast<char>(rest.size() & 255);
  return out + rest;
}
const std::string kFour("\xC0\x00\x02\x07\xC6\x33\x64\x01\x11\x22\x00\x19", 12);
const std::string kSix = std::string("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x05", 16) +
                         std::string(16, '\1') + std::string("\x11\x22\0\x19", 4);

void good(const std::string& bytes, const std::string& client, std::uint16_t port) {
  ProxyHeader header;
  for (std::size_t cut = 0; cut < bytes.size(); ++cut)
    REQUIRE(parse_proxy_header(std::string_view(bytes).substr(0, cut), header) ==
            ProxyParse::incomplete);
  REQUIRE(parse_proxy_header(bytes + "EHLO x\r\n", header) == ProxyParse::whole);
  CHECK(header.client == client);
  CHECK(header.client_port == port);
  CHECK(header.size == bytes.size());
}

void bad(const std::string& bytes) {
  INFO(bytes);
  ProxyHeader header;
  CHECK(parse_proxy_header(bytes, header) == ProxyParse::bad);
}

}  // namespace

TEST_CASE("PROXY headers that are good", "[proxy]") {
  good("PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\n", "192.0.2.7", 56324);
  good("PROXY TCP6 2001:DB8::5 ::1 1 65535\r\n", "2001:db8::5", 1);
  good("PROXY UNKNOWN\r\n", "", 0);
  good("PROXY UNKNOWN ffff::1 whatever 1 2\r\n", "", 0);
  good(binary(0x21, 0x11, kFour), "192.0.2.7", 0x1122);
  good(binary(0x21, 0x21, kSix), "2001:db8::5", 0x1122);
  good(binary(0x21, 0x11, kFour + std::string("\x04\0\1x", 4)), "192.0.2.7", 0x1122);
  good(binary(0x20, 0x00, ""), "", 0);     // LOCAL
  good(binary(0x20, 0x11, kFour), "", 0);  // LOCAL: addresses do not count
  good(binary(0x21, 0x00, "abc"), "", 0);  // UNSPEC
  good(binary(0x21, 0x12, kFour), "", 0);  // UDP
  good(binary(0x21, 0x31, std::string(216, 'u')), "", 0);
  good(binary(0x20, 0x00, std::string(kProxyHeaderMax - 16, 't')), "", 0);
}

TEST_CASE("PROXY headers that are bad", "[proxy]") {
  for (const char* line :
       {"EHLO x\r\n", "\n", "PROXY TCP4\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        "proxy UNKNOWN\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY  UNKNOWN\r\n", "PROXYTCP4", "Q", "PROXZ",
        "PROXY TCP6 fe80::1%lo ::1 1 2\r\n"})
    bad(line);
  bad("PROXY UNKNOWN " + std::string(kProxyLineMax, 'x'));
  bad(std::string("PROXY UNKNOWN\0\r\n", 16));
  bad(binary(0x11, 0x11, kFour));  // version
  bad(binary(0x22, 0x11, kFour));  // command
  bad(binary(0x21, 0x41, kFour));  // family
  bad(binary(0x21, 0x13, kFour));  // transport
  bad(binary(0x21, 0x11, kFour.substr(1)));
  bad(binary(0x21, 0x21, kSix.substr(1)));
  bad(binary(0x20, 0x00, std::string(kProxyHeaderMax - 15, 't')));
}
