// The links of the process: what it tells first, what it answers, and what ends a link.
#include <catch2/catch.hpp>

#include <algorithm>

#include "signer/signer_process.h"
#include "tests/unit/signer/signer_rig.h"

using namespace postwain;
using namespace postwain::signer;
using namespace postwain::signer::test;

namespace {

struct ProcessRig {
  ProcessRig() : process(loop, Setup{.name = "signer", .qmgr_socket = {}, .ring = both_keys()}) {}
  std::unique_ptr<PlayedUser> user() {
    auto out = std::make_unique<PlayedUser>(loop);
    process.take_link("smtp-client[0]", std::move(out->signers_end));
    return out;
  }
  bool until(const std::function<bool()>& done) { return test::until(loop, done); }

  net::Loop loop;
  SignerProcess process;
};

}  // namespace

TEST_CASE("a link begins with the keys, and each request gets its reply") {
  ProcessRig rig;
  auto user = rig.user();
  REQUIRE(rig.until([&] { return user->keys.size() == 1; }));
  CHECK(user->keys[0].keys == both_keys().offered.keys);
  user->ask(5, {{0, hash_number(1)}, {1, hash_number(2)}, {0, hash_number(3)}});
  user->ask(4, {{1, hash_number(4)}});
  REQUIRE(rig.until([&] { return user->replies.size() == 2; }));
  auto reply = std::find_if(user->replies.begin(), user->replies.end(),
                            [](const auto& one) { return one.request == 5; });
  REQUIRE(reply != user->replies.end());
  CHECK(reply->trouble.empty());
  REQUIRE(reply->signatures.size() == 3);
  CHECK(verifies(rsa_pem(), hash_number(1), reply->signatures[0]));
  CHECK(verifies(ed25519_pem(), hash_number(2), reply->signatures[1]));
  CHECK(verifies(rsa_pem(), hash_number(3), reply->signatures[2]));
  // A number may come again when it has been answered.
  user->ask(5, {{1, hash_number(4)}});
  REQUIRE(rig.until([&] { return user->replies.size() == 3; }));
}

TEST_CASE("what a user must not say ends its link, and no other") {
  ProcessRig rig;
  auto good = rig.user();
  auto bad = rig.user();
  REQUIRE(rig.until([&] { return bad->keys.size() == 1 && good->keys.size() == 1; }));
  SECTION("a key that there is not") {
    bad->ask(1, {{2, hash_number(1)}});
  }
  SECTION("a key far away") {
    bad->ask(1, {{0, hash_number(1)}, {0xffffffff, hash_number(1)}});
  }
  SECTION("nothing to sign") {
    bad->ask(1, {});
  }
  SECTION("too much to sign") {
    bad->ask(1, std::vector<ipc::SignRequest::Part>(ipc::kSignaturesMax + 1, {0, hash_number(1)}));
  }
  SECTION("no hash") {
    bad->ask(1, {{0, "text"}});
  }
  SECTION("too long a hash") {
    bad->ask(1, {{0, std::string(64, 'x')}});
  }
  SECTION("the same number twice") {
    bad->ask(1, {{0, hash_number(1)}});
    bad->ask(1, {{0, hash_number(2)}});
  }
  SECTION("keys of its own") {
    bad->say(ipc::SignerKeys{});
  }
  SECTION("an answer") {
    bad->say(ipc::SignReply{1, {"x"}, {}});
  }
  SECTION("no frame") {
    bad->say_octets(std::string(100, '\xff'));
  }
  SECTION("a hello") {
    bad->say(ipc::Hello{});
  }
  CHECK(rig.until([&] { return bad->closed; }));
  CHECK(rig.until([&] { return rig.process.links() == 1; }));
  good->ask(1, {{0, hash_number(1)}});
  CHECK(rig.until([&] { return good->replies.size() == 1; }));
  CHECK_FALSE(good->closed);
}

