#include "simulator/mail_plan.h"

#include <algorithm>
#include <memory>
#include <random>

#include <fmt/format.h>

#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/config/config.h"
#include "common/config/document/values.h"
#include "common/mail/address.h"

#include "qmgr/routing/router.h"
#include "qmgr/routing/scheduler_settings.h"

namespace postwain::simulator {

namespace {

constexpr std::int64_t kStart = 1'798'761'600'000;  // a midnight, the same for every run

std::optional<Duration> since_start(std::string_view text) {
  if (text == "0") return Duration(0);
  return config::parse_duration(text);
}

bool is_share(double value) {
  return value >= 0 && value <= 1;
}

Status check(const Request& r) {
  auto wrong = [](const char* what) { return Status(Error{what, kExitUsage}); };
  if (r.messages == 0) return wrong("--messages must be at least 1");
  if (r.recipients == 0) return wrong("--recipients must be at least 1");
  std::uint64_t wanted = r.destinations + r.domains.size();
  if (wanted == 0 || wanted > kDestinationsMax)
    return wrong("--destinations must be from 1 to 100000");
  if (r.messages > kRecipientsMax / r.recipients ||
      r.messages * r.recipients + r.mailing > kRecipientsMax)
    return wrong("more than 20 million recipients");
  if (!is_share(r.defer_share) || !is_share(r.fail_share) || !is_share(r.greylist_share) ||
      r.defer_share + r.fail_share > 1)
    return wrong("shares must be from 0 to 1");
  if (r.over < Duration(1)) return wrong("--over must be longer than nothing");
  return {};
}

// Places of the destinations that serve an outage's domain.
Status put_outages(const Request& request, MailPlan& plan,
                   const std::vector<std::uint32_t>& destination_of) {
  for (const OutageRequest& one : request.outages) {
    Outage outage{plan.scenario.start + one.from, plan.scenario.start + one.to};
    bool found = false;
    for (std::size_t i = 0; i < plan.domains.size(); ++i) {
      if (one.domain != "all" && one.domain != plan.domains[i]) continue;
      found = true;
      auto& outages = plan.scenario.destinations[destination_of[i]].outages;
      auto same = [&](const Outage& o) { return o.from == outage.from && o.to == outage.to; };
      if (std::none_of(outages.begin(), outages.end(), same)) outages.push_back(outage);
    }
    if (!found)
      return Error{fmt::format("--outage: '{}' is none of the destinations", printable(one.domain)),
                   kExitUsage};
  }
  return {};
}

Source source_of(const Request& request, WallTime start,
                 std::vector<std::uint32_t> destination_of) {
  struct State {
    std::mt19937_64 random;
    std::vector<std::uint32_t> destination_of;
    std::uint64_t sent = 0;
    bool mailing_sent = false;
  };
  auto state = std::make_shared<State>();
  state->random.seed(request.seed);
  state->destination_of = std::move(destination_of);
  return [state, start, r = request]() -> std::optional<Arrival> {
    Arrival arrival;
    std::uint32_t count = r.recipients;
    if (r.mailing > 0 && !state->mailing_sent) {
      state->mailing_sent = true;
      arrival.at = start;
      count = r.mailing;
    } else {
      if (state->sent == r.messages) return std::nullopt;
      double share = static_cast<double>(state->sent++) / static_cast<double>(r.messages);
      arrival.at =
          start + Duration(static_cast<std::int64_t>(share * static_cast<double>(r.over.count())));
    }
    for (std::uint32_t i = 0; i < count; ++i)
      arrival.destinations.push_back(
          state->destination_of[state->random() % state->destination_of.size()]);
    std::sort(arrival.destinations.begin(), arrival.destinations.end());
    return arrival;
  };
}

}  // namespace

std::optional<OutageRequest> parse_outage(std::string_view text) {
  std::vector<std::string_view> parts = split(text, ':');
  if (parts.size() != 3 || parts[0].empty()) return std::nullopt;
  auto from = since_start(parts[1]);
  auto to = since_start(parts[2]);
  if (!from || !to || *to <= *from) return std::nullopt;
  return OutageRequest{to_lower(parts[0]), *from, *to};
}

Result<MailPlan> plan_mail(const config::Config& config, const Request& request) {
  if (Status s = check(request); !s) return s.error();
  MailPlan plan;
  plan.scenario.queue = config.queue;
  plan.scenario.seed = request.seed;
  plan.scenario.start = from_unix_ms(kStart);
  for (const std::string& domain : request.domains) plan.domains.push_back(to_lower(domain));
  for (std::uint32_t i = 1; i <= request.destinations; ++i)
    plan.domains.push_back(fmt::format("d{}.example", i));
  qmgr::Router router(config);
  std::vector<std::uint32_t> destination_of;  // by domain: several may share one next hop
  std::unordered_map<std::string, std::uint32_t> known;
  for (const std::string& domain : plan.domains) {
    qmgr::Routed routed = router.route(mail::Address::from_text("user@" + domain), mail::Address());
    auto [at, is_new] = known.try_emplace(
        routed.key, static_cast<std::uint32_t>(plan.scenario.destinations.size()));
    destination_of.push_back(at->second);
    if (!is_new) continue;
    DestinationPlan destination;
    destination.key = routed.key;
    destination.settings = qmgr::scheduler_settings(routed);
    destination.latency = request.latency;
    destination.dead_latency = std::max(config.delivery.timeouts.connect, Duration(2));
    destination.defer_share = request.defer_share;
    destination.fail_share = request.fail_share;
    destination.greylist_share = request.greylist_share;
    plan.scenario.destinations.push_back(std::move(destination));
  }
  if (Status s = put_outages(request, plan, destination_of); !s) return s.error();
  plan.source = source_of(request, plan.scenario.start, std::move(destination_of));
  return plan;
}

}  // namespace postwain::simulator
