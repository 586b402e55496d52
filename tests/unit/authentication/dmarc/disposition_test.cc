// What follows from DMARC: never more than the operator permits and the domain wishes.
#include <catch2/catch.hpp>

#include "common/authentication/dmarc/disposition.h"

using namespace postwain::authentication;

namespace {

DmarcResult failed(DmarcPolicy policy, bool testing = false) {
  DmarcResult result;
  result.verdict = DmarcVerdict::fail;
  result.policy = policy;
  result.published = testing && policy == DmarcPolicy::quarantine ? DmarcPolicy::reject : policy;
  return result;
}

}  // namespace

TEST_CASE("disposition: setting and policy") {
  using A = DmarcAction;
  using O = DmarcOverride;
  struct Row {
    A setting;
    DmarcPolicy policy;
    DmarcDisposition expected;
  };
  const Row rows[] = {
      {A::none, DmarcPolicy::reject, {A::none, O::none}},
      {A::note, DmarcPolicy::none, {A::note, O::none}},
      {A::note, DmarcPolicy::quarantine, {A::note, O::local_policy}},
      {A::note, DmarcPolicy::reject, {A::note, O::local_policy}},
      {A::hold, DmarcPolicy::none, {A::note, O::none}},
      {A::hold, DmarcPolicy::quarantine, {A::hold, O::none}},
      {A::hold, DmarcPolicy::reject, {A::hold, O::local_policy}},
      {A::refuse, DmarcPolicy::none, {A::note, O::none}},
      {A::refuse, DmarcPolicy::quarantine, {A::hold, O::none}},
      {A::refuse, DmarcPolicy::reject, {A::refuse, O::none}},
  };
  for (const Row& row : rows) {
    INFO(name_of(row.setting) << " " << name_of(row.policy));
    CHECK(disposition(failed(row.policy), {row.setting}) == row.expected);
  }
  CHECK(disposition(failed(DmarcPolicy::quarantine, true), {A::refuse}) ==
        DmarcDisposition{A::hold, O::policy_test_mode});
}

TEST_CASE("disposition: nothing follows but from a failure") {
  for (DmarcVerdict verdict :
       {DmarcVerdict::none, DmarcVerdict::pass, DmarcVerdict::temperror, DmarcVerdict::permerror}) {
    DmarcResult result = failed(DmarcPolicy::reject);
    result.verdict = verdict;
    CHECK(disposition(result, {DmarcAction::refuse}) == DmarcDisposition{});
  }
}

TEST_CASE("disposition: lists and forwarders") {
  using A = DmarcAction;
  using O = DmarcOverride;
  DmarcResult reject = failed(DmarcPolicy::reject);
  CHECK(disposition(reject, {A::refuse, true, false}) ==
        DmarcDisposition{A::hold, O::mailing_list});
  CHECK(disposition(reject, {A::refuse, false, true}) ==
        DmarcDisposition{A::note, O::trusted_forwarder});
  CHECK(disposition(reject, {A::hold, true, true}) ==
        DmarcDisposition{A::note, O::trusted_forwarder});
  CHECK(disposition(reject, {A::hold, true, false}) == DmarcDisposition{A::hold, O::local_policy});
  CHECK(disposition(failed(DmarcPolicy::none), {A::refuse, true, true}) ==
        DmarcDisposition{A::note, O::none});
  CHECK(disposition(reject, {A::none, true, true}) == DmarcDisposition{});
}

TEST_CASE("disposition: signs of a list") {
  for (const char* header :
       {"List-Id: <x.example>\r\n", "A: b\r\nLIST-POST : <mailto:x@y.example>\r\n",
        "Precedence: list\r\n", "Precedence:  List \r\nA: b\r\n"})
    CHECK(has_list_signs(header));
  for (const char* header :
       {"", "List-Unsubscribe: <mailto:x@y.example>\r\n", "Precedence: bulk\r\n",
        "X-List-Id: x\r\n", "Subject: List-Id: x\r\n", "A: b\r\n\r\nList-Id: x\r\n",
        "Precedence: lists\r\n", "Precedence:\r\n"})
    CHECK_FALSE(has_list_signs(header));
}
