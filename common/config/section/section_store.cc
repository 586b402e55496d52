// [queue] store: where the queue is kept.
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
  if (!is_on_this_machine(*address))
    return section.context().error(at, std::string("store: ") + kNotOnThisMachine);
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

bool is_node_name(std::string_view text) {
  return !text.empty() && text.size() <= kNodeNameMax &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

void read_node_name(Section& section, const std::string& hostname, QueueDatabase& store) {
  store.node = default_node_name(hostname);
  std::string text;
  if (!section.text("node", text)) return;
  if (is_node_name(text))
    store.node = std::move(text);
  else
    section.context().error(
        section.origin_of("node"),
        fmt::format("node: a name has 1 to {} letters, digits, and '-', '_' or '.', unlike '{}'",
                    kNodeNameMax, printable(text)));
}

}  // namespace

void read_queue_store(Section& section, const std::string& hostname, QueueDatabase& store) {
  read_store_address(section, store);
  read_store_password(section, store);
  if (store.address) read_node_name(section, hostname, store);
  const Node* where = section.find("store");
  if (where != nullptr && where->text != "sqlite") return;
  for (const char* key : {"store_password", "node"})
    if (const Node* given = section.find(key))
      section.warn(*given, fmt::format("{} is for a queue in a database (store), and this queue is "
                                       "in spool_dir",
                                       key));
}

}  // namespace postwain::config
