// What becomes of strangers: refused for lists, put off, passed, remembered.
#include "tests/unit/filter/strangers_rig.h"

using namespace postwain;
using namespace postwain::filter;
using namespace postwain::filter::test;

TEST_CASE("a client that nothing is said of passes") {
  Strangers one;
  CHECK(one.session() == "accept");
  REQUIRE(one.member->judgement());
  CHECK(one.member->judgement()->score == 0);
  CHECK(one.member->judgement()->score_limit == 5000);
}

TEST_CASE("a client on a list is refused at RCPT, and hears which list and why") {
  Strangers one;
  one.dns.addresses[kEntry] = {"127.0.0.4"};
  CHECK(one.session() == kBlocked);
  one.dns.texts[kEntry] = {"https://zen.example/query"};
  CHECK(one.session() == kBlocked + "; https://zen.example/query");
  const auto& judgement = one.member->judgement();
  REQUIRE(judgement);
  CHECK(judgement->verdict == ipc::FilterVerdict::refuse);
  CHECK(judgement->stage == FilterStage::rcpt);
  REQUIRE(judgement->scores.size() == 1);
  CHECK((judgement->scores[0].name == "zen" && judgement->scores[0].thousandths == 5000));
  // Whoever is refused can still ask why.
  CHECK(one.message("postmaster@example.net") == "accept");
}

TEST_CASE("a list that is silent about its reason is not waited for longer than two seconds") {
  Strangers one;
  one.dns.addresses[kEntry] = {"127.0.0.4"};
  one.dns.held = {"txt " + kEntry};
  one.greet();
  CHECK(one.message() == "waits");
  one.clock.pass(2s);
  CHECK(one.poll() == kBlocked);
  one.dns.let_go("txt " + kEntry);
}

TEST_CASE("clients that may relay, and recipients refused anyway, are none of its business") {
  Strangers one;
  one.dns.addresses[kEntry] = {"127.0.0.4"};
  one.known = true;
  CHECK(one.session() == "accept");
  CHECK(std::count(one.dns.asked.begin(), one.dns.asked.end(), kEntry) == 0);
  one.known = false;
  one.rejected = true;
  CHECK(one.session() == "accept");
}

TEST_CASE("whoever logs in is not judged by his address") {
  Strangers one;
  one.dns.addresses[kEntry] = {"127.0.0.4"};
  one.greet();
  one.known = true;
  CHECK(one.message() == "accept");
}

TEST_CASE("an answer is waited for at RCPT, five seconds at most, and counts no more afterwards") {
  Strangers one;
  one.dns.addresses[kEntry] = {"127.0.0.4"};
  one.dns.held = {kEntry};
  one.greet();
  CHECK(one.message() == "waits");
  SECTION("it comes") {
    one.clock.pass(4s);
    CHECK(one.poll() == "waits");
    one.dns.let_go(kEntry);
    CHECK(one.changes > 0);
    CHECK(one.poll() == kBlocked);
  }
  SECTION("it does not") {
    one.clock.pass(5s);
    CHECK(one.changes > 0);
    CHECK(one.poll() == "accept");
    one.dns.let_go(kEntry);
    CHECK(one.message() == "accept");
  }
  SECTION("the session is over before") {
    one.member.reset();
    one.dns.let_go(kEntry);
  }
}

TEST_CASE("closed lists and resolvers that rewrite answers cost no mail") {
  Strangers one;
  one.dns.addresses[kEntry] = {"127.0.0.4"};
  SECTION("everything is listed") {
    one.dns.addresses["1.0.0.127.k3y.zen.example"] = {"127.0.0.2"};
  }
  SECTION("nothing is") {
    one.dns.addresses.erase("2.0.0.127.k3y.zen.example");
  }
  SECTION("the test is refused") {
    one.dns.addresses["2.0.0.127.k3y.zen.example"] = {"127.255.255.254"};
  }
  SECTION("a resolver has an address for every name") {
    one.dns.addresses["1.0.0.127.k3y.zen.example"] = {"203.0.113.80"};
  }
  SECTION("the list is silent") {
    one.dns.held = {"2.0.0.127.k3y.zen.example"};
  }
  one.restart();
  one.greet();
  std::string said = one.message();
  if (said == "waits") {  // for the test of the list
    one.clock.pass(5s);
    said = one.poll();
  }
  CHECK(said == "accept");
}

