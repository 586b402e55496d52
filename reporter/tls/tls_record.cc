#include "reporter/tls/tls_record.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "common/base/text.h"

namespace postwain::reporter {

namespace {

constexpr std::string_view kVersion = "v=TLSRPTv1";

}  // namespace

std::vector<ReportUri> report_uris(const std::vector<std::string>& texts) {
  const std::string* record = nullptr;
  for (const std::string& text : texts) {
    std::string_view begin = trim(std::string_view(text).substr(0, text.find(';')));
    if (begin != kVersion || text.find(';') == std::string::npos) continue;
    if (record != nullptr) return {};
    record = &text;
  }
  std::vector<ReportUri> out;
  if (record == nullptr) return out;
  std::string_view fields = *record;
  while (!fields.empty()) {
    std::size_t end = std::min(fields.find(';'), fields.size());
    std::string_view field = trim(fields.substr(0, end));
    fields.remove_prefix(std::min(end + 1, fields.size()));
    std::size_t equals = field.find('=');
    if (equals == std::string_view::npos || trim(field.substr(0, equals)) != "rua") continue;
    std::string_view uris = field.substr(equals + 1);
    while (!uris.empty() && out.size() < kReportUrisMax) {
      std::size_t comma = std::min(uris.find(','), uris.size());
      auto uri = parse_place(uris.substr(0, comma));
      if (uri && std::find(out.begin(), out.end(), *uri) == out.end())
        out.push_back(std::move(*uri));
      uris.remove_prefix(std::min(comma + 1, uris.size()));
    }
    break;
  }
  return out;
}

}  // namespace postwain::reporter
