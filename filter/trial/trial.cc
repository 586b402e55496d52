#include "filter/trial/trial.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/content/header_form.h"
#include "filter/trial/check.h"
#include "filter/trial/message_trial.h"

namespace postwain::filter {

namespace {

using Json = nlohmann::ordered_json;

// Whatever a filter and an operator allow themselves: a trial ends.
constexpr Duration kTrialTimeMax = std::chrono::minutes(10);

std::string text_in(const Json& json, const char* key, std::string otherwise = {}) {
  auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>()
                                                   : std::move(otherwise);
}

int report(const std::string& text) {
  return write_all(kTrialReport, text) ? kExitOk : kExitIoError;
}

std::optional<TrialMessage> message_of(const Json& asked, std::string_view content,
                                       const Shared& shared) {
  TrialMessage out;
  out.session.session = 1;
  out.session.listener = text_in(asked, "listener");
  auto listener = std::find_if(shared.listeners.begin(), shared.listeners.end(),
                               [&](const auto& one) { return one.name == out.session.listener; });
  if (listener == shared.listeners.end()) return std::nullopt;
  out.session.kind = listener->kind;
  out.session.client_address = text_in(asked, "client", kTrialClient);
  out.session.client_name = text_in(asked, "client_name", "[" + out.session.client_address + "]");
  out.session.family = out.session.client_address.find(':') == std::string::npos
                           ? ipc::FilterSession::Family::ipv4
                           : ipc::FilterSession::Family::ipv6;
  out.helo = text_in(asked, "helo", kTrialHello);
  out.known = asked.value("known", Json()) == Json(true);
  out.sender = text_in(asked, "sender");
  auto recipients = asked.find("recipients");
  if (recipients == asked.end() || !recipients->is_array()) return std::nullopt;
  for (const Json& one : *recipients)
    if (one.is_string() && out.recipients.size() < kTrialRecipientsMax)
      out.recipients.push_back(one.get<std::string>());
  std::size_t from = 0;
  mail::HeaderEnd end = mail::find_header_end(content, from, true);
  if (end.header > ipc::kFilterSectionMax) return std::nullopt;
  out.header = content.substr(0, end.header);
  out.body = content.substr(end.body);
  return out;
}

}  // namespace

int run_trial(Shared& shared, const config::Config& config, ListPort& dns,
              const std::string& request) {
  std::size_t line = std::min(request.find('\n'), request.size());
  Json asked = Json::parse(request.begin(), request.begin() + static_cast<std::ptrdiff_t>(line),
                           nullptr, false);
  if (!asked.is_object()) return kExitDataError;
  net::Timer limit(shared.loop);
  limit.start(kTrialTimeMax, [&] { shared.loop.stop(); });
  if (text_in(asked, "what") == "check") return report(check_filters(shared, config, dns));
  std::string_view content = std::string_view(request).substr(std::min(line + 1, request.size()));
  std::optional<TrialMessage> message = message_of(asked, content, shared);
  if (!message) return kExitDataError;
  return report(test_message(shared, *std::move(message)));
}

}  // namespace postwain::filter
