#include "common/config/document/database_address.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/base/percent.h"
#include "common/base/text.h"
#include "common/config/document/values.h"

namespace postwain::config {

namespace {

constexpr const char* kSocketFolder = "/run/postgresql";
constexpr const char* kDefaultName = "postwain";
constexpr std::string_view kSchemes[] = {"postgresql:", "postgres:"};
// What was written may be, or have in it, a password in the wrong place: no message quotes it.
constexpr const char* kNotKeyValue = "a part of it is not KEY=VALUE";
constexpr std::size_t kDatabaseNameMax = 63;  // NAMEDATALEN - 1 of PostgreSQL

// What was written, before it is judged.
struct AddressParts {
  std::string hosts;  // separated by commas, as are the ports
  std::string ports;
  std::string database;
  std::string user;
};

// What libpq knows beside that, and what stands in its place here. These words are told, since they
// are no secret of anybody's.
struct ForeignKey {
  std::string_view name;
  const char* instead = nullptr;  // null: nothing, Postwain sets it or does without
};
constexpr const char* kOwnTls = "store_tls, store_ca, store_certificate and store_key";
constexpr ForeignKey kForeignKeys[] = {
    {"sslmode", kOwnTls},
    {"sslrootcert", kOwnTls},
    {"sslcert", kOwnTls},
    {"sslkey", kOwnTls},
    {"sslnegotiation", kOwnTls},
    {"sslcompression", kOwnTls},
    {"sslcrl", kOwnTls},
    {"sslcrldir", kOwnTls},
    {"sslsni", kOwnTls},
    {"sslcertmode", kOwnTls},
    {"requiressl", kOwnTls},
    {"ssl_min_protocol_version", kOwnTls},
    {"ssl_max_protocol_version", kOwnTls},
    {"gssencmode", kOwnTls},
    {"channel_binding", kOwnTls},
    {"passfile", "store_password"},
    {"hostaddr", "host, which takes addresses, too"},
    {"application_name"},
    {"client_encoding"},
    {"connect_timeout"},
    {"fallback_application_name"},
    {"gssdelegation"},
    {"gsslib"},
    {"keepalives"},
    {"keepalives_count"},
    {"keepalives_idle"},
    {"keepalives_interval"},
    {"krbsrvname"},
    {"load_balance_hosts"},
    {"options"},
    {"replication"},
    {"require_auth"},
    {"requirepeer"},
    {"service"},
    {"sslpassword", "store_key, a key without a password"},
    {"target_session_attrs"},
    {"tcp_user_timeout"},
};

std::string unknown_key(std::string_view key) {
  constexpr const char* kAllowed = "host, port, dbname and user are";
  for (const ForeignKey& foreign : kForeignKeys) {
    if (key != foreign.name) continue;
    if (foreign.instead == nullptr)
      return fmt::format("{} is not known here; {}", foreign.name, kAllowed);
    return fmt::format("{} is not known here; {}, and in its place there is {}", foreign.name,
                       kAllowed, foreign.instead);
  }
  return fmt::format("a key is not known here; {}", kAllowed);
}

// False: `why` is set.
bool take_part(AddressParts& parts, std::string_view key, std::string value, std::string& why) {
  if (key == "password") {
    why = "a password does not belong here, where it may be shown; store_password names its file";
    return false;
  }
  for (auto [name, part] : {std::pair{"host", &parts.hosts}, std::pair{"port", &parts.ports},
                            std::pair{"dbname", &parts.database}, std::pair{"user", &parts.user}}) {
    if (key != name) continue;
    *part = std::move(value);
    return true;
  }
  why = unknown_key(key);
  return false;
}

bool take_decoded(AddressParts& parts, std::string_view key, std::string_view value,
                  std::string& why) {
  std::optional<std::string> decoded = percent_decoded(value);
  if (decoded) return take_part(parts, key, *std::move(decoded), why);
  why = fmt::format("{}: a '%' is followed by two hexadecimal digits", key);
  return false;
}

// Where the port of "host:port" or "[2001:db8::1]:port" begins, behind its colon; npos: none.
std::size_t place_of_port(std::string_view host) {
  std::size_t bracket = host.rfind(']');
  std::size_t colon = host.rfind(':');
  if (colon == std::string_view::npos) return colon;
  return bracket != std::string_view::npos && colon < bracket ? std::string_view::npos : colon + 1;
}

// "user@host1:port1,host2" of a URI.
bool read_authority(std::string_view text, AddressParts& parts, std::string& why) {
  if (std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    std::string_view user = text.substr(0, at);
    if (user.find(':') != std::string_view::npos) return take_part(parts, "password", {}, why);
    if (!take_decoded(parts, "user", user, why)) return false;
    text.remove_prefix(at + 1);
  }
  if (text.empty()) return true;
  std::vector<std::string_view> hosts;
  std::vector<std::string_view> ports;
  for (std::string_view one : split(text, ',')) {
    std::size_t port = place_of_port(one);
    std::string_view host = one.substr(0, port == std::string_view::npos ? port : port - 1);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    hosts.push_back(host);
    ports.push_back(port == std::string_view::npos ? std::string_view() : one.substr(port));
  }
  parts.ports = fmt::format("{}", fmt::join(ports, ","));
  return take_decoded(parts, "host", fmt::format("{}", fmt::join(hosts, ",")), why);
}

bool read_uri(std::string_view text, AddressParts& parts, std::string& why) {
  std::string_view query;
  if (std::size_t mark = text.find('?'); mark != std::string_view::npos) {
    query = text.substr(mark + 1);
    text = text.substr(0, mark);
  }
  std::size_t slash = text.find('/');
  if (!read_authority(text.substr(0, slash), parts, why)) return false;
  if (slash != std::string_view::npos &&
      !take_decoded(parts, "dbname", text.substr(slash + 1), why))
    return false;
  if (query.empty()) return true;
  for (std::string_view one : split(query, '&')) {
    std::size_t equals = one.find('=');
    if (equals == std::string_view::npos) {
      why = kNotKeyValue;
      return false;
    }
    if (!take_decoded(parts, one.substr(0, equals), one.substr(equals + 1), why)) return false;
  }
  return true;
}

// One value of the keywords, quoted or not; it is taken from the text.
std::optional<std::string> take_value(std::string_view& text) {
  bool quoted = text.starts_with('\'');
  if (quoted) text.remove_prefix(1);
  std::string out;
  for (;;) {
    if (text.empty()) return quoted ? std::nullopt : std::optional(out);
    char c = text.front();
    if (!quoted && c == ' ') return out;
    text.remove_prefix(1);
    if (quoted && c == '\'') return out;
    if (c == '\\') {
      if (text.empty()) return std::nullopt;
      c = text.front();
      text.remove_prefix(1);
    }
    out += c;
  }
}

bool read_keywords(std::string_view text, AddressParts& parts, std::string& why) {
  for (text = trim(text); !text.empty(); text = trim(text)) {
    std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) {
      why = kNotKeyValue;
      return false;
    }
    std::string_view key = trim(text.substr(0, equals));
    text = trim(text.substr(equals + 1));
    std::optional<std::string> value = take_value(text);
    if (!value) {
      why = "a value in quotes does not end, or ends with a backslash";
      return false;
    }
    if (!take_part(parts, key, *std::move(value), why)) return false;
  }
  return true;
}

bool is_clean(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](unsigned char c) { return c < 0x20 || c == 0x7F; }) &&
         is_valid_utf8(text);
}

