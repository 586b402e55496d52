// Bytes as a PROXY header: what is whole stays whole with more behind it, and nothing incomplete
// goes beyond the bounds.
#include <cstddef>
#include <cstdint>
#include <string>

#include "common/base/check.h"
#include "common/smtp/syntax/proxy_header.h"

using namespace postwain::smtp;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  ProxyHeader header;
  ProxyParse first = parse_proxy_header(bytes, header);
  if (first == ProxyParse::incomplete) PW_CHECK(size < kProxyHeaderMax);
  if (first != ProxyParse::whole) return 0;
  PW_CHECK(header.size <= size && header.size <= kProxyHeaderMax);
  ProxyHeader again;
  PW_CHECK(parse_proxy_header(bytes.substr(0, header.size), again) == ProxyParse::whole);
  PW_CHECK(again.client == header.client && again.size == header.size);
  PW_CHECK(parse_proxy_header(bytes.substr(0, header.size - 1), again) == ProxyParse::incomplete);
  return 0;
}
