// [tls] and [[listener]].

#include <map>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/document/values.h"
#include "common/config/section/sections.h"

namespace postwain::config {

namespace {

constexpr std::size_t kTlsPairsMax = 10000;
constexpr std::size_t kUnixPathMax = 107;  // sockaddr_un of Linux, less the final zero

void read_pem(Section& section, std::string_view key, FileUse use, std::string& path) {
  if (!section.text(key, path)) return;
  auto content = section.context().read(NamedFile{path, use}, section.origin_of(key));
  if (content && content->find("-----BEGIN ") == std::string::npos)
    section.context().error(section.origin_of(key), fmt::format("{} is not a PEM file", path));
}

void read_pair(Section& section, TlsPair& pair) {
  pair.origin = section.origin();
  read_pem(section, "certificate", FileUse::certificate, pair.certificate);
  read_pem(section, "key", FileUse::key, pair.key);
  if (section.find("certificate") == nullptr) section.missing("certificate");
  if (section.find("key") == nullptr) section.missing("key");
}

bool read_address(Section& section, const Node& node, Listener& listener) {
  const std::string& text = node.text;
  if (text.compare(0, 5, "unix:") == 0) {
    listener.unix_path = text.substr(5);
    if (!listener.unix_path.empty() && listener.unix_path.front() == '/' &&
        listener.unix_path.size() <= kUnixPathMax &&
        listener.unix_path.find('\0') == std::string::npos)
      return true;
    section.error(
        node, fmt::format("unix: needs an absolute path of at most {} characters", kUnixPathMax));
    return false;
  }
  std::string why;
  auto address = parse_ip_port(text, 0, why);
  if (!address) {
    section.error(node,
                  fmt::format("address must be IPv4:port, [IPv6]:port or unix:/path: {}", why));
    return false;
  }
  listener.host = address->host;
  listener.port = address->port;
  return true;
}

void check_tls(Section& section, const Tls& tls, Listener& listener) {
  bool have = !tls.certificate.empty() && !tls.key.empty();
  listener.tls = have ? ListenerTls::optional : ListenerTls::off;
  bool given = section.choice("tls", listener.tls,
                              {{"off", ListenerTls::off},
                               {"optional", ListenerTls::optional},
                               {"required", ListenerTls::required},
                               {"implicit", ListenerTls::implicit}});
  // A [tls] that is there but wrong has been reported already.
  if (given && listener.tls != ListenerTls::off && tls.origin.line == 0)
    section.context().error(section.origin_of("tls"),
                            "TLS needs certificate and key in [tls], which is missing");
}

void check_auth(Section& section, const Auth& auth, const Listener& listener) {
  if (!listener.auth) return;
  const Origin& at = section.origin_of("auth");
  if (auth.users_file.empty() && auth.dovecot_socket.empty() && !auth.external())
    section.context().error(at,
                            "auth = true needs users_file, dovecot_socket, certificate_name or "
                            "[[auth.certificate]] in [auth]");
  if (listener.tls == ListenerTls::off && !listener.auth_without_tls)
    section.context().error(at, "auth = true needs TLS, or auth_without_tls = true");
}

// Three or four octal digits, as chmod(1) takes them; without rights to execute, which mean nothing
// here, and without the special ones.
std::optional<std::uint32_t> parse_mode(std::string_view text) {
  if (text.size() < 3 || text.size() > 4) return std::nullopt;
  std::uint32_t mode = 0;
  for (char c : text) {
    if (c < '0' || c > '7') return std::nullopt;
    mode = mode * 8 + static_cast<std::uint32_t>(c - '0');
  }
  return (mode & ~0666U) == 0 ? std::optional(mode) : std::nullopt;
}

void read_socket_rights(Section& section, Listener& listener) {
  for (const char* key : {"mode", "group"})
    if (section.find(key) != nullptr && listener.unix_path.empty())
      section.context().error(section.origin_of(key),
                              fmt::format("{} is for a listener at unix:/path", key));
  if (const Node* node = section.find("mode", Node::Kind::string)) {
    if (auto mode = parse_mode(node->text))
      listener.unix_mode = *mode;
    else
      section.error(*node,
                    fmt::format("mode must be like \"0660\", not '{}'", printable(node->text)));
  }
  section.text("group", listener.unix_group);
}

void check_proxy(Section& section, Listener& listener) {
  bool any_from = section.find("proxy_from") != nullptr;
  for (const Node* node : section.texts("proxy_from")) {
    if (parse_network(node->text))
      listener.proxy_from.push_back(node->text);
    else
      section.error(*node, fmt::format("'{}' is not an address or network", printable(node->text)));
  }
  if (listener.proxy_protocol && !any_from)
    section.context().error(section.origin_of("proxy_protocol"),
                            "proxy_protocol needs proxy_from, the list of proxies to believe");
  if (listener.proxy_protocol && !listener.unix_path.empty())
    section.context().error(section.origin_of("proxy_protocol"),
                            "proxy_protocol needs a TCP listener: proxy_from lists IP addresses");
}

void read_sign(Section& section, Listener& listener) {
  bool sign = true;
  if (section.find("sign") == nullptr) return;
  section.boolean("sign", sign);
  listener.sign = sign ? ListenerSign::all : ListenerSign::none;
}

}  // namespace

void read_tls(Context& context, const Node* table, Tls& tls) {
  if (table == nullptr) return;
  Section section(context, *table, "[tls]");
  read_pair(section, tls);
  section.choice("minimum", tls.minimum,
                 {{"TLSv1.2", TlsVersion::tls12}, {"TLSv1.3", TlsVersion::tls13}});
  read_pem(section, "client_ca", FileUse::certificate, tls.client_ca);
  for (const Node* one : section.tables("pair")) {
    Section pair(context, *one, "[[tls.pair]]");
    read_pair(pair, tls.more.emplace_back());
    pair.finish();
  }
  if (tls.more.size() >= kTlsPairsMax)
    context.error(table->origin, fmt::format("more than {} certificates", kTlsPairsMax));
  section.finish();
}

void read_listeners(Context& context, const std::vector<const Node*>& tables, const Tls& tls,
                    const Auth& auth, std::vector<Listener>& listeners) {
  std::map<std::string, Origin> seen;
  for (const Node* table : tables) {
    Section section(context, *table, "[[listener]]");
    Listener listener;
    listener.origin = table->origin;
    bool usable = false;
    if (section.find("address") == nullptr) section.missing("address");
    if (const Node* node = section.find("address", Node::Kind::string)) {
      usable = read_address(section, *node, listener);
      auto [first, fresh] = seen.emplace(listener.name(), node->origin);
      if (usable && !fresh)
        section.error(*node, fmt::format("{} is already a listener at {}", listener.name(),
                                         first->second.text()));
    }
    section.choice("protocol", listener.protocol,
                   {{"smtp", ListenerProtocol::smtp},
                    {"submission", ListenerProtocol::submission},
                    {"lmtp", ListenerProtocol::lmtp}});
    // RFC 2033 5: whoever sends to port 25 expects a queue behind it.
    if (listener.protocol == ListenerProtocol::lmtp && listener.port == 25)
      section.context().error(section.origin_of("protocol"),
                              "LMTP must not be spoken on port 25 (RFC 2033 5)");
    section.boolean("auth", listener.auth);
    section.boolean("auth_without_tls", listener.auth_without_tls);
    section.boolean("proxy_protocol", listener.proxy_protocol);
    read_sign(section, listener);
    check_tls(section, tls, listener);
    check_auth(section, auth, listener);
    check_proxy(section, listener);
    read_socket_rights(section, listener);
    section.finish();
    if (usable) listeners.push_back(std::move(listener));
  }
}

}  // namespace postwain::config
