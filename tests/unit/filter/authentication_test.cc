// SPF, DKIM and DMARC of messages before a judge whose DNS and clock a test holds, and what follows
// from what was found.
#include <algorithm>

#include "tests/unit/filter/authentication_rig.h"

using namespace postwain;
using namespace postwain::filter;
using namespace postwain::filter::rig;
using namespace std::chrono_literals;

TEST_CASE("mail that its domain knows passes, and the field says so") {
  Messages m;
  CHECK(m.message() == "accept");
  std::string field = m.field();
  CHECK(says(field, "mx.us.example;"));
  CHECK(says(field, "spf=pass"));
  CHECK(says(field, "smtp.mailfrom=bob@far.example"));
  CHECK(says(field, "dkim=none"));
  CHECK(says(field, "dmarc=pass"));
  REQUIRE(m.member->judgement());
  CHECK(
      m.member->judgement()->text ==
      "spf=pass (far.example) spf_helo=none (mail.far.example) dkim=none dmarc=pass (far.example)");
}

TEST_CASE("SPF of the hello stands beside that of the sender, and nothing follows from it alone") {
  Messages m;
  m.zone.texts["mail.far.example"] = {"v=spf1 -all"};
  CHECK(m.message() == "accept");
  std::string field = m.field();
  std::size_t sender = field.find("smtp.mailfrom=bob@far.example");
  std::size_t hello = field.find("smtp.helo=mail.far.example");
  REQUIRE(sender != std::string::npos);
  REQUIRE(hello != std::string::npos);
  CHECK(sender < hello);
  CHECK(says(field, "spf=pass"));
  CHECK(says(field, "spf=fail"));
  CHECK(says(field, "dmarc=pass"));
}

TEST_CASE("a hello that SPF lets pass is not what DMARC asks for") {
  Messages m;
  m.zone.texts["other.example"] = {"v=spf1 -all"};
  m.zone.texts["mail.far.example"] = {"v=spf1 ip4:192.0.2.1 -all"};
  m.facts.helo = "mail.far.example";
  m.mail("<x@other.example>");
  m.content();
  CHECK(m.poll().starts_with("550 5.7.1"));
}

TEST_CASE("what follows from a hello that fails is what spf_helo says") {
  struct Row {
    AuthenticationAction setting;
    const char* fields;
    const char* follows;
  };
  auto row = GENERATE(values<Row>({
      {AuthenticationAction::off, "From: a@bare.example\r\n", "accept"},
      {AuthenticationAction::note, "From: a@bare.example\r\n", "accept"},
      {AuthenticationAction::hold, "From: a@bare.example\r\n",
       "hold authentication: SPF of the hello mail.far.example fails"},
      {AuthenticationAction::refuse, "From: a@bare.example\r\n",
       "550 5.7.23 192.0.2.1 may not call itself mail.far.example, says its SPF record"},
      // SPF of the sender, by which DMARC passes, is the stranger's own choice.
      {AuthenticationAction::refuse, "From: bob@far.example\r\n",
       "550 5.7.23 192.0.2.1 may not call itself mail.far.example, says its SPF record"},
  }));
  CAPTURE(row.setting, row.fields);
  config::Authentication settings =
      settings_of(AuthenticationAction::note, AuthenticationAction::refuse);
  settings.spf_helo = row.setting;
  Messages m(settings);
  m.zone.texts["mail.far.example"] = {"v=spf1 -all"};
  CHECK(m.message(row.fields) == row.follows);
  const bool is_accepted = std::string_view(row.follows) == "accept";
  CHECK(says(m.field(), "smtp.helo") ==
        (row.setting == AuthenticationAction::note || row.setting == AuthenticationAction::hold ||
         (is_accepted && row.setting == AuthenticationAction::refuse)));
}

