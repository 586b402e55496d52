// [access], [limits] and [[domain]]: whom we serve, how much, and for which domains.

#include <map>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/document/values.h"
#include "common/config/section/sections.h"
#include "common/mail/address_pattern.h"

namespace postwain::config {

namespace {

// "192.168.1.5/24": bits are set behind the prefix.
bool has_host_bits(const Network& network) {
  for (int bit = network.prefix; bit < 128; ++bit)
    if ((network.bytes[bit / 8] >> (7 - bit % 8) & 1) != 0) return true;
  return false;
}

void read_networks(Section& section, std::string_view key, std::vector<Network>& networks) {
  for (const Node* node : section.texts(key)) {
    auto network = parse_network(node->text);
    if (!network) {
      section.error(*node, fmt::format("'{}' is not a network (such as 192.0.2.0/24, 2001:db8::/32 "
                                       "or a single address)",
                                       printable(node->text)));
      continue;
    }
    bool everyone = network->prefix == 0 || node->text == "0.0.0.0/0";
    if (everyone)
      section.warn(*node, fmt::format("{} trusts everyone: this is an open relay", node->text));
    if (has_host_bits(*network))
      section.warn(*node, fmt::format("{} is an address within a network: the whole network is "
                                      "meant, or the address without '/…'?",
                                      node->text));
    network->origin = node->origin;
    networks.push_back(*network);
  }
}

}  // namespace

void read_clients(Section& section, std::vector<Network>& clients) {
  for (const Node* node : section.texts("client", true)) {
    if (auto network = parse_network(node->text))
      clients.push_back(*network);
    else
      section.error(*node, fmt::format("'{}' is not an address or network", printable(node->text)));
  }
}

void read_access(Context& context, const Node* table, Access& access) {
  if (table == nullptr) return;
  Section section(context, *table, "[access]");
  read_networks(section, "trusted_networks", access.trusted_networks);
  read_networks(section, "xclient_from", access.xclient_from);
  read_networks(section, "xforward_from", access.xforward_from);
  for (const Node* node : section.texts("trusted_certificates")) {
    Fingerprint fingerprint{{}, node->origin};
    if (parse_fingerprint(node->text, fingerprint.sha256))
      access.trusted_certificates.push_back(std::move(fingerprint));
    else
      section.error(*node, not_a_fingerprint(node->text));
  }
  if (section.choice(
          "reverse_dns", access.reverse_dns,
          {{"off", ReverseDns::off}, {"look", ReverseDns::look}, {"require", ReverseDns::require}}))
    access.reverse_dns_origin = section.origin_of("reverse_dns");
  if (section.choice("hello", access.hello,
                     {{"any", HelloCheck::any},
                      {"syntax", HelloCheck::syntax},
                      {"qualified", HelloCheck::qualified},
                      {"resolves", HelloCheck::resolves}}))
    access.hello_origin = section.origin_of("hello");
  if (section.choice("sender_domain", access.sender_domain,
                     {{"any", SenderCheck::any}, {"exists", SenderCheck::exists}}))
    access.sender_domain_origin = section.origin_of("sender_domain");
  section.choice("dsn", access.dsn, {{"all", DsnFor::all}, {"known", DsnFor::known}});
  section.boolean("bare_addresses", access.bare_addresses);
  section.finish();
}

void read_limits(Context& context, const Node* table, Limits& limits) {
  if (table == nullptr) return;
  constexpr std::uint64_t kRfcContent = 64U << 10;  // RFC 5321 4.5.3.1.7
  constexpr std::uint64_t kRfcRecipients = 100;     // RFC 5321 4.5.3.1.8
  Section section(context, *table, "[limits]");
  if (section.size("message_size", limits.message_size, {1024, 1ULL << 40}) &&
      limits.message_size < kRfcContent)
    context.warn(section.origin_of("message_size"),
                 "RFC 5321 4.5.3.1.7 asks every server to take messages of 64 KiB");
  if (section.integer("recipients", limits.recipients, {1, 100'000}) &&
      limits.recipients < kRfcRecipients)
    context.warn(section.origin_of("recipients"),
                 "RFC 5321 4.5.3.1.8 asks every server to take 100 recipients");
  section.integer("connections", limits.connections, {1, 1'000'000});
  section.integer("connections_per_ip", limits.connections_per_ip, {1, 1'000'000});
  constexpr Duration kShortest = Duration(100);
  constexpr Duration kLongest = std::chrono::hours(24);
  section.duration("command_timeout", limits.command_timeout, kShortest, kLongest);
  section.duration("data_timeout", limits.data_timeout, kShortest, kLongest);
  section.integer("errors", limits.errors, {1, 10'000});
  section.integer("hops", limits.hops, {10, 1000});
  section.integer("own_hops", limits.own_hops, {1, 1000});
  section.integer("client_ipv4_prefix", limits.client_ipv4_prefix, {8, 32});
  section.rate("client_connections", limits.client_connections);
  section.rate("client_messages", limits.client_messages);
  section.rate("client_recipients", limits.client_recipients);
  section.finish();
}

namespace {

void add_name(Section& section, const Node& node, std::map<std::string, Origin>& seen,
              Domain& domain) {
  std::string name = mail::canonical_pattern(node.text);
  std::string_view bare = name;
  if (!bare.empty() && bare.front() == '.') bare.remove_prefix(1);
  if (name == "*" || name == ".") {
    section.error(node,
                  fmt::format("'{}' would accept mail for every domain: an open relay", name));
  } else if (!is_domain(bare)) {
    section.error(node, fmt::format("'{}' is not a domain", printable(node.text)));
  } else if (auto [first, fresh] = seen.emplace(name, node.origin); !fresh) {
    section.error(node, fmt::format("{} already stands at {}", name, first->second.text()));
  } else {
    domain.names.push_back(std::move(name));
  }
}

// A local part, or a whole address with one; in the form in which they are compared.
bool add_recipient(std::string_view text, Domain& domain) {
  if (!is_local_part(text) && !is_mailbox(text)) return false;
  domain.allowed.push_back(mail::canonical_pattern(text));
  return true;
}

// One recipient a line; empty lines and those that begin with '#' do not count.
void read_recipient_file(Context& context, const std::string& path, const std::string& content,
                         Domain& domain) {
  int number = 0;
  for (std::string_view line : split(content, '\n')) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    line = trim(line);
    if (line.empty() || line.front() == '#') continue;
    if (!add_recipient(line, domain))
      context.error(Origin{path, number, 1},
                    fmt::format("'{}' is not a local part or an address", printable(line)));
  }
}

void read_recipients(Section& section, Domain& domain) {
  const Node* node = section.find("recipients");
  if (node == nullptr) return;
  if (node->kind == Node::Kind::string && node->text == "any") return;
  if (node->kind == Node::Kind::string && node->text == "probe") {
    domain.recipients = RecipientCheck::probe;
    return;
  }
  domain.recipients = RecipientCheck::list;
  if (node->kind == Node::Kind::string && node->text.compare(0, 5, "file:") == 0) {
    std::string path = node->text.substr(5);
    if (path.empty()) return section.error(*node, "file: needs a path");
    if (auto content = section.context().read(NamedFile{path, FileUse::recipients}, node->origin))
      read_recipient_file(section.context(), path, *content, domain);
    return;
  }
  if (node->kind == Node::Kind::string)
    return section.error(*node, fmt::format("recipients must be any, probe, file:/path or a list, "
                                            "not '{}'",
                                            printable(node->text)));
  for (const Node* item : section.texts("recipients"))
    if (!add_recipient(item->text, domain))
      section.error(*item,
                    fmt::format("'{}' is not a local part or an address", printable(item->text)));
}

}  // namespace

void read_domains(Context& context, const std::vector<const Node*>& tables,
                  std::vector<Domain>& domains) {
  std::map<std::string, Origin> seen;
  for (const Node* table : tables) {
    Section section(context, *table, "[[domain]]");
    Domain domain;
    domain.origin = table->origin;
    if (section.find("name") == nullptr) section.missing("name");
    for (const Node* node : section.texts("name", true)) add_name(section, *node, seen, domain);
    read_recipients(section, domain);
    section.finish();
    domains.push_back(std::move(domain));
  }
}

}  // namespace postwain::config
