// Which selector a new key gets, what each key is for, and what a rotation does next.
#include <catch2/catch.hpp>

#include <set>
#include <string>
#include <vector>

#include "postwain/dkim/rotation_plan.h"
#include "postwain/dns_check/key_selector.h"
#include "postwain/dns_check/own_keys.h"

using namespace postwain;
using namespace postwain::tool;
using authentication::dkim::Algorithm;

namespace {

// 2026-11-30T23:59:59Z.
const WallTime kDay = from_unix_ms(1'796'083'199'000);

// "old.toml a! b" …: keys with selectors, '!' behind those that sign; '2' in front: Ed25519.
std::vector<OwnKey> keys_of(const std::vector<std::string>& words, const std::string& file = "t") {
  std::vector<OwnKey> out;
  for (std::string word : words) {
    OwnKey key;
    key.entry.domain = "us.example";
    key.entry.origin = {file, static_cast<int>(out.size()) + 1, 1};
    key.algorithm = Algorithm::rsa_sha256;
    if (word.front() == '2') {
      key.algorithm = Algorithm::ed25519_sha256;
      word.erase(0, 1);
    }
    key.entry.signs = word.back() == '!';
    if (key.entry.signs) word.pop_back();
    key.entry.selector = word;
    out.push_back(key);
  }
  assign_roles(out);
  return out;
}

std::string roles(const std::vector<std::string>& words) {
  std::string out;
  for (const OwnKey& key : keys_of(words))
    out += (out.empty() ? "" : " ") + std::string(name_of(key.role));
  return out;
}

// "begin a b, end c; …" for each write, then what is without a next key.
std::string plan_text(const std::vector<OwnKey>& keys) {
  RotationPlan plan = plan_rotation(keys, "us.example");
  std::string out;
  for (const RotationWrite& write : plan.writes) {
    out += write.file + ":";
    for (std::size_t i : write.begin) out += " +" + keys[i].entry.selector;
    for (std::size_t i : write.end) out += " -" + keys[i].entry.selector;
    out += "; ";
  }
  for (std::size_t i : plan.without_next) out += "?" + keys[i].entry.selector + " ";
  return out;
}

}  // namespace

TEST_CASE("a new selector is the day and the first letter that is free") {
  std::set<std::string> taken;
  auto is_taken = [&](const std::string& selector) { return taken.contains(selector); };
  CHECK(free_selector(kDay, is_taken) == "s20261130a");
  taken = {"s20261130a", "s20261130c"};
  CHECK(free_selector(kDay, is_taken) == "s20261130b");
  for (char letter = 'a'; letter <= 'z'; ++letter) taken.insert(std::string("s20261130") + letter);
  CHECK_FALSE(free_selector(kDay, is_taken));
  CHECK(is_dated_selector("s20261130z"));
  for (const char* other :
       {"s2026113a", "s20261130A", "s202611300", "t20261130a", "s2026-130a", ""})
    CHECK_FALSE(is_dated_selector(other));
}

TEST_CASE("a key that does not sign is the next one, or an old one") {
  CHECK(roles({"a!"}) == "signs");
  CHECK(roles({"a"}) == "next");
  CHECK(roles({"a!", "b"}) == "signs next");
  CHECK(roles({"a", "b!"}) == "old signs");
  // Dates come before places.
  CHECK(roles({"s20261130a", "s20251130a!"}) == "next signs");
  CHECK(roles({"s20261130a!", "s20251130a"}) == "signs old");
  CHECK(roles({"s20261130b", "s20261130a!"}) == "next signs");
  CHECK(roles({"s20261130a", "mail!"}) == "old signs");
  // Each algorithm has keys of its own; one that nobody uses yet is measured by the others.
  CHECK(roles({"a", "2b!", "c!"}) == "old signs signs");
  CHECK(roles({"a!", "2b"}) == "signs next");
  CHECK(roles({"2a", "b!"}) == "old signs");
  CHECK(roles({"a", "2b", "c!", "2d"}) == "old old signs next");
  // A domain is not measured by the keys of another.
  auto keys = keys_of({"a", "b!"});
  keys[1].entry.domain = "other.example";
  assign_roles(keys);
  CHECK(keys[0].role == KeyRole::next);
}

TEST_CASE("a rotation makes what is missing, or changes what is there") {
  CHECK(plan_text({}).empty());
  CHECK(plan_text(keys_of({"a!"})) == "?a ");
  CHECK(plan_text(keys_of({"a!", "2b!"})) == "?a ?b ");
  CHECK(plan_text(keys_of({"a"})) == "t: +a; ");
  CHECK(plan_text(keys_of({"a!", "b"})) == "t: +b -a; ");
  CHECK(plan_text(keys_of({"a", "b!"})) == "?b ");
  CHECK(plan_text(keys_of({"z", "a!", "b", "c"})) == "t: +c -a; ");
  CHECK(plan_text(keys_of({"a!", "2b!", "c", "2d"})) == "t: +c +d -a -b; ");
  // One algorithm has its next key, the other has not.
  CHECK(plan_text(keys_of({"a!", "2b!", "c"})) == "t: +c -a; ?b ");
  // Somebody was ended between two files: the older one is to end.
  CHECK(plan_text(keys_of({"a!", "b!"})) == "t: -a; ");
}

TEST_CASE("what stands in several files changes so that there is always a key that signs") {
  auto keys = keys_of({"a!", "2b!", "c", "2d"}, "main");
  keys[2].entry.origin.file = keys[3].entry.origin.file = "more";
  CHECK(plan_text(keys) == "more: +c +d; main: -a -b; ");
  keys[3].entry.origin.file = "main";
  CHECK(plan_text(keys) == "more: +c; main: +d -b; main: -a; ");
  RotationPlan plan = plan_rotation(keys, "us.example");
  CHECK(plan.staying == std::vector<std::size_t>{2, 3});
  CHECK(plan.without_next.empty());
}

TEST_CASE("a key that is none says why") {
  OwnKey key;
  key.path = "x.pem";
  read_private_key(key, Result<std::string>(Error{"x.pem: Permission denied", 13}));
  CHECK(key.trouble == "the key cannot be read: x.pem: Permission denied");
  CHECK(key.record().empty());
  CHECK(key.zone_line().empty());
  CHECK(key.algorithm_text() == "unknown");
  OwnKey other;
  other.path = "y.pem";
  read_private_key(other, Result<std::string>(std::string("no PEM")));
  CHECK(other.trouble.find("y.pem is no key: ") == 0);
}