TEST_CASE("a hello that fails is refused with an empty sender, too, where spf_helo says so") {
  for (auto [spf, helo, follows] :
       {std::tuple(AuthenticationAction::note, AuthenticationAction::note, "accept"),
        std::tuple(AuthenticationAction::note, AuthenticationAction::refuse, "550 5.7.23"),
        std::tuple(AuthenticationAction::refuse, AuthenticationAction::note, "550 5.7.23")}) {
    config::Authentication settings = settings_of(spf, AuthenticationAction::note);
    settings.spf_helo = helo;
    Messages m(settings);
    m.zone.texts["mail.far.example"] = {"v=spf1 -all"};
    m.mail("<>");
    m.content("From: a@bare.example\r\n");
    CHECK(m.poll().starts_with(follows));
  }
}

TEST_CASE("what is no name has no SPF of its own, and a null sender's is the hello's alone") {
  for (const char* helo : {"[192.0.2.1]", "localhost", "", "a b.example"}) {
    CAPTURE(helo);
    Messages m;
    m.facts.helo = helo;
    m.message();
    CHECK_FALSE(says(m.field(), "smtp.helo"));
  }
  Messages m;
  m.zone.texts["mail.far.example"] = {"v=spf1 ip4:192.0.2.1 -all"};
  m.mail("<>");
  m.content("From: a@mail.far.example\r\n");
  CHECK(m.poll() == "accept");
  std::string field = m.field();
  CHECK(says(field, "spf=pass"));
  CHECK(field.find("smtp.helo") == field.rfind("smtp.helo"));
  CHECK_FALSE(says(field, "smtp.mailfrom"));
  CHECK(std::count(m.zone.asked.begin(), m.zone.asked.end(), "mail.far.example") == 1);
}

TEST_CASE("a session's hello is looked up once, and again when minutes have passed") {
  Messages m;
  auto asked = [&] {
    return std::count(m.zone.asked.begin(), m.zone.asked.end(), "mail.far.example");
  };
  m.message();
  m.message();
  CHECK(asked() == 1);
  m.clock.pass(6min);
  m.message();
  CHECK(asked() == 2);
  m.facts.helo = "other.far.example";
  m.message();
  CHECK(asked() == 2);
  CHECK(says(m.field(), "smtp.helo=other.far.example"));
  // What the DNS did not answer is asked again.
  m.zone.held = {"slow.far.example"};
  m.facts.helo = "slow.far.example";
  CHECK(m.message() == "waits");
  m.clock.pass(20s);
  CHECK(m.poll() == "accept");
  CHECK(says(m.field(), "spf=temperror"));
  m.zone.let_go();
  m.message();
  CHECK(std::count(m.zone.asked.begin(), m.zone.asked.end(), "slow.far.example") == 2);
}

TEST_CASE("what DMARC found is noted for its domain where that asks for reports") {
  Messages m;
  CHECK(m.message() == "accept");
  CHECK(m.notes.take().empty());  // it asks for none
  m.zone.texts["_dmarc.far.example"] = {"v=DMARC1; p=reject; rua=mailto:r@far.example"};
  m.message();
  m.message();
  m.facts.session.client_address = "192.0.2.7";
  m.message();
  auto noted = m.notes.take();
  REQUIRE(noted.size() == 2);
  CHECK(noted[0].count == 2);
  CHECK(noted[0].result.row.done == mail::DmarcDone::pass);
  CHECK(noted[1].count == 1);
  CHECK(noted[1].result.row.source == "192.0.2.7");
  CHECK(noted[1].result.row.done == mail::DmarcDone::reject);
  // Over a Unix socket come clients without an address.
  m.facts.session.family = ipc::FilterSession::Family::local;
  m.message();
  CHECK(m.notes.take().empty());
}

TEST_CASE("mail that is put off is noted when it comes again") {
  Messages m;
  m.zone.texts["_dmarc.far.example"] = {"v=DMARC1; p=reject; rua=mailto:r@far.example"};
  m.zone.held = {"far.example"};  // SPF does not come to its end
  CHECK(m.message() == "waits");
  m.clock.pass(20s);
  CHECK(m.poll().substr(0, 3) == "451");
  CHECK(m.notes.take().empty());
  m.zone.let_go();
  CHECK(m.message() == "accept");
  CHECK(m.notes.take().size() == 1);
}