TEST_CASE("a list that begins to refuse us counts no more, and is tested again in 15 minutes") {
  Strangers one;
  one.dns.addresses[kEntry] = {"127.255.255.254"};
  CHECK(one.session() == "accept");
  one.dns.addresses[kEntry] = {"127.0.0.4"};
  one.clock.pass(14min);
  CHECK(one.session() == "accept");
  one.clock.pass(2min);
  CHECK(one.session() == kBlocked);
}

TEST_CASE("a list that answers nobody is waited for five times, and then no more") {
  Strangers one;
  for (int i = 1; i <= 6; ++i) one.dns.held.insert(std::to_string(i) + ".2.0.192.k3y.zen.example");
  for (int i = 1; i <= 5; ++i) {
    one.greet("192.0.2." + std::to_string(i));
    CHECK(one.message() == "waits");
    one.clock.pass(5s);
    CHECK(one.poll() == "accept");
  }
  CHECK(one.session("192.0.2.6") == "accept");
}

TEST_CASE("a list with a good word outweighs one with a bad one") {
  config::Strangers settings = strangers_of();
  settings.lists.push_back(settings.lists[0]);
  settings.lists[1].zone = settings.lists[1].label = "good.example";
  settings.lists[1].weight = -5;
  Strangers one(settings);
  one.dns.addresses["2.0.0.127.good.example"] = {"127.0.0.2"};
  one.restart();
  one.dns.addresses[kEntry] = {"127.0.0.4"};
  CHECK(one.session() == kBlocked);
  one.dns.addresses["1.2.0.192.good.example"] = {"127.0.0.2"};
  CHECK(one.session() == "accept");
}

TEST_CASE("lists of names are asked about the hello, the name of the address and the sender") {
  using enum config::ListKey;
  auto [by, subject] = GENERATE(table<config::ListKey, std::string>(
      {{helo, "mail.sender.example"}, {ptr, "mail.sender.example"}, {sender, "sender.example"}}));
  config::Strangers settings = strangers_of();
  settings.lists[0].by = by;
  Strangers one(settings);
  one.dns.addresses[subject + ".k3y.zen.example"] = {"127.0.0.4"};
  CHECK(one.session() == kBlocked);
  CHECK(one.session("192.0.2.1", "b@example.net", "a@other.example") ==
        (by == sender ? "accept" : kBlocked));
}

TEST_CASE("a weak-looking stranger is put off, and passes when it comes back") {
  Strangers one(greylisting());
  CHECK(one.session() == "accept");  // it has a name
  CHECK(one.session(kNameless) == kPutOff);
  one.clock.pass(12s);
  CHECK(one.session(kNameless) == "451 4.7.1 Greylisted, try again in 288 seconds");
  one.clock.pass(288s);
  CHECK(one.session(kNameless) == "accept");
  CHECK(one.session(kNameless) == "accept");
  // Two good messages: nobody of the network waits any more, whomever he writes to.
  CHECK(one.session("198.51.100.8", "c@example.net", "x@other.example") == "accept");
  CHECK(one.session("203.0.113.8") == kPutOff);
}

TEST_CASE("mail to postmaster, which nobody looks at, makes no stranger known") {
  Strangers one(greylisting());
  for (int i = 0; i < 3; ++i) {
    one.greet(kNameless);
    (void)one.message("postmaster@example.net");
    one.member->message_accepted();
  }
  CHECK(one.session(kNameless) == kPutOff);
}

TEST_CASE("clients of one IPv6 /64 are one stranger") {
  Strangers one(greylisting());
  CHECK(one.session("2001:db8:1:2::7") == kPutOff);
  one.clock.pass(5min);
  CHECK(one.session("2001:db8:1:3::7") == kPutOff);
  CHECK(one.session("2001:db8:1:2:aaaa::1") == "accept");
}

