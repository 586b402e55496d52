#include <fstream>

#include <stdlib.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "postwain/supervisor/name_server_watch.h"

using namespace postwain::tool;

TEST_CASE("F13, operate 13: other name servers are noticed, another comment is not") {
  char folder[] = "/tmp/pw-resolv-XXXXXX";
  REQUIRE(::mkdtemp(folder) != nullptr);
  std::string path = std::string(folder) + "/resolv.conf";
  auto write = [&](const char* text) { std::ofstream(path) << text; };
  NameServerWatch watch(path);  // the machine boots before its network
  CHECK(watch.servers().empty());
  CHECK_FALSE(watch.changed());
  write("nameserver 192.0.2.1\n");
  CHECK(watch.changed());
  CHECK(watch.servers() == std::vector<std::string>{"192.0.2.1"});
  write("# by a program\nnameserver 192.0.2.1\n");
  CHECK_FALSE(watch.changed());
  ::unlink(path.c_str());  // replaced
  write("nameserver 192.0.2.2\n");
  CHECK(watch.changed());
  write("");
  CHECK(watch.changed());
  CHECK(watch.servers().empty());
  ::unlink(path.c_str());
  ::rmdir(folder);
  CHECK_FALSE(watch.changed());
}