TEST_CASE("a message waits for the DNS, and is told when an answer comes") {
  Messages m;
  m.zone.held = {"far.example"};
  CHECK(m.message() == "waits");
  CHECK(m.changes == 0);
  m.zone.let_go();
  CHECK(m.changes > 0);
  CHECK(m.poll() == "accept");
  CHECK(says(m.field(), "spf=pass"));
}

TEST_CASE("what is not known after its time is a temporary error, and nothing follows") {
  Messages m(settings_of(AuthenticationAction::refuse, AuthenticationAction::refuse));
  m.zone.held = {"far.example", "_dmarc.far.example"};
  CHECK(m.message() == "waits");
  m.clock.pass(19s);
  CHECK(m.poll() == "waits");
  m.clock.pass(1s);
  CHECK(m.changes > 0);
  CHECK(m.poll() == "accept");
  std::string field = m.field();
  CHECK(says(field, "spf=temperror"));
  CHECK(says(field, "dmarc=temperror"));
  m.zone.let_go();  // nobody is there any more
  CHECK(m.message() == "accept");
  CHECK(says(m.field(), "dmarc=pass"));
}

TEST_CASE("answers of a message that is over are nobody's") {
  Messages m;
  m.zone.held = {"far.example"};
  CHECK(m.message() == "waits");
  SECTION("it is broken off") {
    m.member->abort();
  }
  SECTION("another one begins") {
    m.mail("<x@other.example>");
  }
  SECTION("the session ends") {
    m.member.reset();
  }
  int before = m.changes;
  m.zone.let_go();
  CHECK(m.changes == before);
}

TEST_CASE("never more follows than the domain asks for") {
  struct Row {
    AuthenticationAction setting;
    const char* policy;
    const char* follows;
  };
  auto row = GENERATE(values<Row>({
      {AuthenticationAction::refuse, "reject", "550 5.7.1"},
      {AuthenticationAction::refuse, "quarantine", "hold"},
      {AuthenticationAction::refuse, "none", "accept"},
      {AuthenticationAction::hold, "reject", "hold"},
      {AuthenticationAction::hold, "quarantine", "hold"},
      {AuthenticationAction::note, "reject", "accept"},
  }));
  CAPTURE(row.policy, row.follows);
  Messages m(settings_of(AuthenticationAction::note, row.setting));
  m.zone.texts["_dmarc.far.example"] = {std::string("v=DMARC1; p=") + row.policy};
  m.facts.session.client_address = "192.0.2.9";
  CHECK(m.message().starts_with(row.follows));
}

TEST_CASE("SPF alone refuses, but not what DMARC knows by its signature") {
  config::Authentication settings =
      settings_of(AuthenticationAction::refuse, AuthenticationAction::note);
  AuthenticationFindings findings;
  findings.client = "192.0.2.9";
  findings.spf.emplace();
  findings.spf->result = authentication::SpfResult::fail;
  findings.spf->domain = "far.example";
  CHECK(verdict_of(settings, findings).reply.code == 550);
  CHECK(verdict_of(settings, findings).reply.one_line().starts_with("550 5.7.23"));
  findings.dmarc.emplace();
  findings.dmarc->verdict = authentication::DmarcVerdict::pass;
  CHECK(verdict_of(settings, findings).verdict == ipc::FilterVerdict::keep_going);
  findings.dmarc.reset();
  findings.spf->result = authentication::SpfResult::softfail;
  CHECK(verdict_of(settings, findings).verdict == ipc::FilterVerdict::keep_going);
}

