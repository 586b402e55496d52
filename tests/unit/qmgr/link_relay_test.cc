// How smtpd and the filter process, smtp-client and the signer come together: real connections to
// qmgr, and what each is given.
#include <catch2/catch.hpp>

#include <cerrno>

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/qmgr/qmgr_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;
using ipc::FrameType;
using ipc::Role;

namespace {

std::size_t links(const RawPeer& peer) {
  return peer.count(FrameType::peer_link);
}

bool linked(Rig& rig, const RawPeer& peer, std::size_t times) {
  return rig.until([&] { return links(peer) == times; });
}

// The n-th link of that peer, which is one with that other process.
UniqueFd link_of(RawPeer& peer, const std::string& with, std::size_t n = 0) {
  auto link = peer.got<ipc::PeerLink>(n);
  CHECK(link.peer == with);
  return peer.take(link.file);
}

// Whether they are the two ends of one link, and nobody reads between them.
bool talk(const UniqueFd& one, const UniqueFd& other) {
  char heard[16] = {};
  auto says = [&](const UniqueFd& from, const UniqueFd& to, std::string_view word) {
    return ::send(from.get(), word.data(), word.size(), MSG_NOSIGNAL) ==
               static_cast<ssize_t>(word.size()) &&
           ::recv(to.get(), heard, sizeof heard, MSG_DONTWAIT) ==
               static_cast<ssize_t>(word.size()) &&
           std::string_view(heard, word.size()) == word;
  };
  return one && other && says(one, other, "mail") && says(other, one, "accept");
}

bool at_its_end(const UniqueFd& link) {
  char byte;
  return ::recv(link.get(), &byte, 1, MSG_DONTWAIT) == 0;
}

}  // namespace

TEST_CASE("an smtpd and the filter process are linked, whichever comes first") {
  Rig rig;
  bool filter_first = GENERATE(true, false);
  CAPTURE(filter_first);
  std::unique_ptr<RawPeer> filter, smtpd;
  if (filter_first) filter = rig.peer(Role::filter, "filter");
  smtpd = rig.peer(Role::smtpd, "smtpd[0]");
  if (!filter_first) filter = rig.peer(Role::filter, "filter");
  REQUIRE(linked(rig, *smtpd, 1));
  REQUIRE(linked(rig, *filter, 1));
  UniqueFd of_smtpd = link_of(*smtpd, "filter");
  UniqueFd of_filter = link_of(*filter, "smtpd[0]");
  CHECK(talk(of_smtpd, of_filter));
  // qmgr has kept neither end: the one hears of the other's.
  of_filter.reset();
  CHECK(at_its_end(of_smtpd));
}

TEST_CASE("each smtpd has a link of its own") {
  Rig rig;
  auto filter = rig.peer(Role::filter, "filter");
  auto first = rig.peer(Role::smtpd, "smtpd[0]");
  auto second = rig.peer(Role::smtpd, "smtpd[1]");
  auto agent = rig.peer(Role::smtp_client);
  auto reporter = rig.peer(Role::reporter);
  REQUIRE(linked(rig, *first, 1));
  REQUIRE(linked(rig, *second, 1));
  REQUIRE(linked(rig, *filter, 2));
  UniqueFd to_first = link_of(*filter, "smtpd[0]", 0);
  UniqueFd to_second = link_of(*filter, "smtpd[1]", 1);
  UniqueFd of_first = link_of(*first, "filter");
  UniqueFd of_second = link_of(*second, "filter");
  CHECK(talk(to_first, of_first));
  CHECK(talk(to_second, of_second));
  // Nobody else gets one.
  CHECK(links(*agent) + links(*reporter) == 0);
}