bool check_name(const char* what, const std::string& name, std::string& why) {
  if (!name.empty() && name.size() <= kDatabaseNameMax && is_clean(name)) return true;
  why = fmt::format("{} has 1 to {} octets and no control characters", what, kDatabaseNameMax);
  return false;
}

bool check_host(const std::string& host, std::string& why) {
  constexpr std::size_t kHostMax = 255;
  bool good = host.size() <= kHostMax && is_clean(host) && host.find(' ') == std::string::npos &&
              !host.empty();
  if (!good) why = "one of the hosts is neither a name nor the folder of a socket";
  return good;
}

// A list of one port counts for all hosts.
std::optional<std::vector<DatabaseHost>> hosts_of_parts(const AddressParts& parts,
                                                        std::string& why) {
  std::vector<std::string_view> names = split(parts.hosts, ',');
  std::vector<std::string_view> ports = split(parts.ports, ',');
  if (names.size() > kDatabaseHostsMax || (ports.size() != 1 && ports.size() != names.size())) {
    why = names.size() > kDatabaseHostsMax
              ? fmt::format("more than {} hosts", kDatabaseHostsMax)
              : fmt::format("{} hosts and {} ports", names.size(), ports.size());
    return std::nullopt;
  }
  std::vector<DatabaseHost> out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    DatabaseHost host{std::string(names[i])};
    if (parts.hosts.empty()) host.name = kSocketFolder;
    if (!check_host(host.name, why)) return std::nullopt;
    std::string_view port = ports[ports.size() == 1 ? 0 : i];
    auto number = port.empty() ? kDatabasePort : parse_decimal<std::uint16_t>(port);
    if (!number || *number == 0) {
      why = "a port is a number from 1 to 65535";
      return std::nullopt;
    }
    host.port = *number;
    out.push_back(std::move(host));
  }
  return out;
}

}  // namespace

