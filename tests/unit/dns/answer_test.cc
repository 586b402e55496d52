#include <catch2/catch.hpp>

#include <random>

#include "common/dns/answer.h"
#include "common/dns/name_servers.h"
#include "tests/unit/dns/dns_message.h"

using namespace postwain;
using namespace postwain::dns;
using namespace postwain::dns::test;

TEST_CASE("MX answers") {
  std::string bytes = MessageWriter("x.org", kMx)
                          .mx("x.org", 10, "A.x.org", 100)
                          .mx("x.org", 20, "b.x.org")
                          .bytes();
  Answer answer = read_answer(bytes, "X.org", RecordType::mx);
  CHECK(answer.status == AnswerStatus::ok);
  CHECK(answer.mx == std::vector<MxRecord>{{10, "a.x.org"}, {20, "b.x.org"}});
  CHECK(answer.ttl == 100);

  bytes = MessageWriter("x.org", kMx).mx("x.org", 0, "").bytes();
  answer = read_answer(bytes, "x.org", RecordType::mx);
  CHECK(answer.mx == std::vector<MxRecord>{{0, ""}});
}

TEST_CASE("addresses, through CNAMEs") {
  std::string bytes = MessageWriter("a.org", kA)
                          .cname("a.org", "b.org", 50)
                          .cname("b.org", "c.org")
                          .address("c.org", "192.0.2.1")
                          .address("other.org", "192.0.2.9")
                          .bytes();
  Answer answer = read_answer(bytes, "a.org", RecordType::a);
  CHECK(answer.status == AnswerStatus::ok);
  CHECK(answer.addresses == std::vector<std::string>{"192.0.2.1"});
  CHECK(answer.ttl == 50);
  CHECK(answer.cnames == 2);

  bytes = MessageWriter("a.org", kAaaa).cname("a.org", "b.org").bytes();
  answer = read_answer(bytes, "a.org", RecordType::aaaa);
  CHECK(answer.chase == "b.org");
}

TEST_CASE("TLSA and TXT answers, and the AD bit") {
  MessageWriter writer("_25._tcp.mx.org", kTlsa);
  writer.add("_25._tcp.mx.org", kTlsa, 60, std::string("\3\1\1", 3) + std::string(32, 'h'));
  writer.add("_25._tcp.mx.org", kTlsa, 60, std::string("\2\0\2x", 4));
  Answer answer = read_answer(writer.bytes(), "_25._tcp.mx.org", RecordType::tlsa);
  CHECK(answer.status == AnswerStatus::ok);
  CHECK(answer.tlsa == std::vector<mail::Tlsa>{{3, 1, 1, std::string(32, 'h')}, {2, 0, 2, "x"}});
  CHECK_FALSE(answer.authentic);
  writer.authentic = true;
  CHECK(read_answer(writer.bytes(), "_25._tcp.mx.org", RecordType::tlsa).authentic);
  std::string cut = MessageWriter("x.org", kTlsa).add("x.org", kTlsa, 1, "\3\1").bytes();
  CHECK(read_answer(cut, "x.org", RecordType::tlsa).status == AnswerStatus::temporary);

  std::string text = MessageWriter("x.org", kTxt).add("x.org", kTxt, 1, "\3v=S\4TSv1").bytes();
  CHECK(read_answer(text, "x.org", RecordType::txt).texts == std::vector<std::string>{"v=STSv1"});
  text = MessageWriter("x.org", kTxt).add("x.org", kTxt, 1, "\5v=S").bytes();
  CHECK(read_answer(text, "x.org", RecordType::txt).status == AnswerStatus::temporary);
  MessageWriter none("x.org", kTlsa);
  none.authentic = true;
  CHECK(read_answer(none.bytes(), "x.org", RecordType::tlsa).authentic);  // proven to be none
}

TEST_CASE("negative answers") {
  MessageWriter none("x.org", kMx);
  none.soa("org", 900, 60);
  Answer answer = read_answer(none.bytes(), "x.org", RecordType::mx);
  CHECK(answer.status == AnswerStatus::no_data);
  CHECK(answer.ttl == 60);
  none.rcode = 3;
  CHECK(read_answer(none.bytes(), "x.org", RecordType::mx).status == AnswerStatus::no_such_name);
  none.rcode = 2;
  CHECK(read_answer(none.bytes(), "x.org", RecordType::mx).status == AnswerStatus::temporary);
  // Without SOA a negative answer is not kept (RFC 2308 5).
  CHECK(read_answer(MessageWriter("x.org", kMx).bytes(), "x.org", RecordType::mx).ttl == 0);
}

