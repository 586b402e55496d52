#include "filter/outside_filter.h"

#include <utility>

#include "common/base/text.h"
#include "common/log/log.h"

namespace postwain::filter {

namespace {

using ipc::FilterStage;

constexpr std::uint32_t kResult = bit_of(FilterStage::end_of_message);

constexpr std::pair<milter::Stage, FilterStage> kCommands[] = {
    {milter::Stage::connect, FilterStage::connect}, {milter::Stage::helo, FilterStage::helo},
    {milter::Stage::mail, FilterStage::mail},       {milter::Stage::rcpt, FilterStage::rcpt},
    {milter::Stage::data, FilterStage::data},       {milter::Stage::unknown, FilterStage::unknown},
};

}  // namespace

net::Endpoint endpoint_of(const std::string& socket) {
  constexpr std::string_view kUnix = "unix:";
  net::Endpoint out;
  if (socket.starts_with(kUnix)) {
    out.unix_path = socket.substr(kUnix.size());
    return out;
  }
  std::size_t colon = socket.rfind(':');
  if (colon == std::string::npos) return out;
  auto port = parse_decimal<std::uint16_t>(std::string_view(socket).substr(colon + 1));
  if (!port) return out;
  out.host = socket.substr(0, colon);
  if (out.host.size() >= 2 && out.host.front() == '[' && out.host.back() == ']')
    out.host = out.host.substr(1, out.host.size() - 2);
  if (out.host == "localhost") out.host = "127.0.0.1";
  out.port = *port;
  return out;
}

OutsideFilter::OutsideFilter(FilterSettings settings)
    : settings_(std::move(settings)),
      endpoint_(endpoint_of(settings_.socket)),
      awaited_(watched() ? kResult : ipc::kAllFilterStages) {}

void OutsideFilter::log_breaker() const {
  bool opens = breaker_.state() == Breaker::State::open;
  log::Line line(opens ? log::Level::warning : log::Level::info, "filter_breaker");
  line.kv("filter", settings_.name).kv("state", name_of(breaker_.state()));
  if (opens) line.kv("seconds", breaker_.pause().count() / 1000);
}

void OutsideFilter::succeeded() {
  if (breaker_.succeeded()) log_breaker();
}

void OutsideFilter::failed(MonoTime now, Breaker::Leave leave) {
  if (breaker_.failed(now, leave)) log_breaker();
}

// Nobody waits for what a watched filter says.
bool OutsideFilter::learn(const milter::Agreement& agreement) {
  std::uint32_t awaited = kResult;
  if (!watched())
    for (const auto& [stage, command] : kCommands)
      if (agreement.answers(stage)) awaited |= bit_of(command);
  bool body = agreement.wants(milter::Stage::body);
  bool changed = awaited != awaited_ || body != wants_body_;
  awaited_ = awaited;
  wants_body_ = body;
  return changed;
}

}  // namespace postwain::filter
