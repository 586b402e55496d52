// Strangers' mail in the name of a domain of ours ([authentication] own_domains).
#include "tests/unit/filter/authentication_rig.h"

using namespace postwain;
using namespace postwain::filter;
using namespace postwain::filter::rig;
using namespace std::chrono_literals;

TEST_CASE("own_domains: a stranger's mail in our name needs something that shows it") {
  using Action = AuthenticationAction;
  struct Row {
    Action setting;
    const char* from;
    const char* policy;  // of ours.example; null: it has no record
    const char* client;
    const char* follows;
  };
  const char* const ours = "192.0.2.1";  // as the SPF record of our domain says
  const char* const other = "192.0.2.9";
  auto row = GENERATE_COPY(values<Row>({
      {Action::refuse, "From: a@ours.example\r\n", nullptr, other, "550 5.7.1"},
      {Action::refuse, "From: a@ours.example\r\n", nullptr, ours, "accept"},
      {Action::refuse, "From: a@ours.example\r\n", "p=none", other, "550 5.7.1"},
      {Action::refuse, "From: a@ours.example\r\n", "p=reject; aspf=s", ours, "accept"},
      {Action::refuse, "From: a@below.ours.example\r\n", nullptr, other, "550 5.7.1"},
      // Without a record of one of them nothing says that the two domains are of one organization.
      {Action::refuse, "From: a@below.ours.example\r\n", nullptr, ours, "550 5.7.1"},
      {Action::refuse, "From: a@below.ours.example\r\n", "p=none", ours, "accept"},
      {Action::refuse, "From: a@below.ours.example\r\n", "p=none; aspf=s", ours, "550 5.7.1"},
      {Action::refuse, "From: a@notours.example\r\n", nullptr, other, "accept"},
      {Action::refuse, "From: a@OURS.example.\r\n", nullptr, other, "550 5.7.1"},
      {Action::refuse, "From: b@far.example, a@ours.example\r\n", nullptr, ours, "550 5.7.1"},
      {Action::refuse, "From: b@far.example\r\nFrom: a@ours.example\r\n", nullptr, ours, "550"},
      {Action::refuse, "From: b@far.example, c@other.example\r\n", nullptr, other, "accept"},
      {Action::refuse, "From: a@ours.example (\r\n", nullptr, ours, "550 5.7.1"},
      {Action::refuse, "From: a@ours.example\r\nList-Id: <l.far.example>\r\n", nullptr, other,
       "hold authentication: nothing shows that it is of ours.example"},
      {Action::refuse, "Subject: none\r\n", nullptr, other, "accept"},
      {Action::hold, "From: a@ours.example\r\n", nullptr, other,
       "hold authentication: nothing shows that it is of ours.example"},
      {Action::hold, "From: a@ours.example (\r\n", nullptr, other, "hold authentication: From:"},
      {Action::note, "From: a@ours.example\r\n", nullptr, other, "accept"},
      {Action::off, "From: a@ours.example\r\n", nullptr, other, "accept"},
  }));
  for (Action dmarc : {Action::note, Action::off}) {
    CAPTURE(row.from, row.client, static_cast<int>(row.setting), static_cast<int>(dmarc));
    config::Authentication settings = settings_of(Action::note, dmarc);
    settings.own_domains = row.setting;
    Messages m(settings);
    m.zone.texts["ours.example"] = {"v=spf1 ip4:192.0.2.1 -all"};
    if (row.policy != nullptr)
      m.zone.texts["_dmarc.ours.example"] = {std::string("v=DMARC1; ") + row.policy};
    m.facts.session.client_address = row.client;
    m.mail("<a@ours.example>");
    m.content(row.from);
    CHECK(m.poll().starts_with(row.follows));
  }
}

TEST_CASE("own_domains: what the DNS does not tell puts the mail off, and is in the trace") {
  config::Authentication settings =
      settings_of(AuthenticationAction::note, AuthenticationAction::note);
  settings.own_domains = AuthenticationAction::refuse;
  Messages m(settings);
  m.zone.texts["ours.example"] = {"v=spf1 ip4:192.0.2.1 -all"};
  m.zone.held = {"ours.example"};
  m.facts.session.client_address = "192.0.2.9";
  m.mail("<a@ours.example>");
  m.content("From: a@ours.example\r\n");
  m.clock.pass(20s);
  CHECK(m.poll().starts_with("451 4.7.1 Whether this mail is of ours.example"));
  settings.own_domains = AuthenticationAction::note;
  Messages noted(settings);
  noted.mail("<b@far.example>");
  noted.content("From: a@ours.example\r\n");
  CHECK(noted.poll() == "accept");
  REQUIRE(noted.member->judgement());
  CHECK(noted.member->judgement()->text ==
        "spf=pass (far.example) spf_helo=none (mail.far.example) dkim=none dmarc=none "
        "(ours.example) own=fail (ours.example)");
}

TEST_CASE("own_domains: a trusted forwarder's word counts, and mode = watch does nothing") {
  AuthenticationFindings findings;
  findings.author = {authentication::AuthorVerdict::one, "ours.example"};
  findings.author_is_own = true;
  findings.own_author.emplace();
  config::Authentication settings =
      settings_of(AuthenticationAction::note, AuthenticationAction::note);
  settings.own_domains = AuthenticationAction::refuse;
  CHECK(verdict_of(settings, findings).reply.code == 550);
  findings.own_author->undecided = true;
  CHECK(verdict_of(settings, findings).reply.code == 451);
  settings.arc.trusted = {"lists.example"};
  findings.arc.emplace();
  findings.arc->verdict = authentication::arc::ArcVerdict::pass;
  findings.arc->sets = 1;
  findings.arc->sealers = {"lists.example"};
  findings.arc->results = " i=1; lists.example; dmarc=pass header.from=ours.example";
  CHECK(verdict_of(settings, findings).reply.code == 0);
  settings.arc.trusted.clear();
  settings.mode = config::FilterMode::watch;
  Messages m(settings);
  m.facts.session.client_address = "192.0.2.9";
  m.mail("<a@ours.example>");
  m.content("From: a@ours.example\r\n");
  CHECK(m.poll() == "accept");
  REQUIRE(m.member->judgement());
  CHECK(m.member->judgement()->verdict == ipc::FilterVerdict::refuse);
}