TEST_CASE("a broken signature of the author's domain, as far as that domain asks for it") {
  using authentication::dkim::Verdict;
  config::Authentication settings =
      settings_of(AuthenticationAction::note, AuthenticationAction::note);
  AuthenticationFindings findings;
  findings.dmarc.emplace();
  findings.dmarc->verdict = authentication::DmarcVerdict::pass;  // by SPF
  findings.dmarc->author = "far.example";
  findings.dmarc->policy = authentication::DmarcPolicy::reject;
  findings.dkim.emplace(1);
  authentication::dkim::SignatureResult& signature = findings.dkim->front();
  signature.verdict = Verdict::fail;
  signature.domain_key = "far.example";
  auto follows = [&] {
    AuthenticationVerdict said = verdict_of(settings, findings);
    return said.hold              ? "hold"
           : said.reply.code == 0 ? "accept"
                                  : said.reply.one_line().substr(0, 10);
  };
  CHECK(follows() == "accept");
  settings.dkim = AuthenticationAction::hold;
  CHECK(follows() == "hold");
  settings.dkim = AuthenticationAction::refuse;
  CHECK(follows() == "550 5.7.20");
  findings.from_list = true;
  CHECK(follows() == "hold");
  findings.from_list = false;
  findings.dmarc->policy = authentication::DmarcPolicy::quarantine;
  CHECK(follows() == "hold");
  findings.dmarc->policy = authentication::DmarcPolicy::none;
  CHECK(follows() == "accept");
  findings.dmarc->policy = authentication::DmarcPolicy::reject;
  for (Verdict harmless : {Verdict::temperror, Verdict::neutral, Verdict::policy}) {
    signature.verdict = harmless;
    CHECK(follows() == "accept");
  }
  signature.verdict = Verdict::fail;
  signature.domain_key = "other.example";
  CHECK(follows() == "accept");
  signature.domain_key = "far.example";
  findings.dmarc->dkim_aligned = true;  // another one passes
  CHECK(follows() == "accept");
}

TEST_CASE("a chain counts whose last sealer is trusted, and no other") {
  config::Authentication settings =
      settings_of(AuthenticationAction::refuse, AuthenticationAction::refuse);
  settings.arc.trusted = {"lists.example"};
  AuthenticationFindings findings;
  findings.spf.emplace();
  findings.spf->result = authentication::SpfResult::fail;
  findings.dmarc.emplace();
  findings.dmarc->verdict = authentication::DmarcVerdict::fail;
  findings.dmarc->published = authentication::DmarcPolicy::reject;
  findings.dmarc->policy = authentication::DmarcPolicy::reject;
  findings.arc.emplace();
  findings.arc->verdict = authentication::arc::ArcVerdict::pass;
  findings.arc->sets = 2;
  auto verdict = [&] { return verdict_of(settings, findings).verdict; };
  findings.arc->results = " i=2; lists.example; dmarc=pass header.from=far.example";
  findings.author = {authentication::AuthorVerdict::one, "far.example"};
  findings.arc->sealers = {"other.example", "lists.example"};
  CHECK(verdict() == ipc::FilterVerdict::keep_going);
  findings.arc->results = " i=2; lists.example; dkim=pass header.d=far.example; dmarc=none";
  CHECK(verdict() == ipc::FilterVerdict::keep_going);
  CHECK_FALSE(verdict_of(settings, findings).hold);
  findings.arc->sealers = {"lists.example", "other.example"};
  CHECK(verdict() == ipc::FilterVerdict::refuse);
  findings.arc->sealers = {"lists.example"};
  CHECK(verdict() == ipc::FilterVerdict::keep_going);
  for (const char* found :
       {" i=2; lists.example; dmarc=fail header.from=far.example", "",
        " i=2; lists.example; dmarc=pass header.from=other.example", " i=2; lists.example; none",
        " i=2; dmarc=pass header.from=far.example"}) {
    CAPTURE(found);
    findings.arc->results = found;
    CHECK(verdict() == ipc::FilterVerdict::refuse);
  }
  findings.arc->results = " i=2; lists.example; dmarc=pass header.from=far.example";
  findings.arc->verdict = authentication::arc::ArcVerdict::fail;
  CHECK(verdict() == ipc::FilterVerdict::refuse);
}

