#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "common/base/text.h"
#include "common/content/header_edits.h"
#include "common/rspamd/scan_request.h"
#include "filter/rspamd/rspamd_member.h"
#include "filter/trial/probe.h"

namespace postwain::filter {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kCheckSection =
    "From: <postmaster@client.invalid>\r\n"
    "Subject: a check\r\n"
    "Message-ID: <check@client.invalid>\r\n";
constexpr std::string_view kCheckBody =
    "This message is made up: a mail server asks its filters whether they work.\r\n";

// First whether a worker of Rspamd is there at all, then a message as in a session.
class RspamdProbe final : public Probe {
 public:
  RspamdProbe(Shared& shared, const config::Filter& settings, const SessionFacts& facts,
              MemberOwner& owner)
      : service_(settings), member_(shared, service_, facts, owner) {
    ping_ = std::make_unique<ScanConnection>(shared, service_.settings(), owner);
    ping_->write(rspamd::ping_request(service_.settings().socket.text()));
    ping_->finish();
  }

  std::optional<Json> poll() override {
    if (ping_ && !pinged()) return std::nullopt;
    if (found_.contains("failure")) return found_;
    if (!member_.poll()) return std::nullopt;
    const std::optional<ipc::FilterJudgement>& said = member_.judgement();
    if (!said) return std::nullopt;
    if (said->failure != ipc::FilterFailure::none) {
      found_.update(failed_probe(said->failure, said->text));
      return found_;
    }
    found_["state"] = "works";
    found_["milliseconds"] = said->milliseconds;
    if (member_.answered()) found_["action"] = name_of(*member_.answered());
    if (!said->text.empty()) found_["text"] = printable(said->text);
    found_["score"] = said->score / 1000.0;
    found_["score_limit"] = said->score_limit / 1000.0;
    found_["edits"] = said->edits;
    found_["not_allowed"] = said->edits_not_allowed;
    return found_;
  }

 private:
  // Whether that is over. A worker that knows no ping may know messages.
  bool pinged() {
    if (ping_->failure() != ipc::FilterFailure::none) {
      found_ = failed_probe(ping_->failure(), ping_->why());
    } else if (const rspamd::HttpReader* answer = ping_->answer()) {
      bool pong = answer->status() == 200 && answer->body().starts_with("pong");
      found_["ping"] = pong ? "pong" : "status " + std::to_string(answer->status());
      if (!answer->server().empty()) found_["server"] = printable(answer->server());
      begin_message();
    } else {
      return false;
    }
    ping_.reset();
    return true;
  }

  void begin_message() {
    ipc::FilterEvent event;
    event.session = 1;
    event.stage = ipc::FilterStage::mail;
    event.text = "<>";
    member_.begin_message();
    member_.give(event);
    member_.give_header(mail::HeaderEdits(kCheckSection, 0));
    member_.give_body(kCheckBody);
    member_.give_end_of_message();
  }

  RspamdService service_;
  RspamdMember member_;
  std::unique_ptr<ScanConnection> ping_;  // until it is over
  Json found_ = Json::object();
};

}  // namespace

std::unique_ptr<Probe> rspamd_probe(Shared& shared, const config::Filter& settings,
                                    const SessionFacts& facts, MemberOwner& owner) {
  return std::make_unique<RspamdProbe>(shared, settings, facts, owner);
}

}  // namespace postwain::filter
