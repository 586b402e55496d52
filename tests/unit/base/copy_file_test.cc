// Copies of files: the same bytes, never over what is there, and errors that name the file.
#include <cerrno>
#include <cstdlib>

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "common/base/file.h"

using namespace postwain;

TEST_CASE("copy_file copies all bytes into a new private file") {
  char name[] = "/tmp/pw-base-XXXXXX";
  std::string folder = ::mkdtemp(name);
  std::string bytes(700001, 'x');  // more than two blocks
  bytes[300000] = '\0';
  {
    FILE* file = std::fopen((folder + "/from").c_str(), "w");
    REQUIRE(std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size());
    std::fclose(file);
  }
  auto copied = copy_file(folder + "/from", folder + "/to");
  REQUIRE(copied.ok());
  REQUIRE(*copied == bytes.size());
  REQUIRE(*read_small_file(folder + "/to") == bytes);
  struct stat info {};
  REQUIRE(::stat((folder + "/to").c_str(), &info) == 0);
  REQUIRE((info.st_mode & 0777) == 0600);
  REQUIRE(copy_file(folder + "/from", folder + "/to").error().code == EEXIST);
  auto missing = copy_file(folder + "/no", folder + "/other");
  REQUIRE(missing.error().code == ENOENT);
  REQUIRE(missing.error().text.find(folder + "/no") != std::string::npos);
  REQUIRE(::symlink((folder + "/from").c_str(), (folder + "/link").c_str()) == 0);
  REQUIRE(copy_file(folder + "/link", folder + "/other").error().code == ELOOP);
  REQUIRE(sync_folder(folder).ok());
  REQUIRE_FALSE(sync_folder(folder + "/no").ok());
  for (const char* each : {"/from", "/to", "/link"}) ::unlink((folder + each).c_str());
  ::rmdir(folder.c_str());
}
