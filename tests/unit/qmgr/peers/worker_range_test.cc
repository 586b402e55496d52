// The worker numbers that peers get for their ids.
#include <catch2/catch.hpp>

#include <set>

#include "tests/unit/qmgr/qmgr_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;
using ipc::Role;

TEST_CASE("R1: workers: a node's peers have its numbers, and none twice at a time") {
  struct Row {
    std::uint8_t node;
    std::uint16_t first;
    std::uint16_t last;
  };
  for (const Row& row : {Row{0, 1, 31}, Row{1, 33, 63}, Row{30, 961, 991}, Row{31, 993, 1022}}) {
    CAPTURE(int{row.node});
    Rig rig;
    rig.peers->set_worker_range(row.node);
    auto resident = rig.peer(Role::smtpd);
    std::uint16_t its = resident->got<ipc::Welcome>().worker;
    std::set<std::uint16_t> seen{its};
    for (int i = 0; i < 80; ++i) {
      auto comes_and_goes = rig.peer(i % 2 == 0 ? Role::smtpd : Role::sendmail);
      std::uint16_t worker = comes_and_goes->got<ipc::Welcome>().worker;
      CHECK(worker != its);
      seen.insert(worker);
    }
    CHECK(*seen.begin() == row.first);
    CHECK(*seen.rbegin() == row.last);
    CHECK(seen.size() == row.last - row.first + 1U);
  }
}

TEST_CASE("R2: workers: more peers than numbers are let in all the same") {
  Rig rig;
  rig.peers->set_worker_range(2);
  std::vector<std::unique_ptr<RawPeer>> all;
  std::set<std::uint16_t> seen;
  for (int i = 0; i < 40; ++i) {
    all.push_back(rig.peer(Role::smtpd));
    seen.insert(all.back()->got<ipc::Welcome>().worker);
    CHECK(seen.size() == std::min<std::size_t>(all.size(), 31));
  }
  CHECK(*seen.begin() == 65);
  CHECK(*seen.rbegin() == 95);
}

TEST_CASE("R3: workers: without a range all numbers are given, in turn") {
  Rig rig;
  std::uint16_t before = rig.peer(Role::smtpd)->got<ipc::Welcome>().worker;
  for (int i = 0; i < 5; ++i) {
    std::uint16_t worker = rig.peer(Role::smtpd)->got<ipc::Welcome>().worker;
    CHECK(worker == before % mail::kLastWorker + 1);
    before = worker;
  }
}