TEST_CASE("the pool of a big sender is one stranger, in whatever network") {
  config::Strangers settings = strangers_of();
  settings.greylist.everyone = true;
  Strangers one(settings);
  for (const char* address : {"192.0.2.10", "198.51.100.10", "203.0.113.10"}) {
    std::string name = std::string("o") + address[0] + address[2] + ".out.big.example";
    one.dns.names_of[address] = {name};
    one.dns.addresses[name] = {address};
  }
  CHECK(one.session("192.0.2.10") == kPutOff);
  one.clock.pass(5min);
  CHECK(one.session("198.51.100.10") == "accept");
  CHECK(one.session("198.51.100.10") == "accept");
  CHECK(one.session("203.0.113.10", "z@example.net") == "accept");
}

TEST_CASE("whom one of us has written to is not put off when he answers, and only him") {
  Strangers one(greylisting());
  one.known = true;
  CHECK(one.session("127.0.0.1", "Friend@far.example", "b@example.net") == "accept");
  one.known = false;
  CHECK(one.session(kNameless, "b@example.net", "x@far.example") == kPutOff);
  CHECK(one.session(kNameless, "c@example.net", "friend@far.example") == kPutOff);
  CHECK(one.session(kNameless, "B@example.net", "friend@Far.example") == "accept");
}

TEST_CASE("submission is heard for that where anybody is put off, and never judged") {
  Strangers one(greylisting());
  CHECK(one.judge->is_on("in", ipc::FilterKind::submission));
  one.dns.addresses[kEntry] = {"127.0.0.4"};
  one.open();
  one.facts.session.kind = ipc::FilterKind::submission;
  one.tell(FilterStage::connect);
  CHECK(one.message() == "accept");
  config::Strangers nobody_waits = greylisting();
  nobody_waits.greylist_at.reset();
  CHECK_FALSE(Strangers(nobody_waits).judge->is_on("in", ipc::FilterKind::submission));
}

TEST_CASE("mail without a sender is put off at DATA, so that callouts get their answer") {
  Strangers one(greylisting());
  CHECK(one.session(kNameless, "b@example.net", "") == "data " + kPutOff);
  one.clock.pass(5min);
  CHECK(one.session(kNameless, "b@example.net", "") == "accept");
}

TEST_CASE("who was seen outlives a restart, a kill, and damaged files") {
  Strangers one(greylisting());
  CHECK(one.session(kNameless) == kPutOff);
  SECTION("a restart") {
    one.restart();
  }
  SECTION("a kill a second later") {
    one.clock.pass(1s);
    one.restart(false);
  }
  SECTION("one of the two files is damaged") {
    one.restart();
    one.session("203.0.113.1");
    one.restart();
    for (int which : {0, 1}) {
      std::string path = std::string(one.folder.path) + "/seen." + std::to_string(which);
      REQUIRE(std::filesystem::file_size(path) > 60);
    }
    std::ofstream(std::string(one.folder.path) + "/seen.0") << "nonsense";
    one.restart(false);
  }
  one.clock.pass(5min);
  CHECK(one.session(kNameless) == "accept");
}

TEST_CASE("when both files are damaged it begins anew, and mail goes on") {
  Strangers one(greylisting());
  one.session(kNameless);
  one.restart();
  for (const char* name : {"/seen.0", "/seen.1"})
    std::ofstream(one.folder.path + std::string(name)) << std::string(5000, 'x');
  one.restart(false);
  one.clock.pass(5min);
  CHECK(one.session(kNameless) == kPutOff);
  one.restart();
  one.clock.pass(5min);
  CHECK(one.session(kNameless) == "accept");
}

