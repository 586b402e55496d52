// What a process that has mail signed makes of the signer: over real sockets, with a signer that
// says whatever the test wants.
#include <catch2/catch.hpp>

#include <sys/socket.h>

#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/daemon/signer_link.h"

using namespace postwain;
using namespace postwain::daemon;
using namespace std::chrono_literals;
using ipc::SigningAlgorithm;

namespace {

ipc::SignerKeys some_keys(const std::string& selector = "s1") {
  return {{{"example.org", selector, SigningAlgorithm::rsa_sha256, true},
           {"example.org", "e1", SigningAlgorithm::ed25519_sha256, false}}};
}

std::string hash_of(char letter) {
  return std::string(ipc::kSignerHash, letter);
}

// The signer's end of a connection. What is asked is kept.
class PlayedSigner {
 public:
  PlayedSigner(net::Loop& loop, SignerLink& link) {
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    link.adopt(UniqueFd(fds[0]));
    connection_ = std::make_unique<IpcConnection>(
        loop, net::Stream::adopt(loop, fds[1]).take(),
        IpcConnection::Callbacks{.on_frame =
                                     [this](ipc::FrameType type, std::string_view payload) {
                                       REQUIRE(type == ipc::FrameType::sign_request);
                                       REQUIRE(ipc::decode(payload, asked.emplace_back()));
                                       return true;
                                     },
                                 .on_closed = [this](const std::string&) { closed = true; },
                                 .on_drained = {}});
  }
  template <class Message>
  void say(const Message& message) {
    connection_->send(message);
  }
  void say_octets(const std::string& octets) { connection_->send_frames(octets); }
  void answer(std::size_t n, std::vector<std::string> signatures) {
    say(ipc::SignReply{asked.at(n).request, std::move(signatures), {}});
  }

  std::vector<ipc::SignRequest> asked;
  bool closed = false;

 private:
  std::unique_ptr<IpcConnection> connection_;
};

struct Rig {
  Rig() { std::signal(SIGPIPE, SIG_IGN); }  // as daemon::begin does
  std::unique_ptr<PlayedSigner> signer() { return std::make_unique<PlayedSigner>(loop, *link); }
  std::unique_ptr<PlayedSigner> signer_with(const ipc::SignerKeys& keys) {
    auto out = signer();
    int before = changes;
    std::uint64_t generation = link->generation();
    out->say(keys);
    // Told, or the same list as before: then a turn is enough.
    (void)until([&] { return changes > before || link->generation() != generation; }, 50ms);
    return out;
  }
  bool until(const std::function<bool()>& done, Duration limit = 20s) {
    MonoTime end = mono_now() + limit;
    net::Timer look(loop);
    look.repeat(1ms, [&] {
      if (done() || mono_now() > end) loop.stop();
    });
    if (!done()) loop.run();
    return done();
  }
  // What came of a request, when it has come.
  struct Came {
    std::vector<std::string> signatures;
    std::string error;
    int times = 0;
  };
  std::shared_ptr<Came> sign(SignerPort::Parts parts,
                             std::optional<std::uint64_t> generation = {}) {
    auto came = std::make_shared<Came>();
    last = link->sign(generation.value_or(link->generation()), std::move(parts),
                      [came](Result<std::vector<std::string>> result) {
                        ++came->times;
                        if (result)
                          came->signatures = result.take();
                        else
                          came->error = result.error().text;
                      });
    CHECK(last != 0);
    CHECK(came->times == 0);  // never before sign() has returned
    return came;
  }
  bool failed(const std::shared_ptr<Came>& came) {
    return until([&] { return came->times > 0; }) && !came->error.empty();
  }

  net::Loop loop;
  int changes = 0;
  std::unique_ptr<SignerLink> link = std::make_unique<SignerLink>(loop, [this] { ++changes; });
  std::uint64_t last = 0;
};

}  // namespace

