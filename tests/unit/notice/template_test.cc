// Templates: the shipped ones are whole, and every mistake has its place.
#include <catch2/catch.hpp>

#include "common/notice/reason.h"
#include "common/notice/shipped.h"
#include "common/notice/template_parser.h"

using namespace postwain;
using namespace postwain::notice;

TEST_CASE("the shipped templates have every section and no mistake") {
  REQUIRE(shipped_texts().size() >= 2);
  for (const ShippedText& one : shipped_texts()) {
    std::vector<Mistake> mistakes;
    TemplateParser parser(one.text, mistakes);
    Template words = parser.run();
    parser.require_all();
    for (const Mistake& m : mistakes) FAIL(one.language << ':' << m.line << ": " << m.message);
    REQUIRE(words.language() == one.language);
  }
  REQUIRE(Template::shipped("en") != nullptr);
  REQUIRE(Template::shipped("de") != nullptr);
  REQUIRE(Template::shipped("xx") == nullptr);
}

TEST_CASE("mistakes of a template, with line and column") {
  const std::string en = "[language]\nen\n";
  struct {
    std::string text;
    int line;
    int column;
    const char* message;
  } rows[] = {
      {en + "[failed]\nHi ${hostnam}\n", 4, 4, "unknown variable 'hostnam' in [failed]"},
      {en + "[failed]\ngr\xc3\xbc\xc3\x9f ${stage}\n", 4, 6, "misplaced variable 'stage'"},
      {en + "[failed]\n${recipient}\n", 4, 1, "misplaced variable 'recipient'"},
      {en + "[subject.failed]\nmail from ${sender}\n", 4, 11, "known here: none"},
      {en + "[failed]\ncosts 5$ only\n", 4, 8, "a dollar sign is written $$"},
      {en + "[failed]\n${hostname\n", 4, 1, "'$' begins a variable"},
      {en + "[fialed]\nx\n", 3, 2, "unknown section [fialed]"},
      {en + "[failed\nx\n", 3, 1, "the ']'"},
      {en + "[failed] x\n", 3, 9, "nothing may follow"},
      {en + "[failed]\nx\n[failed]\ny\n", 5, 2, "already stands in line 3"},
      {en + "[failed]\n# only a comment\n", 3, 2, "section [failed] is empty"},
      {en + "[subject.failed]\none\ntwo\n", 3, 2, "must be one line"},
      {en + "[failed]\na\x01"
            "b\n",
       4, 2, "control characters"},
      {en + "[failed]\na\xff\n", 4, 2, "not UTF-8"},
      {"words\n" + en, 1, 1, "text before the first [section]"},
      {"[failed]\nx\n", 1, 1, "section [language] is missing"},
      {"[language]\nenglish please\n", 1, 2, "must be a tag"},
      {"[language]\nnl\n", 1, 1, "section [subject.failed] is missing"},
      {std::string(kTemplateMax + 1, '#'), 1, 1, "a template has at most"},
  };
  for (const auto& row : rows) {
    INFO(row.text.substr(0, 100));
    std::vector<Mistake> mistakes;
    (void)Template::parse(row.text, mistakes);
    REQUIRE_FALSE(mistakes.empty());
    CHECK(mistakes[0].message.find(row.message) != std::string::npos);
    CHECK(mistakes[0].line == row.line);
    CHECK(mistakes[0].column == row.column);
  }
}

TEST_CASE("a template of a shipped language needs only what it changes") {
  std::vector<Mistake> mistakes;
  Template own = Template::parse(
      "# comment\r\n[language]\r\nen\r\n\r\n[failed]\r\n\r\nSorry, $$5.\r\n  ${hostname} says "
      "so\r\n"
      "\r\nBye ${hostname}\r\n\r\n",
      mistakes);
  REQUIRE(mistakes.empty());
  Values values;
  values[static_cast<std::size_t>(Variable::hostname)] = "mx.test";
  REQUIRE(own.fill(Section::failed, values) == "Sorry, $5.\n  mx.test says so\n\nBye mx.test");
  REQUIRE(own.fill(Section::original_whole, values) == "Your message is attached.");
}

