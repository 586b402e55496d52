#include "common/mail/sts_policy.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/text.h"

namespace postwain::mail {

namespace {

bool is_dns_name(std::string_view text) {
  if (text.empty() || text.size() > 253 || text.front() == '.' || text.back() == '.') return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '.' && text[i + 1] == '.') return false;
    if (!is_alnum(c) && c != '-' && c != '.' && c != '_') return false;
  }
  return true;
}

// The text's lines, ended by LF or CRLF, as "key: value"; visit returns false to stop.
template <class Visit>
bool for_each_field(std::string_view text, Visit visit) {
  for (std::string_view line : split(text, '\n')) {
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    line = trim(line);
    if (line.empty()) continue;
    std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return false;
    if (!visit(trim(line.substr(0, colon)), trim(line.substr(colon + 1)))) return false;
  }
  return true;
}

std::optional<StsPolicy::Mode> parse_mode(std::string_view text) {
  for (auto mode : {StsPolicy::Mode::none, StsPolicy::Mode::testing, StsPolicy::Mode::enforce})
    if (text == name_of(mode)) return mode;
  return std::nullopt;
}

bool take_host(std::string_view value, StsPolicy& out) {
  std::string_view name = value.substr(0, 2) == "*." ? value.substr(2) : value;
  if (!is_dns_name(name)) return false;
  if (out.hosts.size() < kStsHostsMax) out.hosts.push_back(to_lower(value));
  return true;
}

}  // namespace

std::string_view name_of(StsPolicy::Mode mode) {
  switch (mode) {
    case StsPolicy::Mode::none:
      return "none";
    case StsPolicy::Mode::testing:
      return "testing";
    case StsPolicy::Mode::enforce:
      return "enforce";
  }
  return "?";
}

bool StsPolicy::lists(std::string_view host) const {
  std::string name = to_lower(host);
  std::size_t dot = name.find('.');
  std::string parent = dot == std::string::npos ? std::string() : "*" + name.substr(dot);
  return std::any_of(hosts.begin(), hosts.end(), [&](const std::string& pattern) {
    return pattern == name || (!parent.empty() && pattern == parent);
  });
}

// sts-text-record = "v=STSv1" 1*( field-delim field ) [field-delim]; id: 1*32(ALPHA / DIGIT)
std::optional<std::string> sts_id(const std::vector<std::string>& texts) {
  std::optional<std::string> found;
  std::size_t records = 0;
  for (const std::string& text : texts) {
    auto parts = split(text, ';');
    if (parts.empty() || trim(parts.front()) != "v=STSv1") continue;
    ++records;
    for (std::string_view part : parts) {
      part = trim(part);
      if (part.substr(0, 3) != "id=" || found) continue;
      std::string_view id = part.substr(3);
      if (!id.empty() && id.size() <= 32 && std::all_of(id.begin(), id.end(), is_alnum))
        found = std::string(id);
    }
  }
  return records == 1 ? found : std::nullopt;
}

std::optional<StsPolicy> parse_sts_policy(std::string_view text, std::string& why) {
  StsPolicy out;
  bool version = false;
  bool mode = false;
  bool age = false;
  auto say = [&](std::string what) {
    why = std::move(what);
    return false;
  };
  if (text.size() > kStsTextMax) return why = "the policy is too large", std::nullopt;
  // A field said twice counts the first time, but for mx (RFC 8461 3.2).
  bool good = for_each_field(text, [&](std::string_view key, std::string_view value) {
    if (key == "version" && !std::exchange(version, true))
      return value == "STSv1" || say("the policy's version is not STSv1");
    if (key == "mode" && !std::exchange(mode, true)) {
      auto parsed = parse_mode(value);
      out.mode = parsed.value_or(StsPolicy::Mode::none);
      return parsed || say(fmt::format("the policy's mode is '{}'", printable(value, 40)));
    }
    if (key == "max_age" && !std::exchange(age, true)) {
      auto number = value.size() <= 10 ? parse_decimal<std::uint64_t>(value) : std::nullopt;
      out.max_age =
          static_cast<std::uint32_t>(std::min<std::uint64_t>(number.value_or(0), kStsAgeMax));
      return number || say("the policy's max_age is no number");
    }
    if (key == "mx")
      return take_host(value, out) ||
             say(fmt::format("the policy's mx '{}' is no host name", printable(value, 100)));
    return true;  // extensions
  });
  if (!good) {
    if (why.empty()) why = "a line of the policy is not 'key: value'";
    return std::nullopt;
  }
  if (!version || !mode || !age)
    return why = "the policy lacks version, mode or max_age", std::nullopt;
  if (out.mode != StsPolicy::Mode::none && out.hosts.empty())
    return why = "the policy names no mx", std::nullopt;
  return out;
}

}  // namespace postwain::mail
