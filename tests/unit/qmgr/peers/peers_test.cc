// Who may come to qmgr as what.
#include <catch2/catch.hpp>

#include "qmgr/peers/peer_kinds.h"
#include "qmgr/peers/peer_places.h"

using namespace postwain;
using namespace postwain::qmgr;

TEST_CASE("roles and users") {
  using ipc::Role;
  struct {
    Role role;
    std::uint32_t uid;
    bool may;
  } rows[] = {
      {Role::smtpd, 0, true},
      {Role::smtpd, 100, true},
      {Role::smtpd, 200, true},
      {Role::smtpd, 1000, false},
      {Role::control, 0, true},
      {Role::control, 100, true},
      {Role::control, 200, false},
      {Role::control, 1000, false},
      {Role::sendmail, 1000, true},
      {Role::lmtp_client, 1000, false},
      {Role::supervisor, 1000, false},
      {Role::supervisor, 200, false},
      {Role::supervisor, 0, true},
      {Role::supervisor, 100, true},
      {Role::metrics, 202, true},
      {Role::metrics, 1000, false},
      // Each process has a user of its own, and can be nothing else.
      {Role::metrics, 200, false},
      {Role::smtpd, 201, false},
      {Role::lmtp_client, 201, true},
      {Role::smtp_client, 200, false},
      {Role::smtp_client, 0, true},
      {Role::tokens, 200, false},
      {Role::reporter, 203, true},
      {Role::reporter, 202, false},
      {Role::reporter, 1000, false},
      {Role::pickup, 204, true},
      {Role::pickup, 1000, false},
      {Role::filter, 205, true},
      {Role::filter, 200, false},
      {Role::filter, 1000, false},
      {Role::signer, 206, true},
      {Role::signer, 205, false},
      {Role::signer, 201, false},
      {Role::signer, 1000, false},
      {Role::signer, 0, true},
      {Role::smtp_client, 206, false},
      {Role::control, 206, false},
      {Role::smtpd, 205, false},
      {Role::control, 205, false},
  };
  daemon::PeerUsers users = daemon::decode_peer_users(
      daemon::encode({{Role::smtpd, 200},
                      {Role::lmtp_client, 201},
                      {Role::metrics, 202},
                      {Role::reporter, 203},
                      {Role::pickup, 204},
                      {Role::filter, 205},
                      {Role::signer, 206}}) +
      "control 200\nsupervisor 200\nsmtp-client\nsmtp-client x\ntokens -1\n");
  CHECK(users.size() == 7);
  for (const auto& row : rows) {
    CAPTURE(ipc::name_of(row.role), row.uid);
    REQUIRE(may_have_role(row.role, row.uid, 100, users) == row.may);
  }
  // Everything as one ordinary user: nobody else comes in.
  CHECK(may_have_role(Role::smtpd, 100, 100, {}));
  CHECK_FALSE(may_have_role(Role::smtpd, 200, 100, {}));
}

TEST_CASE("S12: names of local users come from the lines of passwd, and survive the bundle") {
  daemon::LocalUsers users = daemon::local_users(
      "root:x:0:0:root:/root:/bin/sh\n"
      "toor:x:0:0:second name:/root:/bin/sh\n"
      "anna:x:1000:1000:Anna,,,:/home/anna:/bin/sh\n"
      "bad name:x:1001:1:::\n"
      "a(b:x:1002:1:::\n"
      "x\nshort:x:1003\n"
      ":x:1004:1:::\n"
      "minus:x:-1:1:::\n");
  CHECK(users.size() == 2);
  CHECK(users[0] == "root");
  CHECK(users[1000] == "anna");
  CHECK(daemon::decode_local_users(daemon::encode(users)) == users);
  CHECK(daemon::decode_local_users("x\n7\n8 \n9 a b\n10 good\n").size() == 1);
}

TEST_CASE("S3: one user has few places, all ordinary ones leave some for ours") {
  constexpr std::uint32_t kOurs = 61902;
  PeerPlaces places({0, 61901, kOurs});
  auto enter = [&](std::uint32_t uid, std::size_t times) {
    std::size_t entered = 0;
    for (std::size_t i = 0; i < times; ++i) entered += places.enter(uid) ? 1 : 0;
    return entered;
  };
  CHECK(enter(1000, 1000) == kPeersOfAUser);
  CHECK(enter(1001, 1) == 1);
  places.leave(1000);
  CHECK(enter(1000, 10) == 1);
  std::size_t others = kPeersOfAUser + 1;
  for (std::uint32_t uid = 2000; uid < 3000; ++uid) others += enter(uid, 10);
  CHECK(others == kPeersOfOthers);
  CHECK(enter(5000, 1) == 0);
  CHECK(enter(0, 100) == 100);
  CHECK(enter(kOurs, 1000) == kPeersMax - kPeersOfOthers - 100);
  CHECK(places.taken() == kPeersMax);
  places.leave(kOurs);
  CHECK(enter(5000, 1) == 0);  // that place is ours
  CHECK(enter(0, 1) == 1);
}