TEST_CASE("malformed answers are temporary, never a verdict") {
  const std::vector<std::string> bad = {
      "",
      "short",
      MessageWriter("x.org", kMx).add("x.org", kMx, 1, "").bytes(),
      MessageWriter("x.org", kMx).add("x.org", kMx, 1, std::string(2, 0)).bytes(),
      MessageWriter("x.org", kMx).add("x.org", kMx, 1, u16(1) + wire_name("a") + "tail").bytes(),
      MessageWriter("x.org", kMx).add("x.org", kMx, 1, u16(1) + "\xC0\xFF").bytes(),
  };
  for (const std::string& bytes : bad)
    CHECK(read_answer(bytes, "x.org", RecordType::mx).status == AnswerStatus::temporary);
  CHECK(read_answer(MessageWriter("x.org", kA).add("x.org", kA, 1, "abc").bytes(), "x.org",
                    RecordType::a)
            .status == AnswerStatus::temporary);
}

TEST_CASE("chains and counts are bounded") {
  MessageWriter loop("a", kA);
  loop.cname("a", "b").cname("b", "a");
  CHECK(read_answer(loop.bytes(), "a", RecordType::a).status == AnswerStatus::temporary);

  MessageWriter chain("n0", kA);
  for (int i = 0; i < 11; ++i) chain.cname("n" + std::to_string(i), "n" + std::to_string(i + 1));
  chain.address("n11", "192.0.2.1");
  CHECK(read_answer(chain.bytes(), "n0", RecordType::a).status == AnswerStatus::temporary);

  MessageWriter many("x", kMx);
  for (unsigned i = 0; i < 200; ++i) many.mx("x", i, "h" + std::to_string(i));
  CHECK(read_answer(many.bytes(), "x", RecordType::mx).mx.size() == kMxRecordsMax);

  MessageWriter flood("x", kA);
  for (unsigned i = 0; i < 600; ++i) flood.address("x", "192.0.2.1");
  CHECK(read_answer(flood.bytes(), "x", RecordType::a).addresses.size() == kAddressesMax);

  // D12: of more than can be used the first are.
  MessageWriter crowd("x", kMx);
  for (unsigned i = 0; i < 800; ++i) crowd.mx("x", i, "h" + std::to_string(i));
  Answer first = read_answer(crowd.bytes(), "x", RecordType::mx);
  CHECK(first.status == AnswerStatus::ok);
  REQUIRE(first.mx.size() == kMxRecordsMax);
  CHECK(first.mx.front().host == "h0");
}

TEST_CASE("F13: which name servers resolv.conf names") {
  CHECK(name_servers_of("").empty());
  CHECK(name_servers_of("# nameserver 1.1.1.1\nsearch x\nnameservers 192.0.2.1\n").empty());
  CHECK(name_servers_of("nameserver 192.0.2.1\n  nameserver\t2001:db8::1 # ours\r\n"
                        "options edns0\nnameserver 192.0.2.2") ==
        std::vector<std::string>{"192.0.2.1", "2001:db8::1", "192.0.2.2"});
  std::string many;
  for (int i = 0; i < 50; ++i) many += "nameserver 192.0.2.1\n";
  CHECK(name_servers_of(many).size() == kNameServersShown);
}

TEST_CASE("MX names we would never show are left out") {
  std::string evil = u16(1) + std::string("\x04") + std::string("a\0;b", 4) + '\0';
  std::string bytes = MessageWriter("x", kMx).add("x", kMx, 1, evil).mx("x", 2, "good").bytes();
  Answer answer = read_answer(bytes, "x", RecordType::mx);
  CHECK(answer.mx == std::vector<MxRecord>{{2, "good"}});
  // Nothing but such names is no reason to try the domain's own address.
  bytes = MessageWriter("x", kMx).add("x", kMx, 1, evil).bytes();
  CHECK(read_answer(bytes, "x", RecordType::mx).status == AnswerStatus::temporary);
}

TEST_CASE("every truncation and random damage is survived") {
  std::string bytes = MessageWriter("x.org", kMx)
                          .cname("x.org", "y.org")
                          .mx("y.org", 10, "a.y.org")
                          .mx("y.org", 20, "b.y.org")
                          .soa("org", 1, 2)
                          .bytes();
  for (std::size_t size = 0; size < bytes.size(); ++size)
    read_answer(std::string_view(bytes).substr(0, size), "x.org", RecordType::mx);
  std::mt19937 random(99);
  for (int round = 0; round < 20000; ++round) {
    std::string damaged = bytes;
    for (int i = 0; i < 3; ++i) damaged[random() % damaged.size()] = static_cast<char>(random());
    read_answer(damaged, "x.org", RecordType::mx);
  }
}
