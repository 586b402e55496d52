// [[route]]: where mail goes.

#include <map>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/sections.h"
#include "common/config/values.h"

namespace postwain::config {

namespace {

bool is_pattern(std::string_view text) {
  if (text == "*") return true;
  if (text.find('@') != std::string_view::npos) return is_mailbox(text);
  if (!text.empty() && text.front() == '.') text.remove_prefix(1);
  return is_domain(text);
}

void read_match(Section& section, std::map<std::string, Origin>& seen, Route& route) {
  if (section.find("match") == nullptr) section.missing("match");
  for (const Node* node : section.texts("match", true)) {
    std::string pattern = to_lower(node->text);
    if (!is_pattern(pattern)) {
      section.error(*node, fmt::format("'{}' is not a domain, .domain, user@domain or *",
                                       printable(node->text)));
      continue;
    }
    auto all = seen.find("*");
    if (all != seen.end())
      section.warn(*node, fmt::format("never reached: '*' at {} takes everything before it",
                                      all->second.text()));
    else if (auto [first, fresh] = seen.emplace(pattern, node->origin); !fresh)
      section.warn(*node, fmt::format("never reached: '{}' already stands at {}", pattern,
                                      first->second.text()));
    route.match.push_back(std::move(pattern));
  }
}

void read_deliver(Section& section, Route& route) {
  const Node* node = section.find("deliver", Node::Kind::string);
  if (section.find("deliver") == nullptr) section.missing("deliver");
  if (node == nullptr) return;
  std::string why;
  auto hop = mail::NextHop::parse(node->text, &why);
  if (!hop) return section.error(*node, fmt::format("deliver: {}", why));
  for (const mail::HopHost& host : hop->hosts)
    if (host.unix_path.empty() && !host.literal && !is_domain(host.host))
      section.error(*node, fmt::format("deliver: '{}' is not a host name", printable(host.host)));
  route.deliver = *std::move(hop);
}

void read_tls_level(Section& section, Route& route) {
  mail::TlsLevel level = mail::TlsLevel::may;
  if (!section.choice("tls", level,
                      {{"off", mail::TlsLevel::off},
                       {"may", mail::TlsLevel::may},
                       {"policy", mail::TlsLevel::policy},
                       {"encrypt", mail::TlsLevel::encrypt},
                       {"verify", mail::TlsLevel::verify},
                       {"dane", mail::TlsLevel::dane}}))
    return;
  route.tls = level;
}

// "user:file:/path": the file's first line is the password. "file:/path": it is "user:password".
void read_credential(Section& section, Route& route) {
  std::string text;
  if (!section.text("auth", text)) return;
  const Origin& at = section.origin_of("auth");
  std::size_t file = text.find("file:");
  bool named = file != std::string::npos && file > 1 && text[file - 1] == ':';
  if ((file != 0 && !named) || text.size() == file + 5)
    return section.context().error(at, "auth must be \"USER:file:/path\" or \"file:/path\"");
  auto content = section.context().read(NamedFile{text.substr(file + 5), FileUse::credential}, at);
  if (!content) return;
  std::string secret = content->substr(0, content->find_first_of("\r\n"));
  if (secret.empty() || (!named && secret.find(':') == std::string::npos))
    return section.context().error(
        at, fmt::format("{} must hold {} in its first line", text.substr(file + 5),
                        named ? "the password" : "user:password"));
  route.credential = text.substr(0, file) + secret;
}

void read_pace(Section& section, Route& route) {
  section.integer("concurrency", route.concurrency, {1, 10'000});
  section.integer("connections", route.connections, {1, 10'000});
  std::string rate;
  if (section.text("rate", rate)) {
    const Origin& at = section.origin_of("rate");
    if (!parse_rate(rate, route.rate_count, route.rate_period))
      section.context().error(
          at, fmt::format("'{}' is not a rate (such as 10/s, 100/min, 1000/hour, 5000/day)",
                          printable(rate)));
  }
  for (const Node* node : section.texts("sources")) {
    if (is_ip_address(node->text))
      route.sources.push_back(node->text);
    else
      section.error(*node, fmt::format("'{}' is not an IP address", printable(node->text)));
  }
}

}  // namespace

void read_routes(Context& context, const std::vector<const Node*>& tables,
                 std::vector<Route>& routes) {
  std::map<std::string, Origin> seen;
  for (const Node* table : tables) {
    Section section(context, *table, "[[route]]");
    Route route;
    route.origin = table->origin;
    read_match(section, seen, route);
    read_deliver(section, route);
    read_tls_level(section, route);
    read_credential(section, route);
    route.store_schedule = route.deliver.kind == mail::HopKind::lmtp;
    section.choice("retry", route.store_schedule, {{"internet", false}, {"store", true}});
    read_pace(section, route);
    section.finish();
    routes.push_back(std::move(route));
  }
}

}  // namespace postwain::config
