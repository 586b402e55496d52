#include <catch2/catch.hpp>

#include "common/dns/mx_plan.h"
#include "common/dns/special_address.h"

using namespace postwain;
using namespace postwain::dns;

namespace {

using Names = std::vector<std::string>;

// No shuffling: element i stays where it is.
std::uint32_t last(std::uint32_t bound) {
  return bound - 1;
}

std::string refusal_of(const std::optional<mail::Outcome>& outcome) {
  if (!outcome) return "";
  return std::string(name_of(outcome->disposition)) + " " + outcome->reply.enhanced.text();
}

AddressAnswer addresses(Names list) {
  return {AnswerStatus::ok, std::move(list)};
}

}  // namespace

TEST_CASE("order of MX hosts") {
  struct Row {
    std::string name;
    MxAnswer answer;
    Names want;
    std::string refusal;
  };
  const std::vector<Row> rows = {
      {"by preference", {AnswerStatus::ok, {{20, "b"}, {10, "a"}, {30, "c"}}}, {"a", "b", "c"}, ""},
      {"no MX: the domain itself", {AnswerStatus::no_data, {}}, {"example.org"}, ""},
      {"no such domain", {AnswerStatus::no_such_name, {}}, {}, "failed 5.1.2"},
      {"no answer", {AnswerStatus::temporary, {}}, {}, "deferred 4.4.3"},
      {"null MX", {AnswerStatus::ok, {{0, ""}}}, {}, "failed 5.1.10"},
      {"null MX among real ones means nothing", {AnswerStatus::ok, {{0, ""}, {5, "a"}}}, {"a"}, ""},
      {"we are the second: it and what follows is cut",
       {AnswerStatus::ok, {{10, "a"}, {20, "US.example"}, {20, "b"}, {30, "c"}}},
       {"a"},
       ""},
      {"we are the best", {AnswerStatus::ok, {{10, "us.example"}, {20, "b"}}}, {}, "failed 5.4.6"},
      {"we are among the best",
       {AnswerStatus::ok, {{10, "a"}, {10, "us.example"}}},
       {},
       "failed 5.4.6"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    MxHosts hosts = order_mx("Example.org", row.answer, "us.example", last);
    CHECK(hosts.names == row.want);
    CHECK(refusal_of(hosts.refusal) == row.refusal);
  }
}

TEST_CASE("equal preference is shuffled, other preferences stay apart") {
  MxAnswer answer{AnswerStatus::ok, {{10, "a"}, {10, "b"}, {10, "c"}, {20, "d"}}};
  auto first = [](std::uint32_t) { return 0U; };
  CHECK(order_mx("x", answer, "us", first).names == Names{"b", "c", "a", "d"});
  CHECK(order_mx("x", answer, "us", last).names == Names{"a", "b", "c", "d"});
}

TEST_CASE("only so many hosts are looked up") {
  MxAnswer answer{AnswerStatus::ok, {}};
  for (std::uint16_t i = 0; i < 40; ++i) answer.records.push_back({i, "h" + std::to_string(i)});
  CHECK(order_mx("x", answer, "us", last).names.size() == kMxHostsLooked);
}

TEST_CASE("plan") {
  struct Row {
    std::string name;
    MxHosts hosts;
    std::vector<AddressAnswer> answers;
    bool allow_private;
    std::vector<Names> want;
    std::string refusal;
  };
  const MxHosts one{{"a"}, false, {}};
  const MxHosts two{{"a", "b"}, false, {}};
  const MxHosts self{{"example.org"}, true, {}};
  const std::vector<Row> rows = {
      {"every address",
       one,
       {addresses({"2001:db8::1", "192.0.2.1"})},
       false,
       {{"2001:db8::1", "192.0.2.1"}},
       ""},
      {"a host without address is passed over",
       two,
       {{AnswerStatus::no_data, {}}, addresses({"192.0.2.1"})},
       false,
       {{"192.0.2.1"}},
       ""},
      {"a host that cannot be looked up is passed over",
       two,
       {{AnswerStatus::temporary, {}}, addresses({"192.0.2.1"})},
       false,
       {{"192.0.2.1"}},
       ""},
      {"undecided",
       two,
       {{AnswerStatus::temporary, {}}, {AnswerStatus::no_such_name, {}}},
       false,
       {},
       "deferred 4.4.3"},
      {"no MX host has an address",
       one,
       {{AnswerStatus::no_such_name, {}}},
       false,
       {},
       "failed 5.4.4"},
      {"no MX and no address", self, {{AnswerStatus::no_data, {}}}, false, {}, "failed 5.1.2"},
      {"private is refused",
       one,
       {addresses({"127.0.0.1", "10.0.0.1", "::1"})},
       false,
       {},
       "failed 5.4.6"},
      {"private is allowed", one, {addresses({"127.0.0.1"})}, true, {{"127.0.0.1"}}, ""},
      {"only every one being private refuses",
       two,
       {addresses({"127.0.0.1"}), addresses({"192.0.2.1"})},
       false,
       {{"192.0.2.1"}},
       ""},
      {"private and undecided: not yet",
       two,
       {addresses({"127.0.0.1"}), {AnswerStatus::temporary, {}}},
       false,
       {},
       "deferred 4.4.3"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    MxPlan plan = plan_mx("example.org", row.hosts, row.answers, row.allow_private);
    std::vector<Names> got;
    for (const MxHost& host : plan.hosts) got.push_back(host.addresses);
    CHECK(got == row.want);
    CHECK(refusal_of(plan.refusal) == row.refusal);
  }
}

TEST_CASE("a host at our own address is cut off with all that is not better") {
  auto own = [](const std::string& address) { return address == "192.0.2.9"; };
  MxAnswer answer{AnswerStatus::ok, {{10, "a"}, {20, "b"}, {20, "c"}, {30, "d"}}};
  MxHosts hosts = order_mx("x", answer, "us", last);
  auto planned = [&](std::size_t ours) {
    std::vector<AddressAnswer> answers(4, addresses({"192.0.2.1"}));
    if (ours < 4) answers[ours] = addresses({"192.0.2.7", "192.0.2.9"});
    MxPlan plan = plan_mx("x", hosts, answers, false, own);
    std::string names;
    for (const MxHost& host : plan.hosts) names += host.name;
    return plan.refusal ? refusal_of(plan.refusal) : names;
  };
  CHECK(planned(4) == "abcd");
  CHECK(planned(3) == "abc");
  CHECK(planned(2) == "a");  // b has the same preference
  CHECK(planned(1) == "a");
  CHECK(planned(0) == "failed 5.4.6");
  MxHosts self{{"example.org"}, true, {}};
  CHECK(refusal_of(plan_mx("x", self, {addresses({"192.0.2.9"})}, false, own).refusal) ==
        "failed 5.4.6");
}

TEST_CASE("only what is proven altogether is secure") {
  AddressAnswer proven = addresses({"192.0.2.1"});
  proven.authentic = true;
  MxAnswer answer{AnswerStatus::ok, {{10, "a"}}, true};
  CHECK(plan_mx("x", order_mx("x", answer, "us", last), {proven}, false).hosts[0].secure);
  CHECK_FALSE(plan_mx("x", order_mx("x", answer, "us", last), {addresses({"192.0.2.1"})}, false)
                  .hosts[0]
                  .secure);
  answer.authentic = false;
  CHECK_FALSE(plan_mx("x", order_mx("x", answer, "us", last), {proven}, false).hosts[0].secure);
}

TEST_CASE("a refusal of the first step passes through the second") {
  MxHosts hosts = order_mx("x", {AnswerStatus::temporary, {}}, "us", last);
  CHECK(refusal_of(plan_mx("x", hosts, {}, false).refusal) == "deferred 4.4.3");
}

TEST_CASE("address literals") {
  CHECK(literal_address("[192.0.2.1]") == "192.0.2.1");
  CHECK(literal_address("[IPv6:2001:db8::1]") == "2001:db8::1");
  for (std::string_view bad : {"192.0.2.1", "[]", "[x]", "[192.0.2]", "[IPv6:192.0.2.1]",
                               "[2001:db8::1]", "example.org", "["})
    CHECK_FALSE(literal_address(bad));
}

TEST_CASE("addresses no MX may point to") {
  for (const char* special : {"127.0.0.1",
                              "127.255.255.255",
                              "0.0.0.0",
                              "10.1.2.3",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.168.1.1",
                              "169.254.169.254",
                              "100.64.0.1",
                              "224.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "fe80::1",
                              "fec0::1",
                              "fc00::1",
                              "fdff::1",
                              "ff02::1",
                              "::ffff:127.0.0.1",
                              "::ffff:10.0.0.1",
                              "64:ff9b::7f00:1",
                              "2002:7f00:1::",
                              "192.88.99.1",
                              "64:ff9b:1::a00:1",
                              "64:ff9b:1:ffff::1",
                              "2001::1",
                              "2001:0:4136:e378:8000:63bf:3fff:fdd2",
                              "2001:2::1",
                              "2001:10::1",
                              "2001:1ff:ffff::1",
                              "100::1",
                              "5f00::1",
                              "4000::1",
                              "::a00:1",
                              "0:0:0:0:0:ffff:a00:1",
                              "nonsense",
                              ""}) {
    CAPTURE(special);
    CHECK(is_special_address(special));
  }
  for (const char* plain :
       {"192.0.2.1", "172.15.0.1", "172.32.0.1", "11.0.0.1", "8.8.8.8", "100.63.0.1", "2001:db8::1",
        "2a00::1", "::ffff:8.8.8.8", "2001:200::1", "2620:fe::fe", "64:ff9b::808:808"}) {
    CAPTURE(plain);
    CHECK_FALSE(is_special_address(plain));
  }
}

TEST_CASE("families in turn, one first, or one alone") {
  const std::vector<std::string> both = {"2001:db8::1", "2001:db8::2", "192.0.2.1"};
  using mail::Family;
  using List = std::vector<std::string>;
  CHECK(arrange_families(both, Family::any) == List{"2001:db8::1", "192.0.2.1", "2001:db8::2"});
  CHECK(arrange_families(both, Family::ipv6_first) == arrange_families(both, Family::any));
  CHECK(arrange_families(both, Family::ipv4_first) ==
        List{"192.0.2.1", "2001:db8::1", "2001:db8::2"});
  CHECK(arrange_families(both, Family::ipv4) == List{"192.0.2.1"});
  CHECK(arrange_families(both, Family::ipv6) == List{"2001:db8::1", "2001:db8::2"});
}