TEST_CASE("the greeting is delayed for whoever has not waited for it yet") {
  config::Strangers settings = strangers_of();
  settings.greet_delay = 4s;
  Strangers one(settings);
  CHECK((one.judge->awaited_stages() & ipc::bit_of(FilterStage::connect)) != 0);
  one.open();
  CHECK(one.tell(FilterStage::connect) == "waits");
  one.clock.pass(3s);
  CHECK(one.poll() == "waits");
  one.clock.pass(1s);
  CHECK(one.changes > 0);
  CHECK(one.poll() == "accept");
  SECTION("it waits, and is greeted at once for a week") {
    CHECK(one.tell(FilterStage::helo, "mail.sender.example") == "accept");
    CHECK(one.message() == "accept");
    one.open();
    CHECK(one.tell(FilterStage::connect) == "accept");
    one.clock.pass(24h * 8);
    one.open();
    CHECK(one.tell(FilterStage::connect) == "waits");
  }
  SECTION("it talks, and is refused at RCPT") {
    one.talked_early = true;
    CHECK(one.tell(FilterStage::helo, "mail.sender.example") == "accept");
    CHECK(one.message() == "550 5.7.1 Client [192.0.2.1] blocked; it talked before the greeting");
    one.talked_early = false;
    one.open();
    CHECK(one.tell(FilterStage::connect) == "waits");
  }
}

TEST_CASE("watched, it waits for nothing and refuses nothing, and says what it would") {
  config::Strangers settings = greylisting();
  settings.mode = config::FilterMode::watch;
  settings.greet_delay = 4s;
  Strangers one(settings);
  one.dns.addresses[kEntry] = {"127.0.0.4"};
  CHECK(one.judge->awaited_stages() == ipc::bit_of(FilterStage::end_of_message));
  CHECK(one.session() == "accept");
  REQUIRE(one.member->judgement());
  CHECK(one.member->judgement()->verdict == ipc::FilterVerdict::refuse);
  CHECK(one.member->judgement()->watch);
  CHECK(one.session(kNameless) == "accept");
  CHECK(one.member->judgement()->verdict == ipc::FilterVerdict::defer);
}

TEST_CASE("qmgr is told how the lists are, and what they answered about clients") {
  using ipc::ListStanding;
  Strangers one;
  auto report = [&] {
    ipc::FilterReport out;
    one.judge->report_to(out);
    REQUIRE(out.lists.size() == 1);
    return out.lists[0];
  };
  auto answers = [](const ipc::ListState& list, ipc::ListVerdict verdict) {
    return list.answers[static_cast<std::size_t>(verdict)];
  };
  CHECK(one.judge->has_news());
  ipc::ListState first = report();
  CHECK(first.label == "zen");
  CHECK(first.standing == ListStanding::good);
  CHECK_FALSE(first.testing);
  CHECK(first.since == to_unix_ms(one.clock.wall()));
  CHECK(first.next_test == first.since + kListTestEvery.count());
  CHECK_FALSE(one.judge->has_news());
  one.session();
  one.dns.addresses["7.100.51.198.k3y.zen.example"] = {"127.0.0.4"};
  one.session(kNameless);
  one.judge->report();  // of the judge alone
  CHECK(one.judge->has_news());
  ipc::ListState second = report();
  CHECK(answers(second, ipc::ListVerdict::not_listed) == 1);
  CHECK(answers(second, ipc::ListVerdict::listed) == 1);
  CHECK(answers(report(), ipc::ListVerdict::listed) == 0);
  // Nobody answers in time, and what comes then is counted once.
  one.dns.held.insert("9.2.0.192.k3y.zen.example");
  one.greet("192.0.2.9");
  one.clock.pass(kListAnswerMax);
  one.dns.let_go("9.2.0.192.k3y.zen.example");
  CHECK(answers(report(), ipc::ListVerdict::silent) == 1);
  one.dns.addresses["8.2.0.192.k3y.zen.example"] = {"127.255.255.254"};
  one.session("192.0.2.8");
  ipc::ListState refused = report();
  CHECK(refused.standing == ListStanding::refused);
  CHECK(answers(refused, ipc::ListVerdict::refused) == 1);
  CHECK(refused.since == to_unix_ms(one.clock.wall()));
  CHECK(refused.next_test == refused.since + kListPause.count());
}
