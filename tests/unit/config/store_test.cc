// [queue] store, store_password and node: what operators write, and what they get to hear about it.
#include <catch2/catch.hpp>

#include <algorithm>

#include <fmt/format.h>

#include "common/config/load/bundle.h"

using namespace postwain;
using namespace postwain::config;

namespace {

Loaded loaded_store(const std::string& queue) {
  return parse(Bundle{"t.toml",
                      {{"t.toml", "hostname = \"mx1.example.org\"\n[queue]\n" + queue},
                       {"secret", "hush hush \r\nand a note\n"},
                       {"empty", "\n"},
                       {"roots", "-----BEGIN CERTIFICATE-----\nr"},
                       {"chain", "-----BEGIN CERTIFICATE-----\nc"},
                       {"key", "-----BEGIN PRIVATE KEY-----\nk"},
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

TEST_CASE("a mistake in store makes no other key of [queue] unknown") {
  for (const char* store :
       {"1", "\"\"", "\"sqlite3\"", "\"postgresql:hush=1\"", "\"postgres:///q?sslmode=require\"",
        "\"postgresql://u:hush@h/q\"", "\"postgresql:///q?port=0\""}) {
    Loaded loaded = loaded_store(fmt::format(
        "store = {}\nnode = \"mx1\"\nstore_password = \"file:secret\"\nstore_tls = \"off\"\n",
        store));
    CAPTURE(store);
    REQUIRE(loaded.diagnostics.size() == 1);
    CHECK(loaded.diagnostics[0].origin.line == 3);
    CHECK(loaded.diagnostics[0].message.find("store") == 0);
    CHECK(loaded.config.queue.store.node.empty());
  }
  // And a mistake in node is told beside it.
  CHECK(tells_store(loaded_store("store = \"sqlite3\"\nnode = \"a b\"\n").diagnostics,
                    "letters, digits"));
}

TEST_CASE("mistakes in [queue] store are told with what to write instead") {
  struct {
    const char* text;
    const char* words;
  } rows[] = {
      {"store = \"sqlite3\"\n", "neither \"sqlite\" nor"},
      {"store = 1\n", "store"},
      {"store = \"postgresql://db1/queue\"\nstore_tls = \"require\"\n", "store_tls"},
      {"store = \"postgresql://db1/queue\"\nstore_ca = \"secret\"\n",
       "nothing in PEM is in secret"},
      {"store = \"postgresql://db1/queue\"\nstore_key = \"key\"\n",
       "store_certificate and store_key need each other"},
      {"store = \"postgresql://db1/queue\"\nstore_certificate = \"chain\"\n",
       "store_certificate and store_key need each other"},
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

TEST_CASE("a database over the network, and how it is protected") {
  Loaded loaded = loaded_store(
      "store = \"postgresql://db1,127.0.0.1:5433,[::1]/queue\"\nstore_ca = \"roots\"\n"
      "store_certificate = \"chain\"\nstore_key = \"key\"\n");
  REQUIRE(loaded.diagnostics.empty());
  CHECK(loaded.warnings.empty());
  CHECK(loaded.config.links_database());
  const QueueDatabase& store = loaded.config.queue.store;
  CHECK_FALSE(store.tls);
  CHECK(store.roots.ends_with("\nr"));
  CHECK(store.certificate.ends_with("\nc"));
  CHECK(store.key.ends_with("\nk"));
  CHECK(store.asks_tls(store.address->hosts[0]));
  CHECK_FALSE(store.asks_tls(store.address->hosts[1]));
  CHECK_FALSE(store.asks_tls(store.address->hosts[2]));
  REQUIRE(loaded.named_files.size() == 3);
  CHECK(loaded.named_files[0].use == FileUse::database_roots);
  CHECK(loaded.named_files[1].use == FileUse::database_certificate);
  CHECK(loaded.named_files[2].use == FileUse::database_key);
}

TEST_CASE("TLS to the database is as the operator says, for all hosts") {
  const std::string hosts = "store = \"postgresql://db1,127.0.0.1/queue\"\n";
  Loaded off = loaded_store(hosts + "store_tls = \"off\"\n");
  REQUIRE(off.diagnostics.empty());
  CHECK(tells_store(off.warnings, "cross the network to db1 in clear"));
  CHECK(off.warnings.size() == 1);
  for (const DatabaseHost& host : off.config.queue.store.address->hosts)
    CHECK_FALSE(off.config.queue.store.asks_tls(host));
  Loaded verify = loaded_store(hosts + "store_tls = \"verify\"\n");
  CHECK(verify.warnings.empty());
  for (const DatabaseHost& host : verify.config.queue.store.address->hosts)
    CHECK(verify.config.queue.store.asks_tls(host));
  Loaded near = loaded_store("store = \"postgresql://127.0.0.1/queue\"\nstore_tls = \"off\"\n");
  CHECK(near.warnings.empty());
}

TEST_CASE("what is for the network alone is warned of where there is none") {
  for (const char* key : {"store_tls = \"verify\"\n", "store_ca = \"roots\"\n",
                          "store_certificate = \"chain\"\nstore_key = \"key\"\n"})
    for (const char* where : {"", "store = \"postgresql:///queue?host=/run/postgresql\"\n"}) {
      CAPTURE(key, where);
      Loaded loaded = loaded_store(std::string(where) + key);
      CHECK(loaded.diagnostics.empty());
      CHECK(tells_store(loaded.warnings, "is for a database that is reached over the network"));
    }
}

TEST_CASE("qmgr finds hosts of the network at the sockets of db-link") {
  Loaded loaded = loaded_store("store = \"postgresql://db1,db2:5433/queue\"\n");
  REQUIRE(loaded.diagnostics.empty());
  const DatabaseAddress& address = *loaded.config.queue.store.address;
  DatabaseAddress behind = address.behind_link("/run/postwain");
  CHECK(behind.hosts ==
        std::vector<DatabaseHost>{{"/run/postwain/db/0", 5432}, {"/run/postwain/db/1", 5433}});
  CHECK(behind.database == "queue");
  CHECK(database_socket_name(5433) == ".s.PGSQL.5433");
  // A host that is a folder already is left alone, and counts.
  loaded = loaded_store("store = \"postgresql:host=/run/postgresql,db2 dbname=queue\"\n");
  REQUIRE(loaded.diagnostics.empty());
  CHECK(loaded.config.queue.store.address->behind_link("/r").hosts ==
        std::vector<DatabaseHost>{{"/run/postgresql", 5432}, {"/r/db/1", 5432}});
  CHECK(loaded.config.links_database());
}

TEST_CASE("an address of this machine itself is told from what looks like one") {
  for (const char* name : {"127.0.0.1", "127.1.2.3", "::1"})
    CHECK(DatabaseHost{name}.is_loopback());
  for (const char* name : {"localhost", "127.example.org", "127.0.0.1.example.org", "128.0.0.1",
                           "10.0.0.1", "::2", "/127.0.0.1", "db1"})
    CHECK_FALSE(DatabaseHost{name}.is_loopback());
}

TEST_CASE("runtime_dir has room for the names of the sockets of db-link") {
  auto with_runtime_dir = [](std::size_t size) {
    return parse(
        Bundle{"t.toml",
               {{"t.toml", "hostname = \"mx1.example.org\"\nruntime_dir = \"/" +
                               std::string(size - 1, 'r') +
                               "\"\n[queue]\nstore = \"postgresql://db1:65535/queue\"\n"}}});
  };
  // RUNTIME/db/0/.s.PGSQL.65535
  CHECK(with_runtime_dir(107 - 20).diagnostics.empty());
  CHECK(tells_store(with_runtime_dir(108 - 20).diagnostics, "runtime_dir is too long"));
}
