// [[route]]: where mail goes.

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/document/values.h"
#include "common/config/section/sections.h"
#include "common/mail/address_pattern.h"
#include "common/sasl/client_exchange.h"

namespace postwain::config {

namespace {

bool is_pattern(std::string_view text) {
  if (text == "*") return true;
  if (text.find('@') != std::string_view::npos) return is_mailbox(text);
  if (!text.empty() && text.front() == '.') text.remove_prefix(1);
  return is_domain(text);
}

void read_senders(Section& section, Route& route) {
  for (const Node* node : section.texts("sender", true)) {
    std::string pattern = mail::canonical_pattern(node->text);
    if (pattern != "<>" && !is_pattern(pattern))
      section.error(*node, fmt::format("'{}' is not a domain, .domain, user@domain, <> or *",
                                       printable(node->text)));
    else
      route.senders.push_back(std::move(pattern));
  }
}

// A route for some senders or clients only takes nothing away from those behind it.
void read_match(Section& section, std::map<std::string, Origin>& seen, Route& route) {
  if (section.find("match") == nullptr) section.missing("match");
  for (const Node* node : section.texts("match", true)) {
    std::string pattern = mail::canonical_pattern(node->text);
    if (!is_pattern(pattern)) {
      section.error(*node, fmt::format("'{}' is not a domain, .domain, user@domain or *",
                                       printable(node->text)));
      continue;
    }
    route.match.push_back(pattern);
    if (!route.senders.empty() || !route.clients.empty()) continue;
    auto all = seen.find("*");
    if (all != seen.end())
      section.warn(*node, fmt::format("never reached: '*' at {} takes everything before it",
                                      all->second.text()));
    else if (auto [first, fresh] = seen.emplace(pattern, node->origin); !fresh)
      section.warn(*node, fmt::format("never reached: '{}' already stands at {}", pattern,
                                      first->second.text()));
  }
}

// Port 465 is for TLS from the first byte (RFC 8314 7.3): a client that waits for a greeting there
// waits in vain.
void warn_of_port(Section& section, const Node& node, const mail::NextHop& hop) {
  constexpr std::uint16_t kSubmissions = 465;
  for (const mail::HopHost& host : hop.hosts)
    if (hop.kind == mail::HopKind::smtp && !host.implicit_tls && host.port == kSubmissions)
      return section.warn(node, fmt::format("port 465 speaks TLS from the first byte: write "
                                            "smtps:{}:465",
                                            printable(host.host)));
}

std::optional<mail::NextHop> read_hop(Section& section, const Node& node, std::string_view key) {
  std::string why;
  auto hop = mail::NextHop::parse(node.text, &why);
  if (!hop) {
    section.error(node, fmt::format("{}: {}", key, why));
    return hop;
  }
  for (const mail::HopHost& host : hop->hosts)
    if (host.unix_path.empty() && !host.literal && !is_domain(host.host))
      section.error(node, fmt::format("{}: '{}' is not a host name", key, printable(host.host)));
  warn_of_port(section, node, *hop);
  return hop;
}

void read_deliver(Section& section, Route& route) {
  const Node* node = section.find("deliver", Node::Kind::string);
  if (section.find("deliver") == nullptr) section.missing("deliver");
  if (node == nullptr) return;
  if (auto hop = read_hop(section, *node, "deliver")) route.deliver = *std::move(hop);
}

// Where TLS stands before everything else there is no way in clear.
void refuse_clear(Section& section, std::string_view key, mail::TlsLevel level) {
  if (level != mail::TlsLevel::off && level != mail::TlsLevel::may &&
      level != mail::TlsLevel::policy)
    return;
  section.context().error(
      section.origin_of(key),
      fmt::format("smtps: always encrypts: {} must be encrypt, verify or dane", key));
}

void read_fallback(Section& section, Route& route) {
  if (const Node* node = section.find("fallback", Node::Kind::string)) {
    route.fallback = read_hop(section, *node, "fallback");
    bool lmtp = route.deliver.kind == mail::HopKind::lmtp;
    if (route.fallback && route.fallback->hosts.empty())
      section.error(*node, "fallback names hosts, smtp:…, smtps:… or lmtp:…");
    else if (route.fallback && (route.fallback->kind == mail::HopKind::lmtp) != lmtp)
      section.error(*node,
                    fmt::format("fallback must be {}:, as deliver is", lmtp ? "lmtp" : "smtp"));
  }
  bool given = section.choice("fallback_tls", route.fallback_tls,
                              {{"off", mail::TlsLevel::off},
                               {"may", mail::TlsLevel::may},
                               {"encrypt", mail::TlsLevel::encrypt},
                               {"verify", mail::TlsLevel::verify},
                               {"dane", mail::TlsLevel::dane}});
  if (given && !route.fallback)
    section.context().error(section.origin_of("fallback_tls"), "fallback_tls needs fallback");
  if (!given && route.deliver.kind == mail::HopKind::lmtp) route.fallback_tls = mail::TlsLevel::off;
  if (!route.fallback || !route.fallback->implicit_tls()) return;
  if (!given) route.fallback_tls = mail::TlsLevel::encrypt;
  refuse_clear(section, "fallback_tls", route.fallback_tls);
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
  if (route.deliver.implicit_tls()) refuse_clear(section, "tls", level);
}

// "user:file:/path": the file's first line is the password. "file:/path": it is "user:password".
void read_password(Section& section, const std::string& text, std::size_t file, Route& route) {
  const Origin& at = section.origin_of("auth");
  bool named = file > 0;
  auto content = section.context().read(NamedFile{text.substr(file + 5), FileUse::credential}, at);
  if (!content) return;
  std::string secret = content->substr(0, content->find_first_of("\r\n"));
  std::size_t colon = named ? 0 : secret.find(':');
  if (secret.empty() || colon == std::string::npos)
    return section.context().error(
        at, fmt::format("{} must hold {} in its first line", text.substr(file + 5),
                        named ? "the password" : "user:password"));
  route.credential.kind = mail::Credential::Kind::password;
  route.credential.user = named ? text.substr(0, file - 1) : secret.substr(0, colon);
  route.credential.secret = named ? secret : secret.substr(colon + 1);
}

void read_mechanisms(Section& section, Route& route) {
  bool token = route.credential.kind == mail::Credential::Kind::command;
  for (const Node* node : section.texts("auth_mechanisms", true)) {
    auto mechanism = sasl::parse_mechanism(node->text);
    if (!mechanism)
      section.error(*node,
                    fmt::format("'{}' is no mechanism we can log in with (SCRAM-SHA-256-PLUS, "
                                "SCRAM-SHA-256, PLAIN, LOGIN, CRAM-MD5, OAUTHBEARER, XOAUTH2)",
                                printable(node->text)));
    else if (sasl::takes_token(*mechanism) != token)
      section.error(*node, fmt::format("{} takes a {}, and auth names a {}", node->text,
                                       token ? "password" : "token", token ? "command" : "file"));
    else
      route.credential.mechanisms.emplace_back(name_of(*mechanism));
  }
}

// "user:command:/path words": what it prints is an access token.
void read_credential(Section& section, Route& route) {
  std::string text;
  if (section.text("auth", text)) {
    const Origin& at = section.origin_of("auth");
    std::size_t command = text.find(":command:");
    std::size_t file = text.find("file:");
    bool named = file != std::string::npos && file > 1 && text[file - 1] == ':';
    if (command != std::string::npos && command > 0 &&
        text[std::min(command + 9, text.size() - 1)] == '/')
      route.credential = {mail::Credential::Kind::command,
                          text.substr(0, command),
                          text.substr(command + 9),
                          {},
                          false};
    else if ((file == 0 || named) && text.size() > file + 5)
      read_password(section, text, file, route);
    else
      section.context().error(
          at, "auth must be \"USER:file:/path\", \"file:/path\" or \"USER:command:/path\"");
  }
  read_mechanisms(section, route);
  section.boolean("auth_without_tls", route.credential.without_tls);
  if (section.find("auth") != nullptr) return;
  for (const char* key : {"auth_mechanisms", "auth_without_tls"})
    if (section.find(key) != nullptr)
      section.context().error(section.origin_of(key), fmt::format("{} needs auth", key));
}

// A password is for one server only, so that server has to prove who it is unless the operator asks
// for less by its name.
void guard_credential(Section& section, Route& route) {
  if (!route.credential.present()) return;
  if (!route.tls && !route.credential.without_tls) {
    route.tls = mail::TlsLevel::verify;
    return;
  }
  if (route.tls == mail::TlsLevel::verify || route.tls == mail::TlsLevel::dane) return;
  const char* key = route.tls ? "tls" : "auth_without_tls";
  section.context().warn(
      section.origin_of(key),
      fmt::format("{} lets a server log us in that has not proven who it is; without it the "
                  "level is verify",
                  route.tls ? fmt::format("tls = \"{}\"", mail::name_of(*route.tls))
                            : "auth_without_tls without tls"));
}

void read_certificate(Section& section, Route& route) {
  auto content = [&](std::string_view key, FileUse use) {
    std::string path;
    if (!section.text(key, path)) return std::string();
    return section.context()
        .read(NamedFile{path, use}, section.origin_of(key))
        .value_or(std::string());
  };
  route.certificate.chain = content("certificate", FileUse::client_certificate);
  route.certificate.key = content("certificate_key", FileUse::credential);
  if ((section.find("certificate") == nullptr) != (section.find("certificate_key") == nullptr))
    section.context().error(section.origin(), "certificate and certificate_key need each other");
}

void read_avoid(Section& section, Route& route) {
  for (const Node* node : section.texts("avoid", true)) {
    if (auto ability = mail::parse_ability(node->text))
      route.avoid.add(*ability);
    else
      section.error(*node,
                    fmt::format("'{}' cannot be avoided (chunking, pipelining, dsn, 8bitmime, "
                                "smtputf8, size, tls-session, tls1.3)",
                                printable(node->text)));
  }
}

constexpr std::size_t kRouteFieldsMax = 50;      // of each of the two lists
constexpr std::size_t kRouteFieldTextMax = 998;  // RFC 5322 2.1.1

void read_field_changes(Section& section, Route& route) {
  std::vector<const Node*> added = section.texts("add_headers", true);
  std::vector<const Node*> removed = section.texts("remove_headers", true);
  for (const auto* list : {&added, &removed})
    if (list->size() > kRouteFieldsMax)
      return section.error(*(*list)[kRouteFieldsMax],
                           fmt::format("more than {} fields", kRouteFieldsMax));
  for (const Node* node : added) {
    if (is_one_line_field(node->text) && is_ascii(node->text) &&
        node->text.size() <= kRouteFieldTextMax)
      route.fields.added += node->text + "\r\n";
    else
      section.error(*node, fmt::format("add_headers: '{}' is no field in ASCII (\"Name: text\")",
                                       printable(node->text)));
  }
  for (const Node* node : removed) {
    if (is_field_name(node->text))
      route.fields.removed.push_back(node->text);
    else
      section.error(*node, fmt::format("remove_headers: '{}' is not the name of a header field",
                                       printable(node->text)));
  }
}

// Mail stores ask for no signature, and lmtp-client has no way to the signer.
void read_route_sign(Section& section, Route& route) {
  bool lmtp = route.deliver.kind == mail::HopKind::lmtp;
  route.sign = !lmtp;
  section.boolean("sign", route.sign);
  if (lmtp && route.sign)
    section.context().error(section.origin_of("sign"), "sign is for mail that leaves by SMTP");
}

// Whoever an MX record names is no one to be told whose mail it is.
void read_xforward(Section& section, Route& route) {
  section.boolean("xforward", route.xforward);
  bool named =
      route.deliver.kind == mail::HopKind::smtp || route.deliver.kind == mail::HopKind::lmtp;
  if (route.xforward && !named)
    section.context().error(section.origin_of("xforward"),
                            "xforward needs a next hop that deliver names (smtp: or lmtp:)");
}

void read_rate(Section& section, std::string_view key, std::uint32_t& count, Duration& period) {
  std::string rate;
  if (!section.text(key, rate)) return;
  if (!parse_rate(rate, count, period))
    section.context().error(
        section.origin_of(key),
        fmt::format("'{}' is not a rate (such as 10/s, 100/min, 1000/hour, 5000/day)",
                    printable(rate)));
}

// `concurrency` counted attempts at one destination before connections were counted. It is taken as
// what everybody meant by it. Where both keys stand, the file is of that time, when `connections`
// was of the whole route.
void read_concurrency(Section& section, mail::Bounds& bounds) {
  constexpr std::string_view kKey = "concurrency";
  std::uint32_t attempts = 0;
  section.integer(kKey, attempts, {1, 10'000});
  if (attempts == 0) return;
  std::string more;
  if (bounds.connections == 0) {
    bounds.connections = attempts;
  } else {
    if (bounds.route_connections == 0) bounds.route_connections = bounds.connections;
    bounds.connections = std::min(bounds.connections, attempts);
    more = fmt::format(" and route_connections = {}", bounds.route_connections);
  }
  section.context().warn(
      section.origin_of(kKey),
      fmt::format("concurrency counts connections now: write connections = {}{} instead (TCP "
                  "connections to one destination; in_flight bounds the messages on each)",
                  bounds.connections, more));
}

void read_connections(Section& section, mail::Bounds& bounds) {
  section.integer("connections", bounds.connections, {1, 10'000});
  section.integer("route_connections", bounds.route_connections, {1, 10'000});
  section.integer("in_flight", bounds.in_flight, {1, 1000});
  read_rate(section, "connection_rate", bounds.rate_count, bounds.rate_period);
  read_concurrency(section, bounds);
}

void read_pace(Section& section, Route& route) {
  read_connections(section, route.bounds);
  section.integer("recipients", route.recipients, {1, 100});
  read_rate(section, "rate", route.rate_count, route.rate_period);
  read_rate(section, "drain_rate", route.drain_count, route.drain_period);
  std::string family;
  if (section.text("family", family)) {
    auto parsed = mail::parse_family(family);
    if (parsed)
      route.family = *parsed;
    else
      section.context().error(section.origin_of("family"),
                              "family must be any, ipv4, ipv6, ipv4-first or ipv6-first");
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
    read_senders(section, route);
    read_clients(section, route.clients);
    read_match(section, seen, route);
    read_deliver(section, route);
    read_tls_level(section, route);
    read_credential(section, route);
    guard_credential(section, route);
    read_certificate(section, route);
    read_fallback(section, route);
    read_avoid(section, route);
    read_field_changes(section, route);
    read_route_sign(section, route);
    read_xforward(section, route);
    route.mailbox_schedule = route.deliver.kind == mail::HopKind::lmtp;
    section.choice("retry", route.mailbox_schedule, {{"internet", false}, {"store", true}});
    section.choice("in_doubt", route.hold_in_doubt, {{"retry", false}, {"hold", true}});
    read_pace(section, route);
    section.finish();
    routes.push_back(std::move(route));
  }
}

}  // namespace postwain::config