TEST_CASE("a user that goes while its requests are signed harms nobody") {
  ProcessRig rig;
  auto good = rig.user();
  for (int round = 0; round < 20; ++round) {
    auto goes = rig.user();
    for (std::uint64_t i = 1; i <= 50; ++i)
      goes->ask(i, {{0, hash_number(i)}, {1, hash_number(i)}});
    if (round % 2 == 0) (void)rig.until([&] { return !goes->replies.empty(); });
  }
  good->ask(1, {{0, hash_number(9999)}});
  CHECK(rig.until([&] { return good->replies.size() == 1; }));
  CHECK(rig.until([&] { return rig.process.links() == 1; }));
}

TEST_CASE("there are not more links than a system has users of keys") {
  ProcessRig rig;
  std::vector<std::unique_ptr<PlayedUser>> users;
  for (std::size_t i = 0; i < kLinksMax; ++i) users.push_back(rig.user());
  auto late = rig.user();
  CHECK(rig.until([&] { return late->closed; }));
  CHECK(rig.process.links() == kLinksMax);
  users.pop_back();
  REQUIRE(rig.until([&] { return rig.process.links() < kLinksMax; }));
  auto next = rig.user();
  CHECK(rig.until([&] { return next->keys.size() == 1; }));
}

TEST_CASE("it ends when its last link has") {
  ProcessRig rig;
  bool ended = false;
  auto user = rig.user();
  REQUIRE(rig.until([&] { return user->keys.size() == 1; }));
  rig.process.drain([&] { ended = true; });
  user->ask(1, {{0, hash_number(1)}});
  REQUIRE(rig.until([&] { return user->replies.size() == 1; }));
  CHECK_FALSE(ended);
  user.reset();
  CHECK(rig.until([&] { return ended; }));
}

TEST_CASE("a user that asks more than is allowed at a time is not read, and gets all in the end") {
  struct {
    std::size_t requests;
    std::size_t parts;
    std::size_t most;  // that are open at a time
  } rows[] = {
      {3 * ipc::kSignRequestsOpenMax, 1, ipc::kSignRequestsOpenMax},
      {1500, ipc::kSignaturesMax, kPartsOpenMax / ipc::kSignaturesMax},
  };
  for (const auto& row : rows) {
    CAPTURE(row.requests, row.parts);
    net::Loop loop;
    KeyRing ring = both_keys();
    SigningDesk desk(loop, std::move(ring.keys), 2);
    PlayedUser user(loop);
    bool ended = false;
    UserLink link(loop, desk, ring.offered, "smtp-client[0]", std::move(user.signers_end),
                  [&](UserLink&) { ended = true; });
    for (std::uint64_t i = 1; i <= row.requests; ++i)
      user.ask(i, std::vector<ipc::SignRequest::Part>(row.parts, {1, hash_number(i)}));
    std::size_t seen = 0;
    CHECK(until(loop, [&] {
      seen = std::max(seen, link.open_requests());
      return user.replies.size() == row.requests;
    }));
    CHECK(seen <= row.most);
    CHECK(seen > row.most / 2);
    CHECK_FALSE(ended);
  }
}

TEST_CASE("a user that does not read its replies is not read either") {
  net::Loop loop;
  KeyRing ring = both_keys();
  SigningDesk desk(loop, std::move(ring.keys), 2);
  PlayedUser user(loop);
  UserLink link(loop, desk, ring.offered, "smtp-client[0]", std::move(user.signers_end),
                [](UserLink&) {});
  REQUIRE(until(loop, [&] { return user.keys.size() == 1; }));
  user.stop_reading();
  // One RSA signature that is kept, so that replies are cheap and large: 32 MiB of them in all.
  constexpr std::size_t kAsked = 8000;
  for (std::uint64_t i = 1; i <= kAsked; ++i)
    user.ask(i, std::vector<ipc::SignRequest::Part>(ipc::kSignaturesMax, {0, hash_number(1)}));
  (void)until(
      loop, [] { return false; }, 500ms);
  CHECK(user.replies.empty());
  ipc::SignerReport counts = desk.take_counts();
  CHECK(counts.made[0] == 1);
  CHECK(counts.cached < kAsked * ipc::kSignaturesMax / 4);
  user.go_on_reading();
  CHECK(until(loop, [&] { return user.replies.size() == kAsked; }));
  CHECK(link.open_requests() == 0);
}