TEST_CASE("keys are known when the signer has told them, and signatures come in any order") {
  Rig rig;
  CHECK(rig.link->keys() == nullptr);
  CHECK(rig.link->generation() == 0);
  auto signer = rig.signer_with(some_keys());
  REQUIRE(rig.link->keys() != nullptr);
  CHECK(*rig.link->keys() == some_keys().keys);
  CHECK(rig.changes == 1);
  auto first = rig.sign({{0, hash_of('a')}, {1, hash_of('a')}});
  auto second = rig.sign({{1, hash_of('b')}});
  REQUIRE(rig.until([&] { return signer->asked.size() == 2; }));
  CHECK(signer->asked[0].parts[1].key == 1);
  CHECK(signer->asked[0].parts[1].hash == hash_of('a'));
  signer->answer(1, {"two"});
  REQUIRE(rig.until([&] { return second->times == 1; }));
  CHECK(first->times == 0);
  signer->answer(0, {"one", "more"});
  REQUIRE(rig.until([&] { return first->times == 1; }));
  CHECK(first->signatures == std::vector<std::string>{"one", "more"});
  CHECK(second->signatures == std::vector<std::string>{"two"});
}

TEST_CASE("what cannot be signed now is an error, later, and the link goes on") {
  Rig rig;
  auto early = rig.sign({{0, hash_of('a')}});
  CHECK(rig.failed(early));
  auto signer = rig.signer_with(some_keys());
  struct {
    SignerPort::Parts parts;
  } rows[] = {
      {{}},
      {{{2, hash_of('a')}}},
      {{{0, "short"}}},
      {{{0, hash_of('a') + "x"}}},
      {SignerPort::Parts(ipc::kSignaturesMax + 1, {0, hash_of('a')})},
  };
  for (auto& row : rows) CHECK(rig.failed(rig.sign(row.parts)));
  CHECK(signer->asked.empty());
  CHECK_FALSE(signer->closed);
  auto good = rig.sign(SignerPort::Parts(ipc::kSignaturesMax, {0, hash_of('a')}));
  REQUIRE(rig.until([&] { return signer->asked.size() == 1; }));
  signer->say(ipc::SignReply{signer->asked[0].request, {}, "no\rluck"});
  CHECK(rig.failed(good));
  CHECK(good->error == "the signer: no\\x0dluck");
}

TEST_CASE("a number is never taken for a key of another list") {
  Rig rig;
  auto old = rig.signer_with(some_keys());
  std::uint64_t generation = rig.link->generation();
  auto next = rig.signer_with({{some_keys().keys[1]}});
  CHECK(rig.link->generation() != generation);
  REQUIRE(rig.until([&] { return old->closed; }));  // nothing was asked there
  auto late = rig.sign({{0, hash_of('a')}}, generation);
  CHECK(rig.failed(late));
  CHECK(rig.failed(rig.sign({{0, hash_of('a')}}, 0)));
  CHECK(rig.failed(rig.sign({{0, hash_of('a')}}, generation + 2)));
  CHECK(next->asked.empty());
  CHECK(old->asked.empty());
}

TEST_CASE("a change of keys loses nothing: what was asked before is answered where it was asked") {
  Rig rig;
  auto old = rig.signer_with(some_keys());
  std::uint64_t generation = rig.link->generation();
  auto first = rig.sign({{0, hash_of('a')}});
  auto next = rig.signer_with(some_keys("s2"));
  CHECK(rig.link->keys()->at(0).selector == "s2");
  CHECK(rig.changes == 2);
  // By the numbers of before it goes to the signer of before, as long as that is there.
  auto second = rig.sign({{0, hash_of('b')}}, generation);
  auto third = rig.sign({{0, hash_of('c')}});
  REQUIRE(rig.until([&] { return old->asked.size() == 2 && next->asked.size() == 1; }));
  CHECK(next->asked[0].parts[0].hash == hash_of('c'));
  CHECK_FALSE(old->closed);
  old->answer(0, {"one"});
  old->answer(1, {"two"});
  next->answer(0, {"three"});
  REQUIRE(rig.until([&] { return first->times + second->times + third->times == 3; }));
  CHECK(first->signatures == std::vector<std::string>{"one"});
  CHECK(second->signatures == std::vector<std::string>{"two"});
  CHECK(third->signatures == std::vector<std::string>{"three"});
  CHECK(rig.until([&] { return old->closed; }));
  CHECK_FALSE(next->closed);
  CHECK(rig.changes == 2);
}