TEST_CASE("whoever connects anew gets a new link, and the others keep theirs") {
  Rig rig;
  auto filter = rig.peer(Role::filter, "filter");
  auto first = rig.peer(Role::smtpd, "smtpd[0]");
  auto second = rig.peer(Role::smtpd, "smtpd[1]");
  REQUIRE(linked(rig, *filter, 2));
  second.reset();
  second = rig.peer(Role::smtpd, "smtpd[1]");
  REQUIRE(linked(rig, *second, 1));
  REQUIRE(linked(rig, *filter, 3));
  CHECK(talk(link_of(*second, "filter"), link_of(*filter, "smtpd[1]", 2)));
  CHECK(links(*first) == 1);

  filter.reset();
  auto again = rig.peer(Role::filter, "filter");
  REQUIRE(linked(rig, *again, 2));
  REQUIRE(linked(rig, *first, 2));
  REQUIRE(linked(rig, *second, 2));
  CHECK(talk(link_of(*first, "filter", 1), link_of(*again, "smtpd[0]", 0)));
  CHECK(talk(link_of(*second, "filter", 1), link_of(*again, "smtpd[1]", 1)));
}

TEST_CASE("of two filter processes the newer is linked, and the older again when that one ends") {
  Rig rig;
  auto smtpd = rig.peer(Role::smtpd, "smtpd[0]");
  auto older = rig.peer(Role::filter, "older");
  auto newer = rig.peer(Role::filter, "newer");
  REQUIRE(linked(rig, *smtpd, 2));
  CHECK(talk(link_of(*smtpd, "newer", 1), link_of(*newer, "smtpd[0]")));
  auto late = rig.peer(Role::smtpd, "smtpd[1]");
  REQUIRE(linked(rig, *late, 1));
  CHECK(late->got<ipc::PeerLink>().peer == "newer");
  CHECK(links(*older) == 1);
  // A reload the other way round: the older ends, and nothing changes.
  SECTION("the newer ends") {
    newer.reset();
    REQUIRE(linked(rig, *smtpd, 3));
    CHECK(talk(link_of(*smtpd, "older", 2), link_of(*older, "smtpd[0]", 1)));
  }
  SECTION("the older ends") {
    older.reset();
    auto witness = rig.peer(Role::smtpd, "smtpd[2]");
    REQUIRE(linked(rig, *witness, 1));
    CHECK(links(*smtpd) == 2);
  }
}

TEST_CASE(
    "a filter process that sends anything to qmgr has to go, and an smtpd that sends a link") {
  Rig rig;
  auto filter = rig.peer(Role::filter, "filter");
  auto smtpd = rig.peer(Role::smtpd, "smtpd[0]");
  REQUIRE(linked(rig, *smtpd, 1));
  filter->send(ipc::Submit{});
  CHECK(rig.until([&] { return filter->closed(); }));
  smtpd->send(ipc::PeerLink{"smtpd[0]", Role::smtpd, {}});
  CHECK(rig.until([&] { return smtpd->closed(); }));
}

TEST_CASE("the signer is linked with who delivers by SMTP, and with nobody else") {
  Rig rig;
  auto signer = rig.peer(Role::signer, "signer");
  auto filter = rig.peer(Role::filter, "filter");
  auto client = rig.peer(Role::smtp_client, "smtp-client[0]");
  auto lmtp = rig.peer(Role::lmtp_client, "lmtp-client[0]");
  auto smtpd = rig.peer(Role::smtpd, "smtpd[0]");
  auto reporter = rig.peer(Role::reporter);
  REQUIRE(linked(rig, *client, 1));
  REQUIRE(linked(rig, *signer, 1));
  REQUIRE(linked(rig, *smtpd, 1));
  REQUIRE(linked(rig, *filter, 1));
  CHECK(client->got<ipc::PeerLink>().role == Role::signer);
  CHECK(signer->got<ipc::PeerLink>().role == Role::smtp_client);
  CHECK(smtpd->got<ipc::PeerLink>().role == Role::filter);
  CHECK(filter->got<ipc::PeerLink>().role == Role::smtpd);
  CHECK(talk(link_of(*client, "signer"), link_of(*signer, "smtp-client[0]")));
  CHECK(talk(link_of(*smtpd, "filter"), link_of(*filter, "smtpd[0]")));
  CHECK(links(*lmtp) + links(*reporter) == 0);
}

