// A judge of [authentication] whose DNS and clock a test holds, and messages before it.
#pragma once

#include <catch2/catch.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/config/config.h"
#include "filter/authentication/authentication_judge.h"
#include "filter/authentication/authentication_member.h"
#include "filter/authentication/dmarc_notes.h"
#include "filter/shared.h"
#include "tests/unit/queue/virtual_clock.h"

namespace postwain::filter::rig {

using namespace std::chrono_literals;
using authentication::Ask;
using authentication::DnsAnswer;
using authentication::DnsQuestion;
using config::AuthenticationAction;
using ipc::FilterStage;

// Answers at once; what is held is answered when it is let go, or never.
struct ZoneOfTest {
  std::map<std::string, std::vector<std::string>> texts;
  std::set<std::string> held;
  std::vector<std::pair<std::string, std::function<void(const DnsAnswer&)>>> waiting;
  std::vector<std::string> asked;

  DnsAnswer answer_of(const std::string& name) {
    auto found = texts.find(name);
    if (found == texts.end()) return {dns::AnswerStatus::no_such_name};
    return {dns::AnswerStatus::ok, found->second};
  }
  void let_go() {
    held.clear();
    for (auto& [name, done] : std::exchange(waiting, {})) done(answer_of(name));
  }
};

struct PlayedPort final : DnsPort {
  explicit PlayedPort(ZoneOfTest& from) : zone(from) {}
  void ask(const DnsQuestion& question, std::function<void(const DnsAnswer&)> done) override {
    zone.asked.push_back(question.name);
    if (zone.held.count(question.name) > 0)
      zone.waiting.emplace_back(question.name, std::move(done));
    else
      done(question.ask == Ask::text ? zone.answer_of(question.name)
                                     : DnsAnswer{dns::AnswerStatus::no_data});
  }
  ZoneOfTest& zone;
};

inline config::Authentication settings_of(AuthenticationAction spf, AuthenticationAction dmarc) {
  config::Authentication out;
  out.wanted = true;
  out.name = "mx.us.example";
  out.spf = spf;
  out.dmarc = dmarc;
  return out;
}

inline rewrite::OwnDomains own_domains() {
  config::Config config;
  config.domains.push_back({{"ours.example"}, config::RecipientCheck::any, {}, {}});
  return rewrite::OwnDomains(config);
}

class Messages final : private MemberOwner {
 public:
  explicit Messages(config::Authentication given = settings_of(AuthenticationAction::note,
                                                               AuthenticationAction::refuse))
      : settings(std::move(given)) {
    zone.texts["far.example"] = {"v=spf1 ip4:192.0.2.1 -all"};
    zone.texts["_dmarc.far.example"] = {"v=DMARC1; p=reject"};
    judge = std::make_unique<AuthenticationJudge>(clock, std::make_unique<PlayedPort>(zone),
                                                  settings, "mx.us.example", own_domains(), &notes);
    facts.session.family = ipc::FilterSession::Family::ipv4;
    facts.session.client_address = "192.0.2.1";
    facts.helo = "mail.far.example";
    member = judge->make_member(shared, facts, *this);
  }

  void mail(const std::string& sender = "<bob@far.example>") {
    member->begin_message();
    ipc::FilterEvent event;
    event.stage = FilterStage::mail;
    event.text = sender;
    event.known = known;
    member->give(event);
    CHECK(poll() == "accept");  // no command waits for the DNS
  }
  void content(const std::string& fields = "From: bob@far.example\r\n") {
    mail::HeaderEdits header("Received: by us\r\n" + fields, 1);
    member->give_header(header);
    member->give_body("hello\r\n");
    member->give_end_of_message();
  }
  // "waits", "accept", "hold …", or the reply.
  std::string poll() {
    std::optional<Opinion> said = member->poll();
    if (!said) return "waits";
    if (said->hold) return "hold " + *said->hold;
    return said->reply.code == 0 ? std::string(name_of(said->verdict)) : said->reply.one_line();
  }
  std::string message(const std::string& fields = "From: bob@far.example\r\n") {
    mail();
    content(fields);
    return poll();
  }
  // Of the edits, the one that puts our field in.
  std::string field() {
    for (const milter::Edit& edit : member->take_edits())
      if (edit.kind == milter::Edit::Kind::insert_header) return edit.value;
    return {};
  }

  void member_changed() override { ++changes; }

  config::Authentication settings;
  ZoneOfTest zone;
  postwain::test::VirtualClock clock{from_unix_ms(1'700'000'000'000)};
  net::Loop loop;
  Shared shared{loop, clock};
  SessionFacts facts;
  DmarcNotes notes{"dmarc@us.example"};
  std::unique_ptr<AuthenticationJudge> judge;
  std::unique_ptr<ChainMember> member;
  int changes = 0;
  bool known = false;
};

inline bool says(const std::string& text, std::string_view words) {
  return text.find(words) != std::string::npos;
}

}  // namespace postwain::filter::rig
