// One stranger after the other before a judge whose DNS, clock and files a test holds.
#pragma once

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "filter/shared.h"
#include "filter/strangers/strangers_judge.h"
#include "filter/strangers/strangers_member.h"
#include "tests/unit/queue/virtual_clock.h"

namespace postwain::filter::test {

using namespace std::chrono_literals;
using ipc::FilterStage;

// Answers at once; what is held is answered when it is let go, or never.
class PlayedDns final : public ListPort {
 public:
  std::map<std::string, std::vector<std::string>> addresses, texts, names_of;
  std::set<std::string> held;
  std::vector<std::string> asked;
  std::map<std::string, std::function<void()>> waiting;

  void ipv4(const std::string& name, std::function<void(const dns::AddressAnswer&)> done) override {
    both(name, std::move(done));
  }
  void both(const std::string& name, std::function<void(const dns::AddressAnswer&)> done) override {
    asked.push_back(name);
    answer(name, [this, name, done = std::move(done)] {
      done({status(addresses, name), addresses[name]});
    });
  }
  void text(const std::string& name, std::function<void(const dns::TextAnswer&)> done) override {
    answer("txt " + name, [this, name, done = std::move(done)] {
      done({status(texts, name), texts[name]});
    });
  }
  void names(const std::string& address,
             std::function<void(const dns::NameAnswer&)> done) override {
    answer(address, [this, address, done = std::move(done)] {
      done({status(names_of, address), names_of[address]});
    });
  }
  void let_go(const std::string& name) {
    held.erase(name);
    auto call = std::move(waiting[name]);
    waiting.erase(name);
    call();
  }

 private:
  static dns::AnswerStatus status(const std::map<std::string, std::vector<std::string>>& from,
                                  const std::string& name) {
    auto found = from.find(name);
    return found == from.end() || found->second.empty() ? dns::AnswerStatus::no_such_name
                                                        : dns::AnswerStatus::ok;
  }
  void answer(const std::string& name, std::function<void()> call) {
    if (held.count(name) > 0)
      waiting[name] = std::move(call);
    else
      call();
  }
};

struct PassOn final : ListPort {
  explicit PassOn(PlayedDns& to) : dns(to) {}
  void ipv4(const std::string& n, std::function<void(const dns::AddressAnswer&)> d) override {
    dns.ipv4(n, std::move(d));
  }
  void both(const std::string& n, std::function<void(const dns::AddressAnswer&)> d) override {
    dns.both(n, std::move(d));
  }
  void text(const std::string& n, std::function<void(const dns::TextAnswer&)> d) override {
    dns.text(n, std::move(d));
  }
  void names(const std::string& a, std::function<void(const dns::NameAnswer&)> d) override {
    dns.names(a, std::move(d));
  }
  PlayedDns& dns;
};

inline config::Strangers strangers_of() {
  config::Strangers out;
  out.wanted = true;
  config::DnsList list;
  list.zone = "k3y.zen.example";
  list.label = "zen";
  list.answers = {*config::parse_answer_pattern("127.0.0.2-127.0.0.11")};
  list.weight = 5;
  out.lists.push_back(list);
  out.greylist_at = 2;
  out.refuse_at = 5;
  return out;
}

struct SeenFolder {
  SeenFolder() { REQUIRE(::mkdtemp(path) != nullptr); }
  ~SeenFolder() { std::filesystem::remove_all(path); }
  SeenFiles open() const {
    SeenFiles files;
    REQUIRE(files.open(path).ok());
    return files;
  }
  char path[32] = "/tmp/pw-seen-XXXXXX";
};

class Strangers final : private MemberOwner {
 public:
  explicit Strangers(config::Strangers given = strangers_of()) : settings(std::move(given)) {
    dns.addresses["2.0.0.127.k3y.zen.example"] = {"127.0.0.2"};
    dns.names_of["192.0.2.1"] = {"mail.sender.example"};
    dns.addresses["mail.sender.example"] = {"192.0.2.1"};
    restart();
  }
  void restart(bool saves = true) {
    member.reset();
    if (judge && saves) judge->save();
    judge.reset();
    judge = std::make_unique<StrangersJudge>(clock, std::make_unique<PassOn>(dns), settings,
                                             "mx.us.example", folder.open());
    judge->start();
  }

  void open(const std::string& address = "192.0.2.1") {
    member.reset();
    facts = {};
    facts.session.family = address.find(':') == std::string::npos
                               ? ipc::FilterSession::Family::ipv4
                               : ipc::FilterSession::Family::ipv6;
    facts.session.client_address = address;
    member = judge->make_member(shared, facts, *this);
  }
  void give(FilterStage stage, std::string text = {}) {
    ipc::FilterEvent event;
    event.stage = stage;
    event.awaited = true;
    event.text = text;
    event.known = known;
    event.talked_early = talked_early;
    event.rejected = rejected;
    if (stage == FilterStage::helo) facts.helo = text;
    if (stage == FilterStage::mail) member->begin_message();
    member->give(event);
  }
  // "waits", "accept", or the reply.
  std::string poll() {
    std::optional<Opinion> said = member->poll();
    if (!said) return "waits";
    return said->reply.code == 0 ? std::string(name_of(said->verdict)) : said->reply.one_line();
  }
  std::string tell(FilterStage stage, std::string text = {}) {
    give(stage, std::move(text));
    return poll();
  }
  void greet(const std::string& address = "192.0.2.1",
             const std::string& helo = "mail.sender.example") {
    open(address);
    tell(FilterStage::connect);
    tell(FilterStage::helo, helo);
  }
  std::string message(const std::string& to = "b@example.net",
                      const std::string& from = "a@sender.example") {
    tell(FilterStage::mail, "<" + from + ">");
    return tell(FilterStage::rcpt, "<" + to + ">");
  }
  // A whole session; "data …" where it ends there.
  std::string session(const std::string& address = "192.0.2.1",
                      const std::string& to = "b@example.net",
                      const std::string& from = "a@sender.example") {
    greet(address);
    std::string said = message(to, from);
    if (said != "accept") return said;
    said = tell(FilterStage::data);
    if (said != "accept") return "data " + said;
    member->message_accepted();
    return "accept";
  }

  void member_changed() override { ++changes; }

  config::Strangers settings;
  PlayedDns dns;
  postwain::test::VirtualClock clock{from_unix_ms(1'700'000'000'000)};
  SeenFolder folder;
  net::Loop loop;
  Shared shared{loop, clock};
  SessionFacts facts;
  std::unique_ptr<StrangersJudge> judge;
  std::unique_ptr<ChainMember> member;
  int changes = 0;
  bool known = false;
  bool talked_early = false;
  bool rejected = false;
};

inline const std::string kBlocked = "550 5.7.1 Client [192.0.2.1] blocked by zen";
inline const std::string kEntry = "1.2.0.192.k3y.zen.example";

// Nobody whose name the DNS knows: 2 points.
inline config::Strangers greylisting() {
  config::Strangers out = strangers_of();
  out.weights.no_name = 2;
  return out;
}
inline const std::string kNameless = "198.51.100.7";
inline const std::string kPutOff = "451 4.7.1 Greylisted, try again in 300 seconds";

}  // namespace postwain::filter::test