TEST_CASE("a process is taken for what it is, whatever it calls itself") {
  Rig rig;
  auto filter = rig.peer(Role::filter, "signer");
  auto smtpd = rig.peer(Role::smtpd, "signer");
  auto client = rig.peer(Role::smtp_client, "signer");
  REQUIRE(linked(rig, *smtpd, 1));
  CHECK(smtpd->got<ipc::PeerLink>().role == Role::filter);
  CHECK(links(*client) == 0);
}

TEST_CASE("a new signer beside the old one is linked with all, and the old one keeps its links") {
  Rig rig;
  auto client = rig.peer(Role::smtp_client, "smtp-client[0]");
  auto older = rig.peer(Role::signer, "signer");
  REQUIRE(linked(rig, *client, 1));
  UniqueFd of_older = link_of(*older, "smtp-client[0]");
  UniqueFd first = link_of(*client, "signer");
  auto newer = rig.peer(Role::signer, "signer");
  REQUIRE(linked(rig, *client, 2));
  CHECK(talk(link_of(*client, "signer", 1), link_of(*newer, "smtp-client[0]")));
  older.reset();
  CHECK(talk(first, of_older));
}

TEST_CASE("what the signer counts is added up, and what else it sends ends its connection") {
  Rig rig;
  auto older = rig.peer(Role::signer, "signer");
  auto newer = rig.peer(Role::signer, "signer");
  CHECK(rig.signer_board.is_connected());
  older->send(ipc::SignerReport{{1, 2}, 3, 4, 5});
  newer->send(ipc::SignerReport{{10, 20}, 30, 40, 50});
  newer->send(ipc::SignerReport{{0, 0xffffffff}, 0, 0, 0});
  REQUIRE(
      rig.until([&] { return rig.signer_board.sums().made[1] == 22 + std::uint64_t{0xffffffff}; }));
  CHECK(rig.signer_board.sums().made[0] == 11);
  CHECK(rig.signer_board.sums().cached == 33);
  CHECK(rig.signer_board.sums().failed == 44);
  CHECK(rig.signer_board.sums().microseconds == 55);
  newer->send(ipc::SignerKeys{});
  CHECK(rig.until([&] { return newer->closed(); }));
  older->send(ipc::Submit{});
  CHECK(rig.until([&] { return older->closed(); }));
  CHECK(rig.until([&] { return !rig.signer_board.is_connected(); }));
  auto client = rig.peer(Role::smtp_client);
  client->send(ipc::SignerReport{});
  CHECK(rig.until([&] { return client->closed(); }));
}

TEST_CASE("what a peer calls itself is passed on within bounds") {
  Rig rig;
  auto filter = rig.peer(Role::filter, "filter");
  auto smtpd = rig.peer(Role::smtpd, std::string(1'000'000, 'x'));
  REQUIRE(linked(rig, *filter, 1));
  CHECK(filter->got<ipc::PeerLink>().peer == std::string(kLinkNameMax, 'x'));
}

TEST_CASE("a link that cannot be made for want of descriptors is made later") {
  Rig rig;
  auto filter = rig.peer(Role::filter, "filter");
  auto smtpd = std::make_unique<RawPeer>(rig.loop, *rig.peers, Role::smtpd, "smtpd[0]");
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit none{3, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  bool welcome = rig.until([&] { return smtpd->count(FrameType::welcome) == 1; });
  std::size_t at_first = links(*smtpd);
  (void)::setrlimit(RLIMIT_NOFILE, &before);
  REQUIRE(welcome);
  CHECK(at_first == 0);
  REQUIRE(linked(rig, *smtpd, 1));
  REQUIRE(linked(rig, *filter, 1));
  CHECK(talk(link_of(*smtpd, "filter"), link_of(*filter, "smtpd[0]")));
}

TEST_CASE("more smtpd processes than there can be are not all linked") {
  Rig rig;
  std::vector<std::unique_ptr<RawPeer>> many;
  for (std::size_t i = 0; i <= kLinkedUsersMax; ++i) many.push_back(rig.peer(Role::smtpd));
  auto filter = rig.peer(Role::filter, "filter");
  REQUIRE(linked(rig, *filter, kLinkedUsersMax));
  CHECK(links(*many.back()) == 0);
}
