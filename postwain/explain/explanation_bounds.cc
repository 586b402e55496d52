#include "postwain/explain/explanation_bounds.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/base/text.h"
#include "postwain/client/present.h"

namespace postwain::tool {

namespace {

std::string rate_text(std::uint32_t count, Duration period) {
  return fmt::format("{} per {}", count, format_duration(period));
}

// Lines about one table of the configuration.
class Table {
 public:
  Table(Explanation& out, const config::Config& config, std::string table)
      : out_(out), config_(config), table_(std::move(table)) {}

  void add(const char* name, const char* key, std::string what) {
    out_.bounds.push_back({name, std::move(what), config_.place_of(table_, key).text()});
  }
  void add_rate(const char* name, const char* key, const Rate& rate, const char* what) {
    if (rate.count > 0)
      add(name, key, fmt::format("{} {}", rate_text(rate.count, rate.period), what));
  }

 private:
  Explanation& out_;
  const config::Config& config_;
  std::string table_;
};

void add_account_bounds(Explanation& out, const config::Config& config,
                        const std::string& account) {
  const config::SendingLimit* limit = &config.auth.limit;
  for (const config::AccountLimit& one : config.auth.account_limits)
    for (const std::string& name : one.names)
      if (name == account) limit = &one.limit;
  auto add = [&](const Rate& rate, const char* what) {
    if (rate.count > 0)
      out.bounds.push_back(
          {"sends",
           fmt::format("{} {}; beyond that it is {}", rate_text(rate.count, rate.period), what,
                       limit->over == config::OverRate::hold ? "held" : "refused"),
           limit->origin.text()});
  };
  add(limit->messages, "messages");
  add(limit->recipients, "recipients");
}

void add_transport(Explanation& out, Table& route) {
  const mail::Transport& transport = out.route.transport;
  route.add("TLS", "tls", std::string(mail::name_of(transport.tls)));
  if (!transport.sources.empty())
    route.add("from", "sources", fmt::format("{}", fmt::join(transport.sources, ", ")));
  if (transport.family != mail::Family::any)
    route.add("family", "family", std::string(mail::name_of(transport.family)));
  if (transport.credential.present())
    route.add(
        "login", "auth",
        fmt::format(
            "as {}{}", transport.credential.user,
            transport.credential.kind == mail::Credential::Kind::command ? ", with a token" : ""));
  if (!transport.certificate.chain.empty())
    route.add("shows", "certificate", "a certificate of ours");
  if (transport.xforward) route.add("tells", "xforward", "what client the mail came from");
  if (std::string text = fallback_text(out.route); !text.empty())
    route.add("fallback", "fallback", text);
  if (out.route.hold_in_doubt) route.add("in doubt", "in_doubt", "held for an operator");
}

void add_pace(Explanation& out, Table& route) {
  const qmgr::RouteSettings& settings = out.route;
  const mail::Bounds& bounds = settings.transport.bounds;
  route.add("limits", "connections",
            bounds.connections > 0
                ? fmt::format("{} connections to one destination", bounds.connections)
                : "as many connections as go well (at most 20 attempts at once)");
  if (bounds.in_flight > 0)
    route.add("", "in_flight",
              fmt::format("{} messages on their way over one connection", bounds.in_flight));
  if (bounds.route_connections > 0)
    route.add("", "route_connections",
              fmt::format("{} connections of the route", bounds.route_connections));
  if (bounds.rate_count > 0)
    route.add("", "connection_rate",
              rate_text(bounds.rate_count, bounds.rate_period) + " new connections");
  if (settings.rate_count > 0)
    route.add("", "rate", rate_text(settings.rate_count, settings.rate_period));
  if (settings.drain_count > 0)
    route.add("", "drain_rate",
              rate_text(settings.drain_count, settings.drain_period) + " after an outage");
  route.add("", "recipients", fmt::format("{} recipients in one transaction", settings.recipients));
}

}  // namespace

std::string fallback_text(const qmgr::RouteSettings& route) {
  if (route.transport.fallback.empty()) return {};
  bool lmtp = route.transport.hop.kind == mail::HopKind::lmtp;
  return mail::NextHop{
      lmtp ? mail::HopKind::lmtp : mail::HopKind::smtp, {}, route.transport.fallback}
      .key();
}

void add_client_bounds(Explanation& out, const config::Config& config,
                       const smtpd::Client& client) {
  const config::Limits& limits = config.limits;
  Table table(out, config, "[limits]");
  table.add("takes", "message_size",
            fmt::format("messages of at most {}", human_size(limits.message_size)));
  table.add("", "recipients", fmt::format("{} recipients at once", limits.recipients));
  table.add("", "connections_per_ip",
            fmt::format("{} connections of one address", limits.connections_per_ip));
  if (!client.account.empty()) return add_account_bounds(out, config, client.account);
  if (client.trusted) return;
  table.add_rate("", "client_connections", limits.client_connections, "connections");
  table.add_rate("", "client_messages", limits.client_messages, "messages");
  table.add_rate("", "client_recipients", limits.client_recipients, "recipients");
}

void add_route_bounds(Explanation& out, const config::Config& config, bool for_bounce) {
  // Where no route matched there is no line either.
  Table route(out, config, out.route.origin.text());
  add_transport(out, route);
  add_pace(out, route);
  Table queue(out, config, "[queue]");
  std::string delays;
  for (Duration delay : out.schedule)
    delays += (delays.empty() ? "" : ", ") + format_duration(delay);
  queue.add("schedule", out.route.mailbox_schedule ? "retry_lmtp" : "retry",
            fmt::format("again after {} and so on", delays));
  if (config.queue.delay_warning && !for_bounce)
    queue.add(
        "", "delay_warning",
        fmt::format("the sender is warned after {}", format_duration(*config.queue.delay_warning)));
  queue.add("", for_bounce ? "bounce_lifetime" : "lifetime",
            fmt::format("{} after {}", for_bounce ? "given up" : "returned",
                        format_duration(out.lifetime)));
}

}  // namespace postwain::tool
