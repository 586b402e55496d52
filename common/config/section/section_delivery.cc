// [queue], [delivery] and [dns]: how long we try, and how.

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/document/values.h"
#include "common/config/section/sections.h"

namespace postwain::config {

namespace {

constexpr Duration kShortest = Duration(100);
constexpr std::size_t kRetryStepsMax = 100;

void read_schedule(Section& section, std::string_view key, std::vector<Duration>& out) {
  const Node* node = section.find(key, Node::Kind::array);
  if (node == nullptr) return;
  if (node->items.empty() || node->items.size() > kRetryStepsMax)
    return section.error(*node, fmt::format("{} needs 1 to {} durations", key, kRetryStepsMax));
  std::vector<Duration> steps;
  for (const Node& item : node->items)
    if (auto step = checked_duration(section.context(), item, key, kShortest, kDurationMax))
      steps.push_back(*step);
  out = std::move(steps);
}

void read_jitter(Section& section, double& jitter) {
  const Node* node = section.find("jitter");
  if (node == nullptr) return;
  bool number = node->kind == Node::Kind::real || node->kind == Node::Kind::integer;
  double value =
      node->kind == Node::Kind::integer ? static_cast<double>(node->integer) : node->real;
  if (!number || !(value >= 0 && value <= 0.5))
    return section.error(*node, "jitter must be a number from 0 (off) to 0.5");
  jitter = value;
}

}  // namespace

void read_queue(Context& context, const Node* table, const std::string& hostname, Queue& queue) {
  using namespace std::chrono_literals;
  queue.retry = {1min, 5min, 15min, 30min, 1h, 2h, 4h};
  queue.retry_lmtp = {10s, 30s, 1min, 2min, 5min};
  if (table == nullptr) return;
  Section section(context, *table, "[queue]");
  read_queue_store(section, hostname, queue.store);
  section.duration("lifetime", queue.lifetime, 1s, kDurationMax);
  section.duration("bounce_lifetime", queue.bounce_lifetime, 1s, kDurationMax);
  const Node* warning = section.find("delay_warning");
  if (warning != nullptr && warning->kind == Node::Kind::string && warning->text == "off") {
    queue.delay_warning.reset();
  } else {
    Duration delay = 4h;
    if (section.duration("delay_warning", delay, 1s, kDurationMax)) queue.delay_warning = delay;
  }
  read_schedule(section, "retry", queue.retry);
  read_schedule(section, "retry_lmtp", queue.retry_lmtp);
  read_jitter(section, queue.jitter);
  const Node* history = section.find("history");
  if (history != nullptr && history->kind == Node::Kind::string && history->text == "off")
    queue.history = 0s;
  else
    section.duration("history", queue.history, 0s, kDurationMax);
  section.finish();
}

void read_delivery(Context& context, const Node* table, Delivery& delivery) {
  if (table == nullptr) return;
  Section section(context, *table, "[delivery]");
  section.integer("smtp_port", delivery.smtp_port, {1, 65535});
  section.boolean("allow_private_mx", delivery.allow_private_mx);
  section.boolean("mta_sts", delivery.sts);
  section.integer("mta_sts_port", delivery.sts_port, {1, 65535});
  if (const Node* node = section.table("timeouts", R"({ connect = "30s", command = "5m" })")) {
    constexpr Duration kLongest = std::chrono::hours(24);
    Section timeouts(context, *node, "timeouts");
    DeliveryTimeouts& t = delivery.timeouts;
    timeouts.duration("connect", t.connect, kShortest, kLongest);
    timeouts.duration("greeting", t.greeting, kShortest, kLongest);
    timeouts.duration("command", t.command, kShortest, kLongest);
    timeouts.duration("data", t.data, kShortest, kLongest);
    timeouts.duration("block", t.block, kShortest, kLongest);
    timeouts.duration("final", t.final, kShortest, kLongest);
    timeouts.finish();
  }
  section.finish();
}

void read_dns(Context& context, const Node* table, Dns& dns) {
  if (table == nullptr) return;
  Section section(context, *table, "[dns]");
  for (const Node* node : section.texts("servers")) {
    std::string why;
    auto server = parse_ip_port(node->text, 53, why);
    if (!server) {
      section.error(*node, fmt::format("servers: {}", why));
      continue;
    }
    bool v6 = server->host.find(':') != std::string::npos;
    dns.servers.push_back(
        fmt::format("{}{}{}:{}", v6 ? "[" : "", server->host, v6 ? "]" : "", server->port));
  }
  section.boolean("trust_ad", dns.trust_ad);
  section.finish();
}

}  // namespace postwain::config
