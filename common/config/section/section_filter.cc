// [[filter]]: programs that are asked about mail.

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/base/text.h"
#include "common/config/document/values.h"
#include "common/config/section/sections.h"

namespace postwain::config {

namespace {

constexpr std::size_t kFilterNameMax = 32;
constexpr std::size_t kFilterPathMax = 107;  // sockaddr_un of Linux, less the final zero
constexpr std::string_view kFilterKinds[] = {"world", "submission", kOnLocal, kOnNotices};

void read_filter_name(Section& section, std::map<std::string, Origin>& seen, Filter& filter) {
  const Node* node = section.find("name", Node::Kind::string);
  if (section.find("name") == nullptr) section.missing("name");
  if (node == nullptr) return;
  if (!is_filter_name(node->text))
    return section.error(
        *node, fmt::format("name must be 1 to {} letters, digits, '-', '_' or '.', not '{}'",
                           kFilterNameMax, printable(node->text)));
  if (iequals(node->text, kContentRulesName))
    section.error(*node, fmt::format("{} is what all [[content_rule]] together are called",
                                     kContentRulesName));
  filter.name = node->text;
  auto [first, fresh] = seen.emplace(to_lower(node->text), node->origin);
  if (!fresh)
    section.error(*node,
                  fmt::format("{} is already a filter at {}", node->text, first->second.text()));
}

void read_filter_path(Section& section, const Node& node, std::string path, FilterSocket& socket) {
  if (!path.empty() && path.front() == '/' && path.size() <= kFilterPathMax &&
      path.find('\0') == std::string::npos) {
    socket.unix_path = std::move(path);
    return;
  }
  section.error(
      node, fmt::format("unix: needs an absolute path of at most {} characters", kFilterPathMax));
}

// A name instead of an address: "rspamd:11332".
void read_named_host(Section& section, const Node& node, const std::string& why,
                     FilterSocket& socket) {
  std::size_t colon = node.text.rfind(':');
  std::string host = node.text.substr(0, colon);
  bool named = host.find_first_not_of("0123456789.:[]") != std::string::npos && is_domain(host);
  auto port = colon == std::string::npos
                  ? std::optional<std::uint16_t>(0)
                  : parse_decimal<std::uint16_t>(std::string_view(node.text).substr(colon + 1));
  if (named && port && *port != 0) {
    socket.host = to_lower(host);
    socket.port = *port;
    return;
  }
  std::string reason = why;
  if (named) reason = colon == std::string::npos ? "the port is missing" : "a port is 1 to 65535";
  for (std::string_view word : {"inet:", "inet6:", "local:"})
    if (node.text.compare(0, word.size(), word) == 0)
      reason = fmt::format("'{}' is how Sendmail and Postfix begin it", word);
  section.error(node,
                fmt::format("socket must be unix:/path, address:port or name:port: {}", reason));
}

void read_filter_socket(Section& section, FilterSocket& socket) {
  const Node* node = section.find("socket", Node::Kind::string);
  if (section.find("socket") == nullptr) section.missing("socket");
  if (node == nullptr) return;
  if (node->text.compare(0, 5, "unix:") == 0)
    return read_filter_path(section, *node, node->text.substr(5), socket);
  std::string why;
  auto address = parse_ip_port(node->text, 0, why);
  if (!address) return read_named_host(section, *node, why, socket);
  socket.host = address->host;
  socket.port = address->port;
  socket.literal = true;
}

void read_filter_rights(Section& section, Filter& filter) {
  if (section.find("may") == nullptr) return;
  filter.may = {};
  for (const Node* node : section.texts("may", true)) {
    bool known = false;
    std::vector<std::string_view> names;
    for (std::size_t i = 0; i < kFilterRights; ++i) {
      auto right = static_cast<FilterRight>(i);
      names.push_back(name_of(right));
      if (node->text != names.back()) continue;
      filter.may.add(right);
      known = true;
    }
    if (!known)
      section.error(*node, fmt::format("may: '{}' is nothing a filter may do ({})",
                                       printable(node->text), fmt::join(names, ", ")));
  }
}

constexpr std::string_view kTimeoutExample = R"({ connect = "5s", reply = "30s", message = "2m" })";

void read_filter_timeout(Context& context, const Node* table, FilterTimeouts& timeout) {
  if (table == nullptr) return;
  using namespace std::chrono_literals;
  constexpr Duration kTimeoutMin = 100ms;
  Section section(context, *table, "timeout");
  section.duration("connect", timeout.connect, kTimeoutMin, 5min);
  section.duration("reply", timeout.reply, kTimeoutMin, 10min);
  bool given = section.duration("message", timeout.message, kTimeoutMin, 1h);
  if (given && timeout.message < timeout.reply)
    context.error(section.origin_of("message"),
                  fmt::format("message is the time for all answers together, and reply, for each, "
                              "is longer: {}",
                              format_duration(timeout.reply)));
  section.finish();
}

// --- what only policy services know

void read_policy_stages(Section& section, Filter& filter) {
  const Node* given = section.find("stage");
  if (given == nullptr) return;
  filter.stages.clear();
  bool all_known = true;
  for (const Node* node : section.texts("stage", true)) {
    bool known = false;
    std::vector<std::string_view> names;
    for (std::size_t i = 0; i < kPolicyStages; ++i) {
      auto stage = static_cast<PolicyStage>(i);
      names.push_back(name_of(stage));
      if (node->text != names.back()) continue;
      filter.stages.push_back(stage);
      known = true;
    }
    all_known &= known;
    if (!known)
      section.error(*node, fmt::format("stage: '{}' is no stage of a session ({})",
                                       printable(node->text), fmt::join(names, ", ")));
  }
  if (filter.stages.empty() && all_known)
    section.error(*given, "stage: a policy service has to be asked once");
}

void read_policy_keys(Section& section, Filter& filter) {
  read_policy_stages(section, filter);
  section.choice("clients", filter.clients,
                 {{"all", FilterClients::all}, {"strangers", FilterClients::strangers}});
  if (filter.speak == FilterProtocol::policy) return;
  for (std::string_view key : {"stage", "clients"})
    if (const Node* node = section.find(key))
      section.error(*node, fmt::format("{} is for filters with speak = \"policy\"", key));
}

void read_connections(Section& section, Filter& filter) {
  section.boolean("pipelining", filter.pipelining);
  section.integer("spare_connections", filter.spare_connections, {0, kSpareConnectionsMax});
  section.boolean("reuse", filter.reuse);
  if (filter.speak == FilterProtocol::milter) return;
  for (std::string_view key : {"pipelining", "spare_connections", "reuse"})
    if (const Node* node = section.find(key))
      section.error(*node, fmt::format("{} is for milters", key));
}

// What is asked for and cannot happen.
void warn_of_rights(Section& section, const Filter& filter) {
  bool may_none = filter.may == FilterRights{};
  if (may_none && filter.mode == FilterMode::enforce)
    section.context().warn(section.origin_of("may"),
                           "the filter may do nothing; mode = \"watch\" says so more plainly");
  if (filter.speak != FilterProtocol::policy) return;
  for (FilterRight right : {FilterRight::body, FilterRight::sender})
    if (filter.may.has(right))
      section.context().warn(section.origin_of("may"),
                             fmt::format("a policy service has no words for {}", name_of(right)));
}

}  // namespace

// It stands in log lines, in labels of metrics and in answers to operators.
bool is_filter_name(std::string_view text) {
  if (text.empty() || text.size() > kFilterNameMax) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

void read_on(Section& section, const std::vector<Listener>& listeners,
             std::vector<std::string>& on) {
  if (section.find("on") == nullptr) return;
  on.clear();
  for (const Node* node : section.texts("on", true)) {
    bool known = std::find(std::begin(kFilterKinds), std::end(kFilterKinds), node->text) !=
                     std::end(kFilterKinds) ||
                 std::any_of(listeners.begin(), listeners.end(), [&](const Listener& listener) {
                   return listener.name() == node->text;
                 });
    if (known) {
      on.push_back(node->text);
      continue;
    }
    std::vector<std::string> names;
    for (const Listener& listener : listeners) names.push_back(listener.name());
    section.error(*node, fmt::format("on: '{}' is neither world, submission, local nor "
                                     "notices, nor the address of a [[listener]]{}{}",
                                     printable(node->text), names.empty() ? "" : ": ",
                                     fmt::join(names, ", ")));
  }
}

void read_filters(Context& context, const std::vector<const Node*>& tables,
                  const std::vector<Listener>& listeners, std::vector<Filter>& filters) {
  if (tables.size() > kFiltersMax)
    return context.error(tables[kFiltersMax]->origin,
                         fmt::format("more than {} filters", kFiltersMax));
  std::map<std::string, Origin> seen;
  for (const Node* table : tables) {
    Section section(context, *table, "[[filter]]");
    Filter filter;
    filter.origin = table->origin;
    read_filter_name(section, seen, filter);
    section.choice("speak", filter.speak,
                   {{"milter", FilterProtocol::milter},
                    {"policy", FilterProtocol::policy},
                    {"rspamd", FilterProtocol::rspamd}});
    read_filter_socket(section, filter.socket);
    read_on(section, listeners, filter.on);
    read_filter_timeout(context, section.table("timeout", kTimeoutExample), filter.timeout);
    section.choice("on_failure", filter.on_failure,
                   {{"accept", FilterFailure::accept},
                    {"defer", FilterFailure::defer},
                    {"refuse", FilterFailure::refuse},
                    {"hold", FilterFailure::hold}});
    section.choice("mode", filter.mode,
                   {{"enforce", FilterMode::enforce}, {"watch", FilterMode::watch}});
    read_filter_rights(section, filter);
    read_policy_keys(section, filter);
    read_connections(section, filter);
    warn_of_rights(section, filter);
    section.finish();
    filters.push_back(std::move(filter));
  }
}

}  // namespace postwain::config
