#include <catch2/catch.hpp>

#include <cstdlib>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "postwain/process/child_environment.h"
#include "postwain/process/take_over.h"

using namespace postwain;
using namespace postwain::tool;

namespace {

std::vector<std::string> passed_on(Kind kind, std::vector<std::string> given) {
  std::vector<char*> pointers;
  for (std::string& one : given) pointers.push_back(one.data());
  pointers.push_back(nullptr);
  return environment_for(kind, pointers.data());
}

}  // namespace

TEST_CASE("low: processes get no variable they have no use for") {
  std::vector<std::string> given = {"DB_PASSWORD=secret",
                                    "PATH=/bin",
                                    "HOME=/root",
                                    "NOTIFY_SOCKET=/run/n",
                                    "LISTEN_FDS=1",
                                    "TZ=UTC",
                                    "LC_ALL=C",
                                    "LD_PRELOAD=/x.so",
                                    "LD_LIBRARY_PATH=/x",
                                    "AWS_TOKEN=x",
                                    "SSL_CERT_FILE=/ca",
                                    "SSL_CERT_FILES=no",
                                    "LCX=no",
                                    "no equals sign",
                                    "TZX=no",
                                    "JOURNAL_STREAM=1:2"};
  using Kept = std::vector<std::string>;
  CHECK(passed_on(Kind::qmgr, given) == Kept{"TZ=UTC", "LC_ALL=C"});
  CHECK(passed_on(Kind::metrics, given) == Kept{"TZ=UTC", "LC_ALL=C"});
  CHECK(passed_on(Kind::pickup, given) == Kept{"TZ=UTC", "LC_ALL=C"});
  CHECK(passed_on(Kind::filter, given) == Kept{"TZ=UTC", "LC_ALL=C"});
  for (Kind kind :
       {Kind::smtpd, Kind::smtp_client, Kind::lmtp_client, Kind::reporter, Kind::db_link})
    CHECK(passed_on(kind, given) == Kept{"TZ=UTC", "LC_ALL=C", "SSL_CERT_FILE=/ca"});
  CHECK(passed_on(Kind::tokens, given) ==
        Kept{"PATH=/bin", "TZ=UTC", "LC_ALL=C", "SSL_CERT_FILE=/ca"});
}

TEST_CASE("low: the numbers for users without a name are in nobody's range") {
  for (uid_t id = kFallbackId; id < kFallbackId + kKinds; ++id) {
    CHECK(is_stand_in(id));
    CHECK(id > 60705);  // systemd: users of people, homed, containers
    CHECK(id < 61184);  // systemd: DynamicUser=
  }
  CHECK(is_stand_in(kFormerFallbackId + kKinds - 1));
  for (uid_t id : {uid_t{0}, uid_t{1000}, kFallbackId - 1, kFormerFallbackId - 1})
    CHECK_FALSE(is_stand_in(id));
}

TEST_CASE("low: a spool of the former numbers is given to the new owner, and nothing else") {
  if (::geteuid() != 0) {
    WARN("only root gives files away");
    return;
  }
  char name[] = "/tmp/postwain-take-over-XXXXXX";
  REQUIRE(mkdtemp(name) != nullptr);
  std::string spool = name;
  auto make = [&](const std::string& file, uid_t owner) {
    UniqueFd fd(::open((spool + "/" + file).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    REQUIRE(fd);
    REQUIRE(::fchown(fd.get(), owner, owner) == 0);
  };
  auto owner_of = [&](const std::string& file) {
    struct stat info {};
    REQUIRE(::lstat((spool + "/" + file).c_str(), &info) == 0);
    return info.st_uid;
  };
  REQUIRE(::mkdir((spool + "/content").c_str(), 0700) == 0);
  REQUIRE(::mkdir((spool + "/content/a1").c_str(), 0700) == 0);
  REQUIRE(::mkdir((spool + "/elsewhere").c_str(), 0700) == 0);
  make("queue.db", kFormerFallbackId);
  make("content/a1/x", kFormerFallbackId);
  make("of-another", 1234);
  make("elsewhere/file", kFormerFallbackId);
  REQUIRE(::symlink("../elsewhere", (spool + "/content/link").c_str()) == 0);
  REQUIRE(::chown((spool + "/content").c_str(), kFormerFallbackId, kFormerFallbackId) == 0);
  const Identity owner{kFallbackId, kFallbackId, false};

  // Of somebody who is none of ours: nothing below it is looked at.
  REQUIRE(::chown(name, 1234, 1234) == 0);
  CHECK(take_over(spool, owner).ok());
  CHECK(owner_of("queue.db") == kFormerFallbackId);

  REQUIRE(::chown(name, kFormerFallbackId, kFormerFallbackId) == 0);
  CHECK(take_over(spool + "/content", owner).ok());
  CHECK(owner_of("content/a1/x") == kFallbackId);
  CHECK(owner_of("elsewhere/file") == kFormerFallbackId);  // a link is not followed
  CHECK(take_over(spool, owner).ok());
  CHECK(owner_of("queue.db") == kFallbackId);
  CHECK(owner_of("content") == kFallbackId);
  CHECK(owner_of("of-another") == 1234);
  CHECK(take_over(spool + "/missing", owner).ok());
  CHECK(std::system(("rm -rf " + spool).c_str()) == 0);
}
