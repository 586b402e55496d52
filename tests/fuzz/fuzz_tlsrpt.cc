// Records by which domains ask for reports (RFC 8460 3): whatever stands there, we write to nobody
// but an address or a host, and the text of an address leads back to itself.
#include <cstdlib>

#include "common/base/text.h"
#include "reporter/tls/tls_record.h"

using namespace postwain;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> texts;
  for (std::string_view one : split(text, '\n')) texts.emplace_back(one);
  auto uris = reporter::report_uris(texts);
  if (uris.size() > reporter::kReportUrisMax) std::abort();
  for (const reporter::ReportUri& one : uris) {
    std::string uri = one.text();
    for (char c : uri)
      if (static_cast<unsigned char>(c) < ' ') std::abort();
    bool web = one.kind == reporter::ReportUri::Kind::web;
    if (web && (one.host.empty() || one.port == 0 || one.path.front() != '/')) std::abort();
    if (reporter::parse_place(uri) != one) std::abort();
    if (!web && (one.address.find('@') == std::string::npos || !is_ascii(one.address)))
      std::abort();
  }
  return 0;
}
