// Lines of Dovecot's authentication protocol, both ways.
#include <catch2/catch.hpp>

#include "common/sasl/dovecot_lines.h"

using namespace postwain::sasl;

TEST_CASE("what is said to Dovecot", "[sasl][dovecot]") {
  CHECK(dovecot_hello(7) == "VERSION\t1\t1\nCPID\t7\n");
  std::string initial("\0a\0b", 4);
  CHECK(dovecot_auth({3, "PLAIN", "192.0.2.1", true, &initial}) ==
        "AUTH\t3\tPLAIN\tservice=smtp\tnologin\trip=192.0.2.1\tsecured\tresp=AGEAYg==\n");
  CHECK(dovecot_auth({3, "LOGIN", "", false, nullptr}) ==
        "AUTH\t3\tLOGIN\tservice=smtp\tnologin\n");
  CHECK(dovecot_continue(3, "x") == "CONT\t3\teA==\n");
  CHECK(dovecot_continue(3, "") == "CONT\t3\t\n");
  CHECK(dovecot_cancel(3) == "CANCEL\t3\n");
}

TEST_CASE("what Dovecot says", "[sasl][dovecot]") {
  using Kind = DovecotLine::Kind;
  CHECK(parse_dovecot("VERSION\t1\t2").kind == Kind::other);
  CHECK(parse_dovecot("VERSION\t2\t0").kind == Kind::bad);
  CHECK(parse_dovecot("SPID\t1").kind == Kind::other);
  CHECK(parse_dovecot("").kind == Kind::other);
  CHECK(parse_dovecot("DONE").kind == Kind::done);
  DovecotLine plain = parse_dovecot("MECH\tPLAIN\tplaintext");
  CHECK((plain.kind == Kind::mechanism && plain.text == "PLAIN" && !plain.private_use));
  CHECK(parse_dovecot("MECH\tANONYMOUS\tanonymous").private_use);
  CHECK(parse_dovecot("MECH\tDOVECOT-TOKEN\tprivate").private_use);
  CHECK(parse_dovecot("MECH\tEXTERNAL").private_use);
  CHECK(parse_dovecot("MECH\tBAD NAME").kind == Kind::other);
  DovecotLine ok = parse_dovecot("OK\t12\tuser=a\1tb@c\tother=1");
  CHECK((ok.kind == Kind::success && ok.id == 12 && ok.text == "a\tb@c"));
  DovecotLine fail = parse_dovecot("FAIL\t12\tuser=x\ttemp");
  CHECK((fail.kind == Kind::failure && fail.text == "x" && fail.temporary));
  DovecotLine cont = parse_dovecot("CONT\t12\teA==");
  CHECK((cont.kind == Kind::challenge && cont.text == "x"));
  CHECK(parse_dovecot("CONT\t12\t").text.empty());
  for (const char* bad : {"OK", "OK\tx", "FAIL\t-1", "CONT\t1\t*", "CONT"})
    CHECK(parse_dovecot(bad).kind == Kind::bad);
}
