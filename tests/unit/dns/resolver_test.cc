// The resolver against a tiny server on loopback.
#include <catch2/catch.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <map>

#include "common/dns/question.h"
#include "common/dns/resolver.h"
#include "common/net/fd_watcher.h"
#include "tests/unit/dns/dns_message.h"

using namespace postwain;
using namespace postwain::dns;
using namespace postwain::dns::test;

namespace {

// Answers each question from a table; counts them. A name that is missing gets NXDOMAIN.
class Server {
 public:
  explicit Server(net::Loop& loop) {
    fd_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    socklen_t size = sizeof address;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    watcher_ = std::make_unique<net::FdWatcher>(loop, fd_, [this](bool, bool) { serve(); });
    watcher_->watch(true, false);
  }
  ~Server() {
    watcher_.reset();
    ::close(fd_);
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  void put(const MessageWriter& message) {
    table_.insert_or_assign({message.question_name, message.question_type}, message);
  }
  int questions = 0;

 private:
  void serve() {
    char buffer[2048];
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    ssize_t got =
        ::recvfrom(fd_, buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (got < 12) return;
    ++questions;
    std::string name;
    std::size_t at = 12;
    while (buffer[at] != 0) {
      std::size_t length = static_cast<unsigned char>(buffer[at]);
      name += (name.empty() ? "" : ".") + std::string(buffer + at + 1, length);
      at += length + 1;
    }
    unsigned type = static_cast<unsigned char>(buffer[at + 2]);
    auto found = table_.find({name, type});
    MessageWriter reply(name, type);
    if (found != table_.end())
      reply = found->second;
    else
      reply.rcode = 3;
    reply.id = static_cast<unsigned>(static_cast<unsigned char>(buffer[0]) << 8 |
                                     static_cast<unsigned char>(buffer[1]));
    std::string bytes = reply.bytes();
    ::sendto(fd_, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
  }

  int fd_ = -1;
  unsigned port_ = 0;
  std::unique_ptr<net::FdWatcher> watcher_;
  std::map<std::pair<std::string, unsigned>, MessageWriter> table_;
};

struct Fixture {
  net::Loop loop;
  Server server{loop};
  std::unique_ptr<Resolver> resolver = Resolver::create(loop, {server.address()}).take();

  MxAnswer mx(const std::string& name) {
    MxAnswer got;
    bool done = false;
    resolver->lookup_mx(name, [&](const MxAnswer& answer) {
      got = answer;
      done = true;
      loop.stop();
    });
    while (!done) loop.run();
    REQUIRE(done);
    return got;
  }
  AddressAnswer addresses(const std::string& name, bool host = false) {
    AddressAnswer got;
    bool done = false;
    auto take = [&](const AddressAnswer& answer) {
      got = answer;
      done = true;
      loop.stop();
    };
    if (host)
      resolver->lookup_host(name, take);
    else
      resolver->lookup_addresses(name, take);
    while (!done) loop.run();
    REQUIRE(done);
    return got;
  }
};

}  // namespace

TEST_CASE("MX lookups, and the cache") {
  Fixture f;
  f.server.put(MessageWriter("x.org", kMx).mx("x.org", 10, "a.x.org"));
  CHECK(f.mx("x.org").records == std::vector<MxRecord>{{10, "a.x.org"}});
  CHECK(f.mx("X.ORG").status == AnswerStatus::ok);
  CHECK(f.server.questions == 1);
  // Without SOA a negative answer is asked for again; with one it is kept.
  CHECK(f.mx("none.org").status == AnswerStatus::no_such_name);
  CHECK(f.mx("none.org").status == AnswerStatus::no_such_name);
  CHECK(f.server.questions == 3);
  f.server.put(MessageWriter("empty.org", kMx).soa("org", 60, 60));
  CHECK(f.mx("empty.org").status == AnswerStatus::no_data);
  CHECK(f.mx("empty.org").status == AnswerStatus::no_data);
  CHECK(f.server.questions == 4);
}

TEST_CASE("S15: equal questions under way are one") {
  Fixture f;
  f.server.put(MessageWriter("x.org", kMx).mx("x.org", 10, "a.x.org", 0));
  int answered = 0;
  for (const char* name : {"x.org", "X.ORG", "x.org", "y.org"})
    f.resolver->lookup_mx(name, [&](const MxAnswer&) {
      if (++answered == 4) f.loop.stop();
    });
  f.loop.run();
  CHECK(answered == 4);
  CHECK(f.server.questions == 2);
  f.mx("x.org");
  CHECK(f.server.questions == 3);
}

TEST_CASE("a TTL of zero is not kept") {
  Fixture f;
  f.server.put(MessageWriter("x.org", kMx).mx("x.org", 10, "a.x.org", 0));
  f.mx("x.org");
  f.mx("x.org");
  CHECK(f.server.questions == 2);
}

TEST_CASE("addresses of both families become one answer") {
  Fixture f;
  f.server.put(MessageWriter("both", kA).address("both", "192.0.2.1"));
  f.server.put(MessageWriter("both", kAaaa).address("both", "2001:db8::1"));
  CHECK(f.addresses("both").addresses == std::vector<std::string>{"2001:db8::1", "192.0.2.1"});

  f.server.put(MessageWriter("four", kA).address("four", "192.0.2.1"));
  f.server.put(MessageWriter("four", kAaaa));
  CHECK(f.addresses("four").status == AnswerStatus::ok);

  f.server.put(MessageWriter("neither", kA));
  f.server.put(MessageWriter("neither", kAaaa));
  CHECK(f.addresses("neither").status == AnswerStatus::no_data);
  CHECK(f.addresses("nowhere").status == AnswerStatus::no_such_name);

  // One family fails, the other has no data: undecided, or mail would be bounced for it.
  MessageWriter broken("half", kAaaa);
  broken.rcode = 2;
  f.server.put(broken);
  f.server.put(MessageWriter("half", kA));
  CHECK(f.addresses("half").status == AnswerStatus::temporary);
}

TEST_CASE("CNAMEs are followed over several answers, but not for ever") {
  Fixture f;
  f.server.put(MessageWriter("a", kA).cname("a", "b"));
  f.server.put(MessageWriter("b", kA).address("b", "192.0.2.1"));
  f.server.put(MessageWriter("a", kAaaa).cname("a", "b"));
  f.server.put(MessageWriter("b", kAaaa));
  CHECK(f.addresses("a").addresses == std::vector<std::string>{"192.0.2.1"});
  for (unsigned type : {kA, kAaaa}) {
    f.server.put(MessageWriter("l1", type).cname("l1", "l2"));
    f.server.put(MessageWriter("l2", type).cname("l2", "l1"));
  }
  CHECK(f.addresses("l1").status == AnswerStatus::temporary);
}

TEST_CASE("names that are no host names are asked for") {
  Fixture f;
  for (const char* name : {"a+b=c._spf.x.org", "strange!#%&'*/?^`{|}~.x.org", "_dmarc.x.org"}) {
    f.server.put(MessageWriter(name, kA).address(name, "127.0.0.2"));
    f.server.put(MessageWriter(name, kAaaa));
    AddressAnswer answer = f.addresses(name);
    if (asks_any_name() || is_host_name(name))
      CHECK(answer.addresses == std::vector<std::string>{"127.0.0.2"});
    else
      CHECK(answer.status == AnswerStatus::no_such_name);
  }
}

TEST_CASE("names that are none are not asked for") {
  Fixture f;
  CHECK(f.mx("a b").status == AnswerStatus::no_such_name);
  CHECK(f.mx("").status == AnswerStatus::no_such_name);
  for (const char* name :
       {".", "a..b", ".a", "a\\.b", "a\\046b.org", "a\"b", "a;b", "a@b", "a\tb", "\x7f"})
    CHECK(f.mx(name).status == AnswerStatus::no_such_name);
  CHECK(f.mx(std::string(64, 'a') + ".org").status == AnswerStatus::no_such_name);
  CHECK(f.mx(std::string(300, 'a')).status == AnswerStatus::no_such_name);
  CHECK(f.server.questions == 0);
}

TEST_CASE("localhost needs no server") {
  Fixture f;
  CHECK(f.addresses("localhost", true).status == AnswerStatus::ok);
  CHECK(f.server.questions == 0);
}

TEST_CASE("a resolver may go while it waits") {
  net::Loop loop;
  Server server(loop);
  auto resolver = Resolver::create(loop, {server.address()}).take();
  bool called = false;
  resolver->lookup_mx("x.org", [&](const MxAnswer&) { called = true; });
  resolver.reset();
  CHECK_FALSE(called);
}

TEST_CASE("bad server addresses are told") {
  net::Loop loop;
  CHECK_FALSE(Resolver::create(loop, {"not an address"}).ok());
}