TEST_CASE("a signer that comes back with the same keys is no change of them") {
  Rig rig;
  auto signer = rig.signer_with(some_keys());
  std::uint64_t generation = rig.link->generation();
  SECTION("beside the one before") {
    auto next = rig.signer_with(some_keys());
    REQUIRE(rig.until([&] { return signer->closed; }));
    CHECK(rig.link->generation() == generation);
    CHECK(rig.changes == 1);
    auto came = rig.sign({{0, hash_of('a')}}, generation);
    REQUIRE(rig.until([&] { return next->asked.size() == 1; }));
  }
  SECTION("after it has gone") {
    auto came = rig.sign({{0, hash_of('a')}});
    signer.reset();
    REQUIRE(rig.failed(came));
    CHECK(came->times == 1);
    CHECK(rig.link->keys() == nullptr);
    CHECK(rig.link->generation() == 0);
    CHECK(rig.changes == 2);
    auto next = rig.signer_with(some_keys());
    CHECK(rig.link->generation() == generation);
    CHECK(rig.changes == 3);
  }
}

TEST_CASE("when the newest signer goes, the one before it serves again") {
  Rig rig;
  auto old = rig.signer_with(some_keys());
  auto waits = rig.sign({{0, hash_of('a')}});  // so that it stays
  auto next = rig.signer_with(some_keys("s2"));
  next.reset();
  REQUIRE(rig.until([&] { return rig.changes == 3; }));
  CHECK(rig.link->keys()->at(0).selector == "s1");
  CHECK(waits->times == 0);
}

TEST_CASE("who has cancelled hears nothing, whatever comes") {
  Rig rig;
  auto signer = rig.signer_with(some_keys());
  auto answered = rig.sign({{0, hash_of('a')}});
  rig.link->cancel(rig.last);
  auto other = rig.sign({{0, hash_of('b')}});
  REQUIRE(rig.until([&] { return signer->asked.size() == 2; }));
  signer->answer(0, {"one"});
  signer->answer(1, {"two"});
  REQUIRE(rig.until([&] { return other->times == 1; }));
  rig.link->cancel(rig.last);  // it is over
  auto lost = rig.sign({{0, hash_of('c')}});
  std::uint64_t number = rig.last;
  auto wrong = rig.sign({});
  rig.link->cancel(rig.last);
  rig.link->cancel(number);
  signer.reset();
  REQUIRE(rig.until([&] { return rig.link->keys() == nullptr; }));
  (void)rig.until([] { return false; }, 20ms);
  CHECK(answered->times + lost->times + wrong->times == 0);
  CHECK_FALSE(signer);
}

TEST_CASE("a signer that says what it must not loses its connection, and we nothing else") {
  Rig rig;
  auto signer = rig.signer_with(some_keys());
  auto came = rig.sign({{0, hash_of('a')}, {1, hash_of('a')}});
  REQUIRE(rig.until([&] { return signer->asked.size() == 1; }));
  std::uint64_t asked = signer->asked[0].request;
  SECTION("its keys twice") {
    signer->say(some_keys());
  }
  SECTION("an answer to nothing") {
    signer->say(ipc::SignReply{asked + 1, {"x", "y"}, {}});
  }
  SECTION("too few signatures") {
    signer->say(ipc::SignReply{asked, {"x"}, {}});
  }
  SECTION("too many signatures") {
    signer->say(ipc::SignReply{asked, {"x", "y", "z"}, {}});
  }
  SECTION("an empty signature") {
    signer->say(ipc::SignReply{asked, {"x", ""}, {}});
  }
  SECTION("a signature beyond any key") {
    signer->say(ipc::SignReply{asked, {"x", std::string(ipc::kSignatureMax + 1, 'y')}, {}});
  }
  SECTION("signatures and trouble") {
    signer->say(ipc::SignReply{asked, {"x", "y"}, "no"});
  }
  SECTION("neither") {
    signer->say(ipc::SignReply{asked, {}, {}});
  }
  SECTION("a request") {
    signer->say(ipc::SignRequest{1, {{0, hash_of('a')}}});
  }
  SECTION("no frame at all") {
    signer->say_octets(std::string(64, '\xff'));
  }
  CHECK(rig.failed(came));
  CHECK(came->times == 1);
  CHECK(rig.until([&] { return signer->closed; }));
  CHECK(rig.link->keys() == nullptr);
  auto next = rig.signer_with(some_keys());
  CHECK(rig.link->keys() != nullptr);
}