std::string DatabaseAddress::text() const {
  std::string out;
  for (const DatabaseHost& host : hosts) {
    bool v6 = !host.is_local() && host.name.find(':') != std::string::npos;
    out += fmt::format("{}{}{}{}", out.empty() ? "" : ",", v6 ? "[" : "", host.name, v6 ? "]" : "");
    if (host.port != kDatabasePort) out += fmt::format(":{}", host.port);
  }
  return fmt::format("database {} at {} as {}", database, out, user);
}

namespace {

// A value of a keyword.
std::string quoted_keyword(const std::string& value) {
  std::string out = "'";
  for (char c : value) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

}  // namespace

std::string DatabaseAddress::conninfo() const {
  std::string names;
  std::string ports;
  for (const DatabaseHost& host : hosts) {
    names += (names.empty() ? "" : ",") + host.name;
    ports += fmt::format("{}{}", ports.empty() ? "" : ",", host.port);
  }
  return fmt::format("host={} port={} dbname={} user={}", quoted_keyword(names),
                     quoted_keyword(ports), quoted_keyword(database), quoted_keyword(user));
}

std::string DatabaseHost::text() const {
  if (is_local()) return port == kDatabasePort ? name : fmt::format("{}:{}", name, port);
  const bool v6 = name.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", name, v6 ? "]" : "", port);
}

bool DatabaseHost::is_loopback() const {
  if (name == "::1") return true;
  return name.starts_with("127.") && is_ip_address(name);
}

bool DatabaseAddress::over_network() const {
  return std::any_of(hosts.begin(), hosts.end(),
                     [](const DatabaseHost& host) { return !host.is_local(); });
}

DatabaseAddress DatabaseAddress::behind_link(const std::string& runtime_dir) const {
  DatabaseAddress out = *this;
  for (std::size_t i = 0; i < hosts.size(); ++i)
    if (!hosts[i].is_local()) out.hosts[i].name = database_link_folder(runtime_dir, i);
  return out;
}

std::string database_link_folder(const std::string& runtime_dir, std::size_t host) {
  return fmt::format("{}/db/{}", runtime_dir, host);
}

std::string database_socket_name(std::uint16_t port) {
  return fmt::format(".s.PGSQL.{}", port);
}

bool has_database_scheme(std::string_view text) {
  return std::any_of(std::begin(kSchemes), std::end(kSchemes),
                     [&](std::string_view scheme) { return text.starts_with(scheme); });
}

std::string default_node_name(const std::string& hostname) {
  return hostname.substr(0, hostname.find('.')).substr(0, kNodeNameMax);
}

std::optional<std::string> database_password(std::string_view content) {
  constexpr std::size_t kPasswordMax = 1024;
  std::string_view line = content.substr(0, content.find('\n'));
  while (!line.empty() && static_cast<unsigned char>(line.back()) <= ' ') line.remove_suffix(1);
  if (line.empty() || line.size() > kPasswordMax) return std::nullopt;
  return std::string(line);
}

std::optional<DatabaseAddress> parse_database_address(std::string_view text, std::string& why) {
  if (!has_database_scheme(text) || text.size() > kDatabaseAddressMax) {
    why = text.size() > kDatabaseAddressMax
              ? fmt::format("longer than {} octets", kDatabaseAddressMax)
              : std::string("it begins with \"postgresql:\"");
    return std::nullopt;
  }
  text.remove_prefix(text.find(':') + 1);
  AddressParts parts;
  bool read = text.starts_with("//") ? read_uri(text.substr(2), parts, why)
                                     : read_keywords(text, parts, why);
  if (!read) return std::nullopt;
  auto hosts = hosts_of_parts(parts, why);
  if (!hosts) return std::nullopt;
  DatabaseAddress out{*std::move(hosts), parts.database.empty() ? kDefaultName : parts.database,
                      parts.user.empty() ? kDefaultName : parts.user};
  if (!check_name("the name of the database", out.database, why)) return std::nullopt;
  if (!check_name("the name of the user", out.user, why)) return std::nullopt;
  return out;
}

}  // namespace postwain::config
