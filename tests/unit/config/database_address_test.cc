// Addresses of PostgreSQL databases as they are written in the configuration.
#include <catch2/catch.hpp>

#include "common/config/document/database_address.h"

using namespace postwain::config;

TEST_CASE("addresses of databases in both forms") {
  struct {
    const char* text;
    std::vector<DatabaseHost> hosts;
    const char* database;
    const char* user;
  } rows[] = {
      {"postgresql:", {{"/run/postgresql"}}, "postwain", "postwain"},
      {"postgresql://", {{"/run/postgresql"}}, "postwain", "postwain"},
      {"postgresql:///queue", {{"/run/postgresql"}}, "queue", "postwain"},
      {"postgres:///queue?host=/srv/db&port=5433", {{"/srv/db", 5433}}, "queue", "postwain"},
      {"postgresql://mail@/queue?host=/srv/db", {{"/srv/db"}}, "queue", "mail"},
      {"postgresql://%2Frun%2Fpg/queue", {{"/run/pg"}}, "queue", "postwain"},
      {"postgresql://mail@db1:5433,db2,[2001:db8::1]:6000/queue",
       {{"db1", 5433}, {"db2"}, {"2001:db8::1", 6000}},
       "queue",
       "mail"},
      {"postgresql:///?host=/a,/b&port=1,2", {{"/a", 1}, {"/b", 2}}, "postwain", "postwain"},
      {"postgresql:///?host=/a,/b&port=7", {{"/a", 7}, {"/b", 7}}, "postwain", "postwain"},
      {"postgresql:host=/srv/db dbname=queue user=mail port=5433",
       {{"/srv/db", 5433}},
       "queue",
       "mail"},
      {"postgresql: host = '/srv/the db' dbname='it\\'s'", {}, nullptr, nullptr},
      {"postgresql:host='/srv/db'dbname='it\\'s \\\\'", {{"/srv/db"}}, "it's \\", "postwain"},
      {"postgresql://a%20b@/x%25", {{"/run/postgresql"}}, "x%", "a b"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    std::string why;
    auto read = parse_database_address(row.text, why);
    CAPTURE(why);
    if (row.database == nullptr) {
      CHECK_FALSE(read);
      continue;
    }
    REQUIRE(read);
    CHECK(read->hosts == row.hosts);
    CHECK(read->database == row.database);
    CHECK(read->user == row.user);
    CHECK(parse_database_address("postgresql:" + read->conninfo(), why) == read);
  }
}

TEST_CASE("what is no address of a database is told apart") {
  struct {
    std::string text;
    const char* words;
  } rows[] = {
      {"mysql://x", "begins with \"postgresql:\""},
      {"postgresql://mail:hush@/queue", "store_password"},
      {"postgresql:///queue?password=hush", "store_password"},
      {"postgresql:password=hush", "store_password"},
      {"postgresql:///queue?sslmode=off",
       "sslmode is not known here; host, port, dbname and user are, and in its place there is "
       "store_tls"},
      {"postgresql:host=/a passfile=/hush", "in its place there is store_password"},
      {"postgres://db/queue?connect_timeout=hush", "connect_timeout is not known here; host, port"},
      {"postgresql:///queue?hush=off", "a key is not known here; host, port, dbname and user are"},
      {"postgresql://u:hush/hush@h", "1 to 65535"},
      {"postgresql://u:hush?hush@db/queue", "not KEY=VALUE"},
      {"postgresql:///queue?hush", "not KEY=VALUE"},
      {"postgresql:hush", "not KEY=VALUE"},
      {"postgresql:hush=1", "a key is not known"},
      {"postgresql:host='hush", "does not end"},
      {"postgresql:dbname='hush\x01'", "control characters"},
      {"postgresql:///queue?host", "not KEY=VALUE"},
      {"postgresql:host", "not KEY=VALUE"},
      {"postgresql:host='/a", "does not end"},
      {"postgresql:host=/a\\", "does not end"},
      {"postgresql://%2/queue", "hexadecimal"},
      {"postgresql://%zz/queue", "hexadecimal"},
      {"postgresql:///queue?port=0", "1 to 65535"},
      {"postgresql:///queue?port=65536", "1 to 65535"},
      {"postgresql:///queue?port=x", "1 to 65535"},
      {"postgresql:///queue?host=/a,/b&port=1,2,3", "2 hosts and 3 ports"},
      {"postgresql:///queue?host=/a,,/b", "neither a name"},
      {"postgresql:host='/a b'", "neither a name"},
      {"postgresql:///a%00b", "control characters"},
      {"postgresql:///" + std::string(64, 'x'), "1 to 63 octets"},
      {"postgresql://" + std::string(64, 'x') + "@/", "1 to 63 octets"},
      {"postgresql:host=" + std::string(3000, 'x'), "longer than"},
      {"postgresql:host=a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", "more than 16"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    std::string why;
    CHECK_FALSE(parse_database_address(row.text, why));
    CHECK(why.find(row.words) != std::string::npos);
    CHECK(why.find("hush") == std::string::npos);
    CAPTURE(why);
  }
}

TEST_CASE("every cut of an address is read or refused") {
  for (std::string_view whole :
       {"postgresql://mail@db1:5433,[2001:db8::1]:6000/queue?host=%2Fsrv&port=1",
        "postgresql:host='/srv/d\\'b' dbname=queue port=12"})
    for (std::size_t size = 0; size <= whole.size(); ++size) {
      std::string why;
      auto read = parse_database_address(whole.substr(0, size), why);
      CHECK(read.has_value() == why.empty());
      if (read) CHECK_FALSE(read->hosts.empty());
    }
}

TEST_CASE("the password of a file is its first line") {
  CHECK(database_password("hush\n") == "hush");
  CHECK(database_password(" hush hush \r\nnote\n") == " hush hush");
  CHECK(database_password(std::string(1024, 'x')).has_value());
  CHECK_FALSE(database_password(std::string(1025, 'x')));
  for (const char* text : {"", "\n", " \n", "\r\nhush\n"}) CHECK_FALSE(database_password(text));
}

TEST_CASE("an address is shown to people without doubt") {
  std::string why;
  auto read = parse_database_address("postgresql://mail@db1:5433,[2001:db8::1]/queue", why);
  REQUIRE(read);
  CHECK(read->text() == "database queue at db1:5433,[2001:db8::1] as mail");
}