TEST_CASE("fields that claim to be ours go, from the last to the first") {
  Messages m;
  CHECK(m.message("Authentication-Results: mx.us.example; spf=pass\r\n"
                  "Authentication-Results: other.example; spf=pass\r\n"
                  "Authentication-Results: MX.US.example 1; dkim=pass\r\n"
                  "From: bob@far.example\r\n") == "accept");
  std::vector<milter::Edit> edits = m.member->take_edits();
  REQUIRE(edits.size() == 3);
  CHECK((edits[0].kind == milter::Edit::Kind::change_header && edits[0].value.empty()));
  CHECK((edits[0].index == 3 && edits[1].index == 1));
  CHECK(edits[2].kind == milter::Edit::Kind::insert_header);
}

TEST_CASE("who claims our name too often is refused") {
  Messages m(settings_of(AuthenticationAction::note, AuthenticationAction::note));
  std::string fields;
  for (std::size_t i = 0; i <= kForgedResultsMax; ++i)
    fields += "Authentication-Results: mx.us.example; spf=pass\r\n";
  CHECK(m.message(fields).starts_with("550 5.7.1"));
  CHECK(m.member->take_edits().empty());
}

TEST_CASE("a client on a Unix socket has no address for SPF, and is looked at all the same") {
  Messages m;
  m.facts.session.family = ipc::FilterSession::Family::local;
  CHECK(m.message("Authentication-Results: mx.us.example; spf=pass\r\n"
                  "From: bob@far.example\r\n")
            .starts_with("550 5.7.1"));
  CHECK(m.zone.asked == std::vector<std::string>{"_dmarc.far.example"});
}

TEST_CASE("mail of clients that may relay is not looked at") {
  Messages m;
  m.known = true;
  CHECK(m.message() == "accept");
  CHECK(m.member->take_edits().empty());
  CHECK(m.zone.asked.empty());
  CHECK_FALSE(m.member->judgement());
}

TEST_CASE("a From field that names nobody, or several, is no way past DMARC") {
  struct Row {
    const char* fields;
    bool passes;
  };
  auto row = GENERATE(values<Row>({
      {"Subject: nobody\r\n", true},
      {"From: MAILER-DAEMON\r\n", true},
      {"", true},
      {"From: a@far.example, b@other.example\r\n", false},
      {"From: a@far.example\r\nFrom: a@far.example\r\n", false},
      {"From: CEO <ceo@far.example> x\r\n", false},
      {"From: <ceo@far.example\r\n", false},
      {"From: ceo@far.example <x@other.example>\r\n", false},
  }));
  CAPTURE(row.fields);
  for (auto setting :
       {AuthenticationAction::note, AuthenticationAction::hold, AuthenticationAction::refuse}) {
    Messages m(settings_of(AuthenticationAction::note, setting));
    std::string said = m.message(row.fields);
    if (row.passes || setting == AuthenticationAction::note) {
      CHECK(said == "accept");
      CHECK(says(m.field(), "dmarc=none"));
    } else {
      CHECK(said.starts_with(setting == AuthenticationAction::hold ? "hold" : "550 5.7.1"));
    }
  }
}

TEST_CASE("a slow DNS of the sender does not make DMARC go away") {
  Messages m;
  m.zone.held = {"slow.example"};
  m.mail("<x@slow.example>");
  m.content();
  CHECK(m.poll() == "waits");
  m.clock.pass(15s);
  CHECK(m.poll().starts_with("550 5.7.1"));
}

TEST_CASE("mail that may be its author's by a name that cannot be looked up comes again") {
  Messages m;
  m.zone.held = {"broken.far.example"};
  m.mail("<x@broken.far.example>");
  m.content();
  CHECK(m.poll() == "waits");
  m.clock.pass(15s);
  CHECK(m.poll().starts_with("451 4.7.1"));
}

TEST_CASE("a watched check writes down what it finds and changes nothing") {
  config::Authentication settings =
      settings_of(AuthenticationAction::refuse, AuthenticationAction::refuse);
  settings.mode = config::FilterMode::watch;
  Messages m(settings);
  m.facts.session.client_address = "192.0.2.9";
  CHECK(m.message("Authentication-Results: mx.us.example; spf=pass\r\n"
                  "From: bob@far.example\r\n") == "accept");
  CHECK(m.member->take_edits().empty());
  REQUIRE(m.member->judgement());
  CHECK(m.member->judgement()->watch);
}
