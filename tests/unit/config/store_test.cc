// [queue] store, store_password and node: what operators write, and what they get to hear about it.
#include <catch2/catch.hpp>

#include <algorithm>

#include "common/config/load/bundle.h"

using namespace postwain;
using namespace postwain::config;

namespace {

Loaded loaded_store(const std::string& queue) {
  return parse(Bundle{"t.toml",
                      {{"t.toml", "hostname = \"mx1.example.org\"\n[queue]\n" + queue},
                       {"secret", "hush hush \r\nand a note\n"},
                       {"empty", "\n"},
                       {"long", std::string(1025, 'x')}}});
}

bool tells_store(const std::vector<Diagnostic>& diagnostics, std::string_view words) {
  return std::any_of(diagnostics.begin(), diagnostics.end(), [&](const Diagnostic& d) {
    return d.message.find(words) != std::string::npos &&
           d.message.find("hush") == std::string::npos;
  });
}

}  // namespace

TEST_CASE("the queue is in SQLite unless a database is named") {
  for (const char* text : {"", "store = \"sqlite\"\n"}) {
    Loaded loaded = loaded_store(text);
    CHECK(loaded.diagnostics.empty());
    CHECK(loaded.warnings.empty());
    CHECK_FALSE(loaded.config.queue.store.address);
    CHECK(loaded.config.queue.store.node.empty());  // a reload may change the hostname
  }
}

TEST_CASE("a queue in a database, with the secret from a file") {
  Loaded loaded = loaded_store(
      "store = \"postgresql:///queue?host=/run/postgresql\"\nstore_password = \"file:secret\"\n");
  REQUIRE(loaded.diagnostics.empty());
  CHECK(loaded.warnings.empty());
  const QueueDatabase& store = loaded.config.queue.store;
  REQUIRE(store.address);
  CHECK(store.address->database == "queue");
  CHECK(store.password == "hush hush");
  CHECK(store.node == "mx1");
  REQUIRE(loaded.named_files.size() == 1);
  CHECK(loaded.named_files[0].use == FileUse::database_secret);
  CHECK(loaded_store("store = \"postgresql:\"\nnode = \"north-1\"\n").config.queue.store.node ==
        "north-1");
}

TEST_CASE("mistakes in [queue] store are told with what to write instead") {
  struct {
    const char* text;
    const char* words;
  } rows[] = {
      {"store = \"sqlite3\"\n", "neither \"sqlite\" nor"},
      {"store = 1\n", "store"},
      {"store = \"postgresql://db1/queue\"\n", "names a host, and qmgr has no network"},
      {"store = \"pgsql://u:hush@h/\"\n", "neither \"sqlite\" nor"},
      {"store = \"postgresql://u:hush@/queue\"\n", "store_password names its file"},
      {"store = \"postgresql:\"\nstore_password = \"hush\"\n", "file:/path"},
      {"store = \"postgresql:\"\nstore_password = \"file:empty\"\n", "its first line"},
      {"store = \"postgresql:\"\nstore_password = \"file:long\"\n", "its first line"},
      {"store = \"postgresql:\"\nnode = \"a b\"\n", "letters, digits"},
      {"store = \"postgresql:\"\nnode = \"\"\n", "node"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(tells_store(loaded_store(row.text).diagnostics, row.words));
  }
  for (const char* text : {"store_password = \"file:secret\"\n", "node = \"a\"\n"})
    CHECK(tells_store(loaded_store(text).warnings, "is for a queue in a database"));
}
