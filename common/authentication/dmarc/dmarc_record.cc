#include "common/authentication/dmarc/dmarc_record.h"

#include <array>
#include <bitset>

#include "common/base/text.h"

namespace postwain::authentication {

namespace {

struct DmarcTag {
  std::string_view name;
  std::string_view value;
};

// "name = value"; the name is empty where there is none.
DmarcTag dmarc_tag(std::string_view text) {
  std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return {};
  return {trim(text.substr(0, equals)), trim(text.substr(equals + 1))};
}

std::optional<DmarcPolicy> dmarc_policy(std::string_view value) {
  for (auto policy : {DmarcPolicy::none, DmarcPolicy::quarantine, DmarcPolicy::reject})
    if (iequals(value, name_of(policy))) return policy;
  return std::nullopt;
}

void read_subpolicy(std::string_view value, std::optional<DmarcPolicy>& policy, bool& bad) {
  policy = dmarc_policy(value);
  bad = bad || !policy;
}

// What is none of the two letters leaves the default.
DmarcAlignment dmarc_alignment(std::string_view value) {
  return iequals(value, "s") ? DmarcAlignment::strict : DmarcAlignment::relaxed;
}

DmarcPsd dmarc_psd(std::string_view value) {
  if (iequals(value, "y")) return DmarcPsd::yes;
  return iequals(value, "n") ? DmarcPsd::no : DmarcPsd::unknown;
}

// A list of values without a repetition, in which 0 and 1 exclude each other; else the default.
DmarcFailureOptions dmarc_failure_options(std::string_view value) {
  DmarcFailureOptions options{false, false, false, false};
  for (std::string_view item : split(value, ':')) {
    item = trim(item);
    bool* option = iequals(item, "d")   ? &options.dkim
                   : iequals(item, "s") ? &options.spf
                   : item == "0"        ? &options.all
                   : item == "1"        ? &options.any
                                        : nullptr;
    if (option == nullptr || *option) return {};
    *option = true;
  }
  return options.all && options.any ? DmarcFailureOptions() : options;
}

struct DmarcTagReader {
  std::string_view name;
  void (*read)(std::string_view value, DmarcRecord& record);
};
constexpr std::array<DmarcTagReader, 10> kDmarcTags = {{
    {"p", [](std::string_view v, DmarcRecord& r) { r.policy = dmarc_policy(v); }},
    {"sp",
     [](std::string_view v, DmarcRecord& r) { read_subpolicy(v, r.subdomains, r.bad_subpolicy); }},
    {"np",
     [](std::string_view v, DmarcRecord& r) { read_subpolicy(v, r.nonexistent, r.bad_subpolicy); }},
    {"adkim", [](std::string_view v, DmarcRecord& r) { r.dkim = dmarc_alignment(v); }},
    {"aspf", [](std::string_view v, DmarcRecord& r) { r.spf = dmarc_alignment(v); }},
    {"psd", [](std::string_view v, DmarcRecord& r) { r.psd = dmarc_psd(v); }},
    {"t", [](std::string_view v, DmarcRecord& r) { r.testing = iequals(v, "y"); }},
    {"rua", [](std::string_view v, DmarcRecord& r) { r.aggregate_reports = parse_report_uris(v); }},
    {"ruf", [](std::string_view v, DmarcRecord& r) { r.failure_reports = parse_report_uris(v); }},
    {"fo", [](std::string_view v, DmarcRecord& r) { r.failures = dmarc_failure_options(v); }},
}};

// dmarc-version = "v" equals %s"DMARC1"
bool is_dmarc_version(std::string_view text) {
  if (text.empty() || ascii_lower(text.front()) != 'v') return false;
  DmarcTag tag = dmarc_tag(text);
  return tag.name.size() == 1 && tag.value == "DMARC1";
}

}  // namespace

std::string_view name_of(DmarcPolicy policy) {
  switch (policy) {
    case DmarcPolicy::none:
      return "none";
    case DmarcPolicy::quarantine:
      return "quarantine";
    case DmarcPolicy::reject:
      return "reject";
  }
  return "";
}

std::optional<DmarcRecord> parse_dmarc_record(std::string_view text) {
  std::size_t end = text.find(';');
  if (text.size() > kDmarcRecordMax || !is_dmarc_version(text.substr(0, end))) return std::nullopt;
  DmarcRecord record;
  std::bitset<kDmarcTags.size()> seen;
  while (end != std::string_view::npos) {
    text.remove_prefix(end + 1);
    end = text.find(';');
    DmarcTag tag = dmarc_tag(text.substr(0, end));
    for (std::size_t which = 0; which < kDmarcTags.size(); ++which) {
      if (!iequals(tag.name, kDmarcTags[which].name) || seen[which]) continue;
      seen.set(which);
      kDmarcTags[which].read(tag.value, record);
    }
  }
  return record;
}

std::optional<DmarcRecord> with_policy(const DmarcRecord& record) {
  if (record.policy && !record.bad_subpolicy) return record;
  if (record.aggregate_reports.empty()) return std::nullopt;
  DmarcRecord mended = record;
  mended.policy = DmarcPolicy::none;
  mended.subdomains.reset();
  mended.nonexistent.reset();
  mended.bad_subpolicy = false;
  return mended;
}

}  // namespace postwain::authentication
