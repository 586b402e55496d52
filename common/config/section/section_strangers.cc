// [[dns_list]] and [strangers]: what is thought of clients that nobody here knows.

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/document/values.h"
#include "common/config/section/sections.h"

namespace postwain::config {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kLabelMax = 48;  // octets; it is a label of metrics, too
constexpr std::size_t kZoneMax = 180;  // leaves room for an IPv6 address in front
constexpr std::size_t kAnswersMax = 32;
constexpr Duration kGreetDelayMax = 30s;

bool is_label(std::string_view text) {
  if (text.empty() || text.size() > kLabelMax) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

// A whole number from -kWeightMax to kWeightMax. True when it was set.
bool read_weight(Section& section, std::string_view key, std::int32_t& out) {
  const Node* node = section.find(key, Node::Kind::integer);
  if (node == nullptr) return false;
  if (node->integer < -kWeightMax || node->integer > kWeightMax) {
    section.error(*node, fmt::format("{} must be between {} and {}, not {}", key, -kWeightMax,
                                     kWeightMax, node->integer));
    return false;
  }
  out = static_cast<std::int32_t>(node->integer);
  return true;
}

void read_threshold(Section& section, std::string_view key, std::optional<std::int32_t>& out) {
  std::int32_t value = 0;
  if (!read_weight(section, key, value)) return;
  if (value > 0)
    out = value;
  else
    section.context().error(section.origin_of(key),
                            fmt::format("{} must be above 0: a client of whom nothing is known has "
                                        "0 points",
                                        key));
}

// --- [[dns_list]] --------------------------------------------------------------------------------

void read_zone(Section& section, DnsList& list) {
  const Node* node = section.find("zone", Node::Kind::string);
  if (section.find("zone") == nullptr) section.missing("zone");
  if (node == nullptr) return;
  std::string_view zone = node->text;
  if (!zone.empty() && zone.front() == '.') zone.remove_prefix(1);
  if (!zone.empty() && zone.back() == '.') zone.remove_suffix(1);
  if (zone.size() > kZoneMax || !is_ascii(zone) || !is_domain(zone))
    return section.error(
        *node, fmt::format("'{}' is not the name of a zone in the DNS", printable(node->text)));
  list.zone = to_lower(zone);
  list.label = shown_zone(list.zone).substr(0, kLabelMax);
}

void read_label(Section& section, std::map<std::string, Origin>& seen, DnsList& list) {
  const Node* node = section.find("label", Node::Kind::string);
  if (node != nullptr && !is_label(node->text))
    return section.error(
        *node, fmt::format("label must be 1 to {} letters, digits, '-', '_' or '.', not '{}'",
                           kLabelMax, printable(node->text)));
  if (node != nullptr) list.label = node->text;
  if (list.label.empty()) return;
  auto [first, fresh] = seen.emplace(to_lower(list.label), list.origin);
  if (!fresh)
    section.context().error(
        section.origin_of("label"),
        fmt::format("{} is already the label of the list at {}; a zone that is asked for several "
                    "answers needs a label of its own for each",
                    list.label, first->second.text()));
}

void read_answers(Section& section, DnsList& list) {
  if (section.find("answers") == nullptr) {
    list.answers.push_back(*parse_answer_pattern("127.0.0.2-127.0.0.254"));
    return;
  }
  for (const Node* node : section.texts("answers", true)) {
    auto pattern = parse_answer_pattern(node->text);
    if (!pattern) {
      section.error(*node,
                    fmt::format("answers: '{}' is no pattern such as 127.0.0.2, 127.0.0.2-11, "
                                "127.0.0.[2..11] or 127.0.0.2-127.0.0.11",
                                printable(node->text)));
      continue;
    }
    if (!pattern->octets[0].test(127) || pattern->from >> 24U > 127 || pattern->to >> 24U < 127)
      section.error(*node, fmt::format("answers: '{}' is outside of 127.0.0.0/8, where the answers "
                                       "of lists are (RFC 5782 2.1)",
                                       node->text));
    list.answers.push_back(*pattern);
  }
  if (list.answers.size() > kAnswersMax)
    section.context().error(section.origin_of("answers"),
                            fmt::format("more than {} answers", kAnswersMax));
}

void read_lists(Context& context, const std::vector<const Node*>& tables,
                std::vector<DnsList>& lists) {
  if (tables.size() > kDnsListsMax)
    return context.error(tables[kDnsListsMax]->origin,
                         fmt::format("more than {} lists", kDnsListsMax));
  std::map<std::string, Origin> seen;
  for (const Node* table : tables) {
    Section section(context, *table, "[[dns_list]]");
    DnsList list;
    list.origin = table->origin;
    read_zone(section, list);
    read_label(section, seen, list);
    read_answers(section, list);
    if (read_weight(section, "weight", list.weight) && list.weight == 0)
      section.context().warn(section.origin_of("weight"),
                             "weight = 0: the list is asked, and nothing follows from it");
    section.choice("by", list.by,
                   {{"address", ListKey::address},
                    {"ptr", ListKey::ptr},
                    {"helo", ListKey::helo},
                    {"sender", ListKey::sender}});
    section.finish();
    lists.push_back(std::move(list));
  }
}

// --- [strangers] ---------------------------------------------------------------------------------

void read_greylist(Context& context, const Node* table, Greylist& greylist) {
  if (table == nullptr) return;
  Section section(context, *table, "greylist");
  section.duration("wait", greylist.wait, 1s, 12h);
  section.duration("window", greylist.window, 1min, 24h * 14);
  section.duration("known", greylist.known, 1h, 24h * 400);
  section.boolean("everyone", greylist.everyone);
  if (greylist.window <= greylist.wait)
    context.error(section.origin_of("window"),
                  fmt::format("window must be longer than wait ({}), or nobody could come back in "
                              "time",
                              format_duration(greylist.wait)));
  section.finish();
}

void read_weights(Context& context, const Node* table, SignWeights& weights) {
  if (table == nullptr) return;
  Section section(context, *table, "weights");
  read_weight(section, "no_name", weights.no_name);
  read_weight(section, "forged_name", weights.forged_name);
  read_weight(section, "dynamic_name", weights.dynamic_name);
  read_weight(section, "helo", weights.helo);
  section.finish();
}

// The most that a client can get.
std::int64_t points_max(const Strangers& strangers) {
  auto above = [](std::int32_t weight) { return std::max<std::int64_t>(weight, 0); };
  const SignWeights& weights = strangers.weights;
  std::int64_t sum =
      std::max({above(weights.no_name), above(weights.forged_name), above(weights.dynamic_name)}) +
      above(weights.helo);
  if (strangers.greet_delay > Duration::zero()) sum += above(strangers.weight_of_pregreet());
  for (const DnsList& list : strangers.lists) sum += above(list.weight);
  return sum;
}

// What is asked for and cannot happen.
void warn_of_points(Context& context, const Strangers& strangers) {
  std::int64_t most = points_max(strangers);
  auto never = [&](std::string_view key, std::optional<std::int32_t> threshold) {
    if (!threshold || most >= *threshold) return;
    context.warn(strangers.origin,
                 fmt::format("{} = {} is never reached: all weights together make {} points", key,
                             *threshold, most));
  };
  never("greylist_at", strangers.greylist_at);
  never("refuse_at", strangers.refuse_at);
  if (strangers.greylist_at && strangers.refuse_at &&
      *strangers.greylist_at >= *strangers.refuse_at)
    context.warn(strangers.origin,
                 "greylist_at is not below refuse_at: who gets so many points is refused");
  if (!strangers.greylists() && !strangers.refuse_at && strangers.mode == FilterMode::enforce)
    context.warn(strangers.origin,
                 "neither greylist_at nor refuse_at is given: nothing follows from the score but "
                 "that it is written down, and mode = \"watch\" says so more plainly");
}

}  // namespace

void read_strangers(Context& context, const Node* table, const std::vector<const Node*>& lists,
                    Config& config) {
  Strangers& strangers = config.strangers;
  strangers.folder = config.spool_dir + "-filter";
  strangers.wanted = table != nullptr || !lists.empty();
  read_lists(context, lists, strangers.lists);
  if (table == nullptr) {
    if (lists.empty()) return;
    strangers.origin = lists.front()->origin;
  } else {
    Section section(context, *table, "[strangers]");
    strangers.origin = table->origin;
    read_threshold(section, "greylist_at", strangers.greylist_at);
    read_threshold(section, "refuse_at", strangers.refuse_at);
    section.duration("greet_delay", strangers.greet_delay, Duration(0), kGreetDelayMax);
    std::int32_t pregreet = 0;
    if (read_weight(section, "pregreet_weight", pregreet)) strangers.pregreet_weight = pregreet;
    if (strangers.pregreet_weight && strangers.greet_delay == Duration::zero())
      context.warn(section.origin_of("pregreet_weight"),
                   "pregreet_weight without greet_delay: nobody can talk before the greeting");
    read_weights(context, section.table("weights", "{ no_name = 2, helo = 1 }"), strangers.weights);
    read_greylist(context, section.table("greylist", R"({ wait = "5m", window = "24h" })"),
                  strangers.greylist);
    section.choice("mode", strangers.mode,
                   {{"enforce", FilterMode::enforce}, {"watch", FilterMode::watch}});
    if (section.text("folder", strangers.folder))
      strangers.folder = resolve_path(context.directory, strangers.folder);
    section.finish();
  }
  for (const Filter& filter : config.filters)
    if (iequals(filter.name, "strangers"))
      context.error(filter.origin, "strangers is the name of the check that [strangers] describes");
  warn_of_points(context, strangers);
  bool any = std::any_of(config.listeners.begin(), config.listeners.end(),
                         [&](const Listener& one) { return strangers.is_on(one); });
  if (!any && !config.listeners.empty())
    context.warn(strangers.origin,
                 "no listener for the mail of strangers: all of them are for submission");
}

}  // namespace postwain::config
