#include "reporter/dmarc/dmarc_line.h"

#include <nlohmann/json.hpp>

#include "reporter/sending/json_lines.h"

namespace postwain::reporter {

namespace {

using nlohmann::json;

constexpr int kLastDay = 100'000;  // since 1970: in the year 2243

json optional_wish(const std::optional<mail::DmarcWish>& wish) {
  return wish ? json(name_of(*wish)) : json();
}

json published_json(const mail::PublishedDmarc& published) {
  return {{"p", name_of(published.policy)},
          {"sp", optional_wish(published.subdomains)},
          {"np", optional_wish(published.nonexistent)},
          {"adkim", published.dkim_strict},
          {"aspf", published.spf_strict},
          {"testing", published.testing},
          {"fo", published.failures}};
}

json row_json(const mail::DmarcRow& row) {
  json signatures = json::array();
  for (const mail::ReportedSignature& one : row.signatures)
    signatures.push_back({one.domain, one.selector, one.result, one.comment});
  return {{"source", row.source},
          {"done", name_of(row.done)},
          {"dkim", row.dkim_aligned},
          {"spf", row.spf_aligned},
          {"excuse", name_of(row.excuse)},
          {"comment", row.excuse_comment},
          {"header_from", row.header_from},
          {"envelope_from", row.envelope_from},
          {"signatures", std::move(signatures)},
          {"spf_domain", row.spf_domain},
          {"spf_result", row.spf_result}};
}

// False: it is longer than one that comes over IPC.
bool read_text(const json& in, std::string& out, std::size_t most = mail::kDmarcTextMax) {
  in.get_to(out);
  return out.size() <= most;
}

bool read_optional_wish(const json& in, std::optional<mail::DmarcWish>& out) {
  if (in.is_null()) return true;
  out = mail::dmarc_wish(in.get<std::string>());
  return out.has_value();
}

bool read_published(const json& in, mail::PublishedDmarc& out) {
  auto policy = mail::dmarc_wish(in.at("p").get<std::string>());
  if (!policy || !read_optional_wish(in.at("sp"), out.subdomains) ||
      !read_optional_wish(in.at("np"), out.nonexistent))
    return false;
  out.policy = *policy;
  in.at("adkim").get_to(out.dkim_strict);
  in.at("aspf").get_to(out.spf_strict);
  in.at("testing").get_to(out.testing);
  return read_text(in.at("fo"), out.failures);
}

bool read_signatures(const json& in, std::vector<mail::ReportedSignature>& out) {
  if (!in.is_array() || in.size() > mail::kReportedSignaturesMax) return false;
  for (const json& one : in) {
    mail::ReportedSignature& read = out.emplace_back();
    if (!read_text(one.at(0), read.domain) || !read_text(one.at(1), read.selector) ||
        !read_text(one.at(2), read.result) ||
        !read_text(one.at(3), read.comment, mail::kDmarcCommentMax))
      return false;
  }
  return true;
}

bool read_row(const json& in, mail::DmarcRow& out) {
  auto done = mail::dmarc_done(in.at("done").get<std::string>());
  auto excuse = mail::dmarc_excuse(in.at("excuse").get<std::string>());
  if (!done || !excuse) return false;
  out.done = *done;
  out.excuse = *excuse;
  in.at("dkim").get_to(out.dkim_aligned);
  in.at("spf").get_to(out.spf_aligned);
  return read_text(in.at("source"), out.source) &&
         read_text(in.at("comment"), out.excuse_comment, mail::kDmarcCommentMax) &&
         read_text(in.at("header_from"), out.header_from) &&
         read_text(in.at("envelope_from"), out.envelope_from) &&
         read_signatures(in.at("signatures"), out.signatures) &&
         read_text(in.at("spf_domain"), out.spf_domain) &&
         read_text(in.at("spf_result"), out.spf_result);
}

}  // namespace

std::string text_of(const DmarcLine& line) {
  json out = {{"day", line.day.time_since_epoch().count()},
              {"domain", line.published.domain},
              {"count", line.count}};
  if (line.row)
    out["row"] = row_json(*line.row);
  else
    out["published"] = published_json(line.published);
  return json_line(out);
}

std::optional<DmarcLine> read_dmarc_line(const json& in) {
  DmarcLine out;
  int day = in.at("day").get<int>();
  if (day < 0 || day > kLastDay) return std::nullopt;
  out.day = Day(std::chrono::days(day));
  in.at("count").get_to(out.count);
  if (!read_text(in.at("domain"), out.published.domain)) return std::nullopt;
  auto row = in.find("row");
  bool good = row != in.end() ? read_row(*row, out.row.emplace())
                              : read_published(in.at("published"), out.published);
  return good ? std::optional(std::move(out)) : std::nullopt;
}

}  // namespace postwain::reporter