TEST_CASE("an answer that comes twice ends the connection") {
  Rig rig;
  auto signer = rig.signer_with(some_keys());
  auto came = rig.sign({{0, hash_of('a')}});
  REQUIRE(rig.until([&] { return signer->asked.size() == 1; }));
  signer->answer(0, {"one"});
  signer->answer(0, {"one"});
  CHECK(rig.until([&] { return signer->closed; }));
  CHECK(came->times == 1);
  CHECK(came->signatures == std::vector<std::string>{"one"});
}

TEST_CASE("names of keys that would end a header field, or that are none, are not believed") {
  const char* names[] = {"a.example\r\nX: y", "a;b", "a b", "a\"", "\xc3\xbc.example", "a/b"};
  for (const char* name : names)
    for (bool of_domain : {true, false}) {
      CAPTURE(name, of_domain);
      Rig rig;
      auto signer = rig.signer();
      ipc::SignerKeys keys = some_keys();
      (of_domain ? keys.keys[1].domain : keys.keys[1].selector) = name;
      signer->say(keys);
      CHECK(rig.until([&] { return signer->closed; }));
      CHECK(rig.link->keys() == nullptr);
      CHECK(rig.changes == 0);
    }
}

TEST_CASE("what waits for a signer that does not answer is bounded") {
  Rig rig;
  auto signer = rig.signer_with(some_keys());
  for (std::size_t i = 0; i < kSignRequestsAskedMax; ++i) rig.sign({{0, hash_of('a')}});
  CHECK(rig.failed(rig.sign({{0, hash_of('a')}})));
  CHECK(rig.until([&] { return signer->asked.size() == kSignRequestsAskedMax; }));
  signer->answer(0, {"one"});
  (void)rig.until([] { return false; }, 20ms);
  auto again = rig.sign({{0, hash_of('b')}});
  CHECK(rig.until([&] { return signer->asked.size() == kSignRequestsAskedMax + 1; }));
}

TEST_CASE("signers that never tell their keys do not pile up") {
  Rig rig;
  auto good = rig.signer_with(some_keys());
  std::vector<std::unique_ptr<PlayedSigner>> silent;
  for (std::size_t i = 0; i + 1 < kSignerConnectionsMax; ++i) silent.push_back(rig.signer());
  CHECK(rig.link->keys() != nullptr);
  silent.push_back(rig.signer());
  CHECK(rig.until([&] { return good->closed; }));  // the oldest
  CHECK_FALSE(silent[0]->closed);
}

TEST_CASE("nobody is told when the link itself goes, and answers may ask for more") {
  Rig rig;
  auto signer = rig.signer_with(some_keys());
  int told = 0;
  std::uint64_t generation = rig.link->generation();
  rig.link->sign(generation, {{0, hash_of('a')}}, [&](const auto& result) {
    told += result.ok() ? 1 : 100;
    rig.link->sign(generation, {{0, hash_of('b')}}, [&](const auto&) { told += 100; });
    rig.link->sign(generation, {}, [&](const auto&) { told += 100; });
  });
  REQUIRE(rig.until([&] { return signer->asked.size() == 1; }));
  signer->answer(0, {"one"});
  REQUIRE(rig.until([&] { return signer->asked.size() == 2; }));
  CHECK(told == 101);  // and the one that could not be asked
  rig.link.reset();
  CHECK(rig.until([&] { return signer->closed; }));
  CHECK(told == 101);
}
