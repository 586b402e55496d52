#include "reporter/dmarc/dmarc_counts.h"

#include <nlohmann/json.hpp>

#include "reporter/dmarc/dmarc_line.h"
#include "reporter/sending/json_lines.h"

namespace postwain::reporter {

namespace {

constexpr CountBounds kDmarcBounds{kDmarcDomainsMax, kDmarcBytesMax, kDmarcDomainBytesMax,
                                   kDetailedRowsMax, kDmarcRowsMax};

void keep_ascii(std::string& text) {
  for (char& c : text)
    if (c < ' ' || c > '~') c = '?';
}

void keep_ascii(mail::DmarcRow& row) {
  for (std::string* text : {&row.source, &row.excuse_comment, &row.header_from, &row.envelope_from,
                            &row.spf_domain, &row.spf_result})
    keep_ascii(*text);
  for (mail::ReportedSignature& one : row.signatures)
    for (std::string* text : {&one.domain, &one.selector, &one.result, &one.comment})
      keep_ascii(*text);
}

mail::DmarcRow without_details(const mail::DmarcRow& row) {
  mail::DmarcRow out;
  out.source = row.source;
  out.done = row.done;
  out.dkim_aligned = row.dkim_aligned;
  out.spf_aligned = row.spf_aligned;
  out.excuse = row.excuse;
  out.header_from = row.header_from;
  return out;
}

}  // namespace

DmarcCounts::DmarcCounts() : rows_(kDmarcBounds) {}

void DmarcCounts::add(Day day, mail::DmarcResult result, std::uint64_t count) {
  keep_ascii(result.published.domain);
  keep_ascii(result.published.failures);
  keep_ascii(result.row);
  std::string domain = result.published.domain;
  if (!rows_.add(day, domain, result.row, without_details(result.row), count)) return;
  published_[{day, domain}] = std::move(result.published);
}

std::optional<DmarcCounts::OfDomain> DmarcCounts::find(Day day, const std::string& domain) const {
  const auto* found = rows_.find(day, domain);
  if (found == nullptr) return std::nullopt;
  OfDomain out;
  auto published = published_.find({day, domain});
  if (published != published_.end()) out.published = published->second;
  out.published.domain = domain;
  out.rows = &found->results;
  out.left_out = found->left_out;
  return out;
}

void DmarcCounts::remove(Day day, const std::string& domain) {
  rows_.remove(day, domain);
  published_.erase({day, domain});
}

std::string DmarcCounts::text() const {
  std::string out;
  rows_.each([&](Day day, const std::string& domain, const auto& of) {
    auto published = published_.find({day, domain});
    DmarcLine line;
    if (published != published_.end()) line.published = published->second;
    line.day = day;
    line.published.domain = domain;
    line.count = of.left_out;
    out += text_of(line);
    for (const auto& [row, count] : of.results) {
      line.row = row;
      line.count = count;
      out += text_of(line);
    }
  });
  return out;
}

// Lines of domains come before those of their rows, and tell of all that counts of the record; what
// was counted before the file could be read is newer.
std::size_t DmarcCounts::load(std::string_view text) {
  return read_json_lines(text, [this](const nlohmann::json& json) {
    auto line = read_dmarc_line(json);
    if (!line) return false;
    std::string domain = line->published.domain;
    keep_ascii(domain);
    if (line->row) {
      keep_ascii(*line->row);
      rows_.add(line->day, domain, *line->row, without_details(*line->row), line->count);
      return true;
    }
    keep_ascii(line->published.failures);
    rows_.leave_out(line->day, domain, line->count);
    if (rows_.find(line->day, domain) != nullptr)
      published_.try_emplace({line->day, domain}, line->published);
    return true;
  });
}

}  // namespace postwain::reporter
