// MAIL and RCPT arguments: what is taken, and which reply the rest gets.
#include <catch2/catch.hpp>

#include "common/smtp/syntax/mail_command.h"
#include "common/smtp/syntax/rcpt_command.h"

using namespace postwain;
using namespace postwain::smtp;

namespace {

struct Row {
  const char* argument;
  const char* want;  // code and enhanced code; "" when it is good
};

std::string verdict(const Refusal& refusal) {
  if (!refusal) return "";
  return std::to_string(refusal->code) + " " + refusal->enhanced.text();
}

}  // namespace

TEST_CASE("MAIL arguments", "[parameters]") {
  std::string long_envid = "FROM:<a@b> ENVID=" + std::string(101, 'x');
  const Row rows[] = {
      {"FROM:<a@b>", ""},
      {"from:<>", ""},
      {"FROM: <a@b>", ""},
      {"FROM:<a@b>  SIZE=10 ", ""},
      {"FROM:<a@b> SIZE=10 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x+2By", ""},
      {"FROM:<a@b> size=10 body=7bit ret=full", ""},
      {"FROM:<a@b> SIZE=99999999999999999999", ""},  // too large, which the engine says
      {"FROM:<j\xC3\xB8rn@b> SMTPUTF8", ""},
      {"FROM:<j\xC3\xB8rn@b>", "550 5.6.7"},
      {"", "501 5.5.4"},
      {"<a@b>", "501 5.5.4"},
      {"TO:<a@b>", "501 5.5.4"},
      {"FROM <a@b>", "501 5.5.4"},
      {"FROM:", "501 5.5.4"},
      {"FROM:a@b", "501 5.5.4"},
      {"FROM:<a", "501 5.5.4"},
      {"FROM:<a>", "501 5.1.7"},
      {"FROM:<;sleep 5;>", "501 5.1.7"},
      {"FROM:<a@b>SIZE=10", "501 5.5.4"},
      {"FROM:<a@b> =10", "501 5.5.4"},
      {"FROM:<a@b> SIZE", "501 5.5.4"},
      {"FROM:<a@b> SIZE=", "501 5.5.4"},
      {"FROM:<a@b> SIZE=-1", "501 5.5.4"},
      {"FROM:<a@b> SIZE=1x", "501 5.5.4"},
      {"FROM:<a@b> SIZE=100000000000000000000", "501 5.5.4"},
      {"FROM:<a@b> SIZE=1 SIZE=1", "501 5.5.4"},
      {"FROM:<a@b> BODY=9BIT", "501 5.5.4"},
      {"FROM:<a@b> BODY=BINARYMIME", ""},
      {"FROM:<a@b> SMTPUTF8=1", "501 5.5.4"},
      {"FROM:<a@b> REQUIRETLS", ""},
      {"FROM:<a@b> REQUIRETLS=1", "501 5.5.4"},
      {"FROM:<a@b> RET=SOME", "501 5.5.4"},
      {"FROM:<a@b> ENVID=", "501 5.5.4"},
      {"FROM:<a@b> ENVID=a=b", "501 5.5.4"},
      {"FROM:<a@b> ENVID=a+0Ab", "501 5.5.4"},
      {"FROM:<a@b> ENVID=a+00b", "501 5.5.4"},
      {long_envid.c_str(), "501 5.5.4"},
      {"FROM:<a@b> AUTH=<>", ""},
      {"FROM:<a@b> AUTH=a+3Db", ""},
      {"FROM:<a@b> AUTH=a+0Ab", "501 5.5.4"},
      {"FROM:<a@b> HOLDFOR=10", "555 5.5.4"},
      {"FROM:<a@b> X-MINE=1", "555 5.5.4"},
  };
  for (const Row& row : rows) {
    INFO(row.argument);
    MailCommand command;
    CHECK(verdict(parse_mail(row.argument, command)) == row.want);
  }
}

TEST_CASE("MAIL values", "[parameters]") {
  MailCommand command;
  REQUIRE_FALSE(parse_mail(
      "FROM:<@r:a@b> SIZE=10 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x+2By REQUIRETLS", command));
  CHECK(command.envelope.reverse_path.text() == "a@b");
  CHECK(command.size == 10U);
  CHECK(command.envelope.body == mail::BodyType::eight_bit_mime);
  CHECK(command.envelope.smtputf8);
  CHECK(command.envelope.require_tls);
  CHECK(command.envelope.ret == mail::DsnReturn::headers);
  CHECK(command.envelope.envid == "x+y");
}

TEST_CASE("RCPT arguments", "[parameters]") {
  std::string long_orcpt = "TO:<a@b> ORCPT=rfc822;" + std::string(500, 'x');
  const Row rows[] = {
      {"TO:<a@b>", ""},
      {"to: <postmaster>", ""},
      {"TO:<a@b> NOTIFY=NEVER", ""},
      {"TO:<a@b> notify=success,FAILURE,Delay ORCPT=rfc822;a+2Bb@c", ""},
      {"", "501 5.5.4"},
      {"FROM:<a@b>", "501 5.5.4"},
      {"TO:<>", "501 5.1.3"},
      {"TO:a@b", "501 5.5.4"},
      {"TO:<a@b", "501 5.5.4"},
      {"TO:<a@b@c>", "501 5.1.3"},
      {"TO:<a@b> x@y", "501 5.5.4"},
      {"TO:<a@b> <c@d>", "501 5.5.4"},
      {"TO:<a@b> NOTIFY", "501 5.5.4"},
      {"TO:<a@b> NOTIFY=", "501 5.5.4"},
      {"TO:<a@b> NOTIFY=NEVER,DELAY", "501 5.5.4"},
      {"TO:<a@b> NOTIFY=SOMETIMES", "501 5.5.4"},
      {"TO:<a@b> NOTIFY=NEVER NOTIFY=NEVER", "501 5.5.4"},
      {"TO:<a@b> ORCPT=a@b", "501 5.5.4"},
      {"TO:<a@b> ORCPT=rfc822;a+0D+0ARCPT", "501 5.5.4"},
      {long_orcpt.c_str(), "501 5.5.4"},
      {"TO:<a@b> SIZE=1", "555 5.5.4"},
      {"TO:<j\xC3\xB8rn@b>", "553 5.6.7"},
      {"TO:<a@b> ORCPT=utf-8;j\xC3\xB8rn@b", "501 5.5.4"},
  };
  for (const Row& row : rows) {
    INFO(row.argument);
    mail::Recipient recipient;
    CHECK(verdict(parse_rcpt(row.argument, false, recipient)) == row.want);
  }
  mail::Recipient recipient;
  REQUIRE_FALSE(parse_rcpt("TO:<j\xC3\xB8rn@b> NOTIFY=DELAY,FAILURE ORCPT=utf-8;j\xC3\xB8rn@b",
                           true, recipient));
  CHECK(recipient.notify.bits == (mail::Notify::delay | mail::Notify::failure));
  CHECK(recipient.orcpt == "utf-8;j\xC3\xB8rn@b");
}
