// [queue] store: where the queue is kept, and the way there.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/document/database_address.h"
#include "common/config/section/sections.h"

namespace postwain::config {

namespace {

constexpr std::string_view kStoreFilePrefix = "file:";

void read_store_address(Section& section, QueueDatabase& store) {
  std::string text;
  if (!section.text("store", text) || text == "sqlite") return;
  const Origin& at = section.origin_of("store");
  if (!has_database_scheme(text))
    return section.context().error(
        at,
        "store is neither \"sqlite\" nor the address of a database such as "
        "\"postgresql:///postwain?host=/run/postgresql\"");
  std::string why;
  auto address = parse_database_address(text, why);
  if (!address) return section.context().error(at, fmt::format("store: {}", why));
  store.address = *std::move(address);
}

// Its first line; what stands behind it, and blanks at the end, are no part of it.
void read_store_password(Section& section, QueueDatabase& store) {
  std::string text;
  if (!section.text("store_password", text)) return;
  const Origin& at = section.origin_of("store_password");
  if (!text.starts_with(kStoreFilePrefix) || text.size() == kStoreFilePrefix.size())
    // What stands there instead may be the secret itself.
    return section.context().error(
        at, "store_password is named as \"file:/path\", and stands in that file");
  std::string path = text.substr(kStoreFilePrefix.size());
  auto content = section.context().read(NamedFile{path, FileUse::database_secret}, at);
  if (!content) return;
  std::optional<std::string> password = database_password(*content);
  if (!password)
    return section.context().error(
        at, fmt::format("{}: its first line is the password, and has 1 to 1024 characters",
                        printable(path)));
  store.password = *std::move(password);
}

// The content of a file in PEM; empty: none is named, or this process was not given it.
std::string read_pem(Section& section, std::string_view key, FileUse use) {
  std::string path;
  if (!section.text(key, path)) return {};
  const Origin& at = section.origin_of(key);
  auto content = section.context().read(NamedFile{path, use}, at);
  if (!content) return {};
  if (content->find("-----BEGIN ") == std::string::npos)
    section.context().error(at, fmt::format("{}: nothing in PEM is in {}", key, printable(path)));
  return *std::move(content);
}

void warn_of_clear_way(Section& section, const QueueDatabase& store) {
  if (!store.address || store.tls != DatabaseTls::off) return;
  for (const DatabaseHost& host : store.address->hosts)
    if (!host.is_local() && !host.is_loopback())
      section.context().warn(
          section.origin_of("store_tls"),
          fmt::format(
              "store_tls = \"off\": mail and the login to the database cross the network to "
              "{} in clear, and whoever is there may pass for it",
              printable(host.name)));
}

constexpr const char* kLinkKeys[] = {"store_tls", "store_ca", "store_certificate", "store_key"};

void read_store_link(Section& section, QueueDatabase& store) {
  DatabaseTls tls = DatabaseTls::verify;
  if (section.choice("store_tls", tls,
                     {{"verify", DatabaseTls::verify}, {"off", DatabaseTls::off}}))
    store.tls = tls;
  store.roots = read_pem(section, "store_ca", FileUse::database_roots);
  store.certificate = read_pem(section, "store_certificate", FileUse::database_certificate);
  store.key = read_pem(section, "store_key", FileUse::database_key);
  if ((section.find("store_certificate") == nullptr) != (section.find("store_key") == nullptr))
    section.context().error(section.origin(), "store_certificate and store_key need each other");
  warn_of_clear_way(section, store);
  const Node* where = section.find("store");
  // Where store has a mistake nobody knows.
  bool needed =
      store.address ? store.address->over_network() : where != nullptr && where->text != "sqlite";
  for (const char* key : kLinkKeys)
    if (const Node* given = section.find(key); given != nullptr && !needed)
      section.warn(*given, fmt::format("{} is for a database that is reached over the network, and "
                                       "store names none",
                                       key));
}

bool is_node_name(std::string_view text) {
  return !text.empty() && text.size() <= kNodeNameMax &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

void read_node_name(Section& section, const std::string& hostname, QueueDatabase& store) {
  if (store.address) store.node = default_node_name(hostname);
  std::string text;
  if (!section.text("node", text)) return;
  if (is_node_name(text) && store.address) store.node = text;
  if (!is_node_name(text))
    section.context().error(
        section.origin_of("node"),
        fmt::format("node: a name has 1 to {} letters, digits, and '-', '_' or '.', unlike '{}'",
                    kNodeNameMax, printable(text)));
}

}  // namespace

void check_database_sockets(Context& context, const Config& config) {
  constexpr std::size_t kSocketPathMax = 107;  // of a sockaddr_un
  if (!config.queue.store.address) return;
  const std::vector<DatabaseHost>& hosts = config.queue.store.address->hosts;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    if (hosts[i].is_local()) continue;
    std::string path =
        database_link_folder(config.runtime_dir, i) + "/" + database_socket_name(hosts[i].port);
    if (path.size() <= kSocketPathMax) continue;
    auto at = context.origins.find("[queue] store");
    return context.error(at == context.origins.end() ? Origin{} : at->second,
                         fmt::format("runtime_dir is too long for the sockets of the way to the "
                                     "database: {} has {} characters, and {} are possible",
                                     path, path.size(), kSocketPathMax));
  }
}

void read_queue_store(Section& section, const std::string& hostname, QueueDatabase& store) {
  read_store_address(section, store);
  read_store_password(section, store);
  read_store_link(section, store);
  // Also where store has a mistake: a key that is right must not be called unknown for it.
  read_node_name(section, hostname, store);
  const Node* where = section.find("store");
  if (where != nullptr && where->text != "sqlite") return;
  for (const char* key : {"store_password", "node"})
    if (const Node* given = section.find(key))
      section.warn(*given, fmt::format("{} is for a queue in a database (store), and this queue is "
                                       "in spool_dir",
                                       key));
}

}  // namespace postwain::config
