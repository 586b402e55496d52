#include <catch2/catch.hpp>

#include <regex>

#include "postwain/commands/postfix_log.h"

using namespace postwain::tool;

namespace {

std::string said_as(const std::string& line) {
  auto event = parse_log_line(line);
  return event ? postfix_lines(*event) : "not ours";
}

}  // namespace

// The expressions are those of pflogsumm 1.1.5, as it takes lines apart.
TEST_CASE("operate 22: pflogsumm understands our log") {
  const std::regex head(
      R"(^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(?:[\+\-](?:\d{2}):(?:\d{2})|Z) \S+ postfix/([^\[:]*).*?: ([^:\s]+))");
  const std::regex client(R"(\[\d+\]: \w+: client=(.+?)(,|$))");
  const std::regex sender(R"(from=<([^>]*)>, size=(\d+))");
  const std::regex outcome(
      R"(to=<([^>]*)>, relay=([^,]+), delay=([^,]+), (?:delays=[^,]+, )?(?:dsn=[^,]+, )?status=(\S+)(.*))");
  const std::regex reject(R"(\[\d+\]: \w+: (reject): (\S+) from (\S+?): (.*))");
  const std::string at = "2026-11-29T07:00:00.123Z ";
  std::string out = said_as(at +
                            "smtpd[0][12] info accepted id=0CZW3PQ5G8S1T from=a@b.test size=812 "
                            "recipients=2 client=192.0.2.7 protocol=ESMTPS");
  std::smatch m;
  REQUIRE(std::regex_search(out, m, head));
  CHECK(m[7] == "smtpd");
  CHECK(m[8] == "0CZW3PQ5G8S1T");
  std::string first = out.substr(0, out.find('\n'));
  REQUIRE(std::regex_search(first, m, client));
  CHECK(m[1] == "unknown[192.0.2.7]");
  REQUIRE(std::regex_search(out, m, sender));
  CHECK(m[1] == "a@b.test");
  CHECK(m[2] == "812");

  struct {
    const char* line;
    const char* status;
    const char* delay;
    const char* rest;
  } rows[] = {
      {"smtp-client[1][7] info delivered id=X1 to=c@d.test host=mx.d.test address=192.0.2.9 "
       "reply=\"250 2.0.0 Ok: queued as \\\"4A\\\"\" tls=TLSv1.3 delay=1.5s",
       "sent", "1.50", "(host mx.d.test[192.0.2.9] said: 250 2.0.0 Ok: queued as \"4A\")"},
      {"lmtp-client[7] info deferred id=X1 to=c@d.test host=store reply=\"452 4.2.2 full\" "
       "stage=rcpt blame=recipient delay=1h2m",
       "deferred", "3720.00", "(host store said: 452 4.2.2 full)"},
      {"smtp-client[1][7] info failed id=X1 to=c@d.test status=5.1.2 reason=\"no such domain\" "
       "stage=dns delay=250ms",
       "bounced", "0.25", "(no such domain)"},
      {"qmgr[3] info expired id=X1 to=c@d.test from=a@b.test reply=\"450 4.2.0 busy\"", "bounced",
       "0.00", "(450 4.2.0 busy)"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.line);
    std::string one = said_as(at + row.line);
    REQUIRE(std::regex_search(one, m, head));
    REQUIRE(std::regex_search(one, m, outcome));
    CHECK(m[1] == "c@d.test");
    CHECK(m[3] == row.delay);
    CHECK(m[4] == row.status);
    CHECK(m[5].str().find(row.rest) != std::string::npos);
  }
  out = said_as(
      "Nov 29 07:00:00 mail postwain/smtpd[0][12]: refused from=a@b.test to=\"x y@d.test\" "
      "client=192.0.2.7 name=c.test stage=RCPT reply=\"550 5.7.1 no relaying\"");
  CHECK(out.substr(0, 20) == "Nov 29 07:00:00 mail");
  REQUIRE(std::regex_search(out, m, reject));
  CHECK(m[2] == "RCPT");
  CHECK(m[3] == "unknown[192.0.2.7]");
  CHECK(m[4] == "550 5.7.1 no relaying; from=<a@b.test> to=<x y@d.test> proto=ESMTP helo=<c.test>");
}

TEST_CASE("operate 22: lines of every form are read, and what is none is left out") {
  CHECK(said_as(
            R"({"time":"2026-11-29T07:00:00.1Z","process":"qmgr","pid":3,"level":"info",)"
            R"("event":"queued","id":"X1","from":"a@b.test","size":9,"recipients":1,"uid":33})") ==
        "2026-11-29T07:00:00.1Z localhost postfix/pickup[3]: X1: uid=33 from=<a@b.test>\n"
        "2026-11-29T07:00:00.1Z localhost postfix/qmgr[3]: X1: from=<a@b.test>, size=9, nrcpt=1 "
        "(queue active)\n");
  // Told with its client, by smtpd.
  CHECK(said_as("t qmgr[3] info queued id=X1 from=a@b.test size=9 recipients=1").empty());
  CHECK(said_as("t qmgr[3] info reloaded routes=2").empty());
  // Whatever stands in a value makes no second line and no second field.
  CHECK(said_as("t smtp-client[9] info deferred id=X to=\"a>, status=sent@x.test\" reason=x") ==
        "t localhost postfix/smtp[9]: X: to=<a_, status=sent@x.test>, relay=none, delay=0.00, "
        "delays=0/0/0/0, dsn=4.0.0, status=deferred (x)\n");
  // A backslash at its end does not swallow what follows.
  CHECK(said_as("t smtp-client[9] info failed id=X to=c@d.test host=h reply=\"550 5.0.0 x\\\\\" "
                "status=5.7.1") ==
        "t localhost postfix/smtp[9]: X: to=<c@d.test>, relay=h, delay=0.00, delays=0/0/0/0, "
        "dsn=5.7.1, status=bounced (host h said: 550 5.0.0 x\\)\n");
  for (const char* foreign :
       {"", "-- No entries --", "Nov 29 07:00:00 host sshd[1]: hello", "{", "[]", "t qmgr info x",
        "Nov 29 07:00:00 h postwain/qmgr", "{\"event\":1}", "t qmgr[3] info removed id=\x1b[2J"})
    CHECK(said_as(foreign) == "not ours");
}
