// Records by which domains ask for reports (RFC 8460 3): whatever stands there, we write to nobody
// but an address or a host, and the place leads back to itself.
#include <cstdlib>

#include "common/base/text.h"
#include "reporter/record.h"

using namespace postwain;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> texts;
  for (std::string_view one : split(text, '\n')) texts.emplace_back(one);
  auto places = reporter::report_places(texts);
  if (places.size() > reporter::kPlacesMax) std::abort();
  for (const reporter::Place& place : places) {
    std::string uri = place.text();
    for (char c : uri)
      if (static_cast<unsigned char>(c) < ' ') std::abort();
    bool web = place.kind == reporter::Place::Kind::web;
    if (web && (place.host.empty() || place.port == 0 || place.path.front() != '/')) std::abort();
    if (reporter::parse_place(uri) != place) std::abort();
    if (!web && (place.address.find('@') == std::string::npos || !is_ascii(place.address)))
      std::abort();
  }
  return 0;
}
