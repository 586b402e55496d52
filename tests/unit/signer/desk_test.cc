// What the desk signs, what it signs only once, and in which order.
#include <catch2/catch.hpp>

#include <algorithm>
#include <deque>

#include "signer/signing_desk.h"
#include "tests/unit/signer/signer_rig.h"

using namespace postwain;
using namespace postwain::signer;
using namespace postwain::signer::test;

namespace {

constexpr std::uint32_t kRsa = 0;
constexpr std::uint32_t kEd25519 = 1;

struct Source : TaskSource {
  Source(std::string its_name, std::vector<std::string>& all)
      : name(std::move(its_name)), log(all) {}
  std::optional<Task> next_task() override {
    if (waiting.empty()) return std::nullopt;
    HashOfKey what = waiting.front();
    waiting.pop_front();
    log.push_back(name);
    return Task{what, [this](const Result<std::string>& signature) {
                  REQUIRE(signature.ok());
                  signatures.push_back(*signature);
                }};
  }
  void ask(std::uint32_t key, std::size_t hash) { waiting.emplace_back(key, hash_number(hash)); }

  std::string name;
  std::vector<std::string>& log;
  std::deque<HashOfKey> waiting;
  std::vector<std::string> signatures;
};

struct DeskRig {
  explicit DeskRig(std::size_t threads = 2) : desk(loop, both_keys().keys, threads) {}
  bool all(Source& source, std::size_t number) {
    desk.look();
    return until(loop, [&] { return source.signatures.size() == number; });
  }
  net::Loop loop;
  SigningDesk desk;
  std::vector<std::string> log;
};

}  // namespace

TEST_CASE("what the desk signs verifies, by either key") {
  DeskRig rig;
  Source source("a", rig.log);
  rig.desk.add(source);
  source.ask(kRsa, 1);
  REQUIRE(rig.all(source, 1));
  CHECK(verifies(rsa_pem(), hash_number(1), source.signatures[0]));
  CHECK_FALSE(verifies(rsa_pem(), hash_number(2), source.signatures[0]));
  source.ask(kEd25519, 1);
  REQUIRE(rig.all(source, 2));
  CHECK(verifies(ed25519_pem(), hash_number(1), source.signatures[1]));
  ipc::SignerReport counts = rig.desk.take_counts();
  CHECK(counts.made == decltype(counts.made){1, 1});
  CHECK(counts.cached + counts.failed == 0);
  CHECK(counts.microseconds > 0);
  CHECK(rig.desk.take_counts().made == decltype(counts.made){0, 0});
  rig.desk.remove(source);
}

TEST_CASE("the same hash is signed once while it is under way, and kept where it was RSA") {
  DeskRig rig;
  Source source("a", rig.log), other("b", rig.log);
  rig.desk.add(source);
  rig.desk.add(other);
  for (int i = 0; i < 5; ++i)
    for (Source* one : {&source, &other}) {
      one->ask(kRsa, 7);
      one->ask(kEd25519, 7);
    }
  REQUIRE(rig.all(source, 10));
  REQUIRE(rig.all(other, 10));
  ipc::SignerReport counts = rig.desk.take_counts();
  CHECK(counts.made[0] == 1);
  CHECK(counts.made[1] >= 1);
  CHECK(counts.made[0] + counts.made[1] + counts.cached == 20);
  for (const std::string& signature : source.signatures)
    CHECK((verifies(rsa_pem(), hash_number(7), signature) ||
           verifies(ed25519_pem(), hash_number(7), signature)));
  source.ask(kRsa, 7);
  source.ask(kEd25519, 7);
  REQUIRE(rig.all(source, 12));
  counts = rig.desk.take_counts();
  CHECK(counts.cached == 1);
  CHECK(counts.made == decltype(counts.made){0, 1});
  // The same hash by another key is another signature.
  source.ask(kRsa, 8);
  REQUIRE(rig.all(source, 13));
  CHECK(rig.desk.take_counts().made[0] == 1);
  rig.desk.remove(source);
  rig.desk.remove(other);
}

TEST_CASE("sources take turns, and one that goes takes along what was not begun") {
  DeskRig rig(1);
  Source greedy("greedy", rig.log), modest("modest", rig.log), gone("gone", rig.log);
  rig.desk.add(greedy);
  rig.desk.add(modest);
  rig.desk.add(gone);
  for (std::size_t i = 0; i < 100; ++i) greedy.ask(kRsa, 1000 + i);
  for (std::size_t i = 0; i < 3; ++i) modest.ask(kRsa, 2000 + i);
  gone.ask(kRsa, 3000);
  rig.desk.remove(gone);
  REQUIRE(rig.all(modest, 3));
  CHECK(std::count(rig.log.begin(), rig.log.end(), "gone") == 0);
  // Nobody of two waits for more than a few of the other's.
  CHECK(std::count(rig.log.begin(), rig.log.end(), "greedy") < 20);
  REQUIRE(rig.all(greedy, 100));
  CHECK(rig.desk.take_counts().made[0] == 103);
  rig.desk.remove(greedy);
  rig.desk.remove(modest);
}

TEST_CASE("a desk that goes while threads sign tells nobody any more") {
  auto rig = std::make_unique<DeskRig>(4);
  Source source("a", rig->log);
  rig->desk.add(source);
  for (std::size_t i = 0; i < 50; ++i) source.ask(kRsa, i);
  rig->desk.look();
  (void)until(rig->loop, [&] { return source.waiting.size() < 45; });
  std::size_t had = source.signatures.size();
  rig.reset();
  CHECK(source.signatures.size() == had);
}

TEST_CASE("kept signatures: the one that was used longest ago goes") {
  SignatureCache cache(3);
  HashOfKey what[] = {{0, "a"}, {0, "b"}, {1, "a"}, {0, "c"}};
  for (int i = 0; i < 3; ++i) cache.put(what[i], std::to_string(i));
  REQUIRE(cache.find(what[0]) != nullptr);
  CHECK(*cache.find(what[0]) == "0");
  CHECK(cache.find(what[3]) == nullptr);
  cache.put(what[3], "3");
  CHECK(cache.size() == 3);
  CHECK(cache.find(what[1]) == nullptr);
  CHECK(*cache.find(what[2]) == "2");
  CHECK(*cache.find(what[0]) == "0");
  cache.put(what[0], "other");  // it is there
  CHECK(*cache.find(what[0]) == "0");
  SignatureCache none(0);
  none.put(what[0], "0");
  CHECK(none.size() == 0);
}