TEST_CASE("reasons, by code, by words, by stage") {
  using mail::Stage;
  struct {
    mail::Reply reply;
    Stage stage;
    bool expired;
    Reason want;
  } rows[] = {
      {{550, {5, 1, 1}, "x"}, Stage::rcpt, false, Reason::unknown_user},
      {{550, {}, "User unknown in local recipient table"},
       Stage::rcpt,
       false,
       Reason::unknown_user},
      {{550, {5, 0, 0}, "mailbox unavailable"}, Stage::rcpt, false, Reason::unknown_user},
      {{550, {}, "no"}, Stage::rcpt, false, Reason::refused},
      {{553, {5, 1, 3}, ""}, Stage::rcpt, false, Reason::bad_address},
      {{551, {}, "try <b@x>"}, Stage::rcpt, false, Reason::moved},
      {{552, {5, 2, 2}, "x"}, Stage::rcpt, false, Reason::mailbox_full},
      {{452, {4, 2, 2}, "x"}, Stage::rcpt, false, Reason::mailbox_full},
      {{550, {}, "User is over Quota"}, Stage::rcpt, false, Reason::mailbox_full},
      {{550, {5, 2, 1}, ""}, Stage::rcpt, false, Reason::mailbox_off},
      {{0, {5, 1, 2}, "no such domain"}, Stage::dns, false, Reason::host_not_found},
      {{556, {5, 1, 10}, "null MX"}, Stage::dns, false, Reason::no_mail_domain},
      {{521, {}, "no mail here"}, Stage::greeting, false, Reason::no_mail_domain},
      {{552, {5, 3, 4}, ""}, Stage::mail, false, Reason::too_large},
      {{0, {5, 3, 4}, "larger than"}, Stage::mail, false, Reason::too_large},
      {{552, {}, "no"}, Stage::final_reply, false, Reason::too_large},
      {{554, {5, 7, 1}, "listed at rbl.example"}, Stage::rcpt, false, Reason::blocked},
      {{550, {5, 7, 1}, "relaying denied"}, Stage::rcpt, false, Reason::relay_denied},
      {{550, {5, 7, 1}, "go away"}, Stage::rcpt, false, Reason::policy},
      {{550, {5, 7, 23}, ""}, Stage::rcpt, false, Reason::authentication},
      {{550, {5, 7, 26}, ""}, Stage::final_reply, false, Reason::authentication},
      {{553, {5, 1, 8}, ""}, Stage::mail, false, Reason::sender_refused},
      {{550, {}, "no"}, Stage::mail, false, Reason::sender_refused},
      {{554, {5, 6, 0}, ""}, Stage::final_reply, false, Reason::content},
      {{0, {5, 6, 7}, "needs SMTPUTF8"}, Stage::rcpt, false, Reason::utf8},
      {{554, {5, 4, 6}, ""}, Stage::final_reply, false, Reason::loop},
      {{554, {}, "too many hops"}, Stage::final_reply, false, Reason::loop},
      {{450, {4, 7, 1}, "Greylisted, see"}, Stage::rcpt, false, Reason::greylisted},
      {{451, {4, 3, 0}, "later"}, Stage::rcpt, false, Reason::busy},
      {{421, {}, "closing"}, Stage::greeting, false, Reason::busy},
      {{0, {4, 4, 1}, "timed out"}, Stage::connect, false, Reason::unreachable},
      {{0, {4, 4, 2}, "lost"}, Stage::final_reply, false, Reason::unreachable},
      {{0, {4, 4, 3}, "SERVFAIL"}, Stage::dns, false, Reason::dns_trouble},
      {{454, {4, 7, 5}, ""}, Stage::tls, false, Reason::security},
      {{0, {5, 7, 0}, "returned by the operator of the mail system"},
       Stage::local,
       false,
       Reason::returned},
      {{450, {4, 2, 2}, ""}, Stage::rcpt, true, Reason::expired},
      {{}, Stage::local, false, Reason::unknown},
  };
  for (const auto& row : rows) {
    INFO(row.reply.one_line() << " at " << mail::name_of(row.stage));
    CHECK(std::string(name_of(reason_of(row.reply, row.stage, row.expired))) ==
          std::string(name_of(row.want)));
  }
}
