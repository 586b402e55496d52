#include "filter/trial/message_trial.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "common/base/text.h"
#include "common/ipc/told_macros.h"
#include "common/net/loop.h"
#include "filter/session_chain.h"

namespace postwain::filter {

namespace {

using Json = nlohmann::ordered_json;
using ipc::FilterStage;
using ipc::FilterVerdict;
using ipc::ToldMacro;

ipc::FilterMacro told(ToldMacro macro, std::string value) {
  return {std::string(name_of(macro)), std::move(value)};
}

Json judgement_json(const ipc::FilterJudgement& one) {
  Json out = {{"filter", one.filter},
              {"stage", name_of(one.stage)},
              {"verdict", one.hold ? "hold" : name_of(one.verdict)},
              {"text", one.text},
              {"milliseconds", one.milliseconds},
              {"edits", one.edits},
              {"not_allowed", one.edits_not_allowed},
              {"watch", one.watch}};
  if (one.failure != ipc::FilterFailure::none) out["failure"] = name_of(one.failure);
  if (one.score_limit != 0 || one.score != 0) out["score"] = one.score / 1000.0;
  return out;
}

// smtpd, as far as a chain hears of it: one thing after another, each when the one before is
// answered.
class Play final : private ChainPort {
 public:
  Play(Shared& shared, TrialMessage message)
      : shared_(shared),
        message_(std::move(message)),
        chain_(shared, message_.session, *this),
        next_(shared.loop) {
    go_on();
  }

  Json report() const { return report_; }

 private:
  enum class Step : std::uint8_t { connect, helo, mail, rcpt, data, header, body, end, over };

  void go_on() {
    next_.start(Duration{}, [this] { play(); });
  }

  void tell(FilterStage stage, std::string text = {}, std::vector<ipc::FilterMacro> macros = {}) {
    ipc::FilterEvent event;
    event.session = message_.session.session;
    event.number = ++number_;
    event.stage = stage;
    event.awaited = stage < FilterStage::unknown;
    event.known = message_.known;
    event.text = std::move(text);
    event.macros = std::move(macros);
    stage_ = stage;
    chain_.event(std::move(event));
  }

  void play() {
    switch (step_) {
      case Step::connect:
        step_ = Step::helo;
        return tell(FilterStage::connect, {},
                    {told(ToldMacro::hostname, "filter-test"),
                     told(ToldMacro::daemon_name, message_.session.listener),
                     told(ToldMacro::product, "Postwain"),
                     told(ToldMacro::client_address, message_.session.client_address),
                     told(ToldMacro::client_name, message_.session.client_name)});
      case Step::helo:
        step_ = Step::mail;
        return tell(FilterStage::helo, message_.helo);
      case Step::mail:
        step_ = Step::rcpt;
        return tell(
            FilterStage::mail, '<' + message_.sender + '>',
            {told(ToldMacro::queue_id, "TEST"), told(ToldMacro::mail_address, message_.sender)});
      case Step::rcpt:
        if (recipient_ == message_.recipients.size()) return begin_data();
        return tell(FilterStage::rcpt, '<' + message_.recipients[recipient_] + '>',
                    {told(ToldMacro::rcpt_address, message_.recipients[recipient_]),
                     told(ToldMacro::rcpt_mailer, "smtp")});
      case Step::data:
        return;
      case Step::header:
        step_ = Step::body;
        chain_.header({message_.session.session, 0, message_.header});
        tell(FilterStage::end_of_header);
        return go_on();
      case Step::body:
        return give_body();
      case Step::end:
      case Step::over:
        return;
    }
  }

  void begin_data() {
    if (accepted_ == 0) return over();
    step_ = Step::header;
    tell(FilterStage::data);
  }

  void give_body() {
    giving_ = true;
    while (!message_.body.empty() && may_send_ > 0) {
      std::string_view piece = message_.body.substr(0, std::min(may_send_, ipc::kFilterPieceMax));
      message_.body.remove_prefix(piece.size());
      may_send_ -= piece.size();
      chain_.body(piece);
    }
    giving_ = false;
    if (!message_.body.empty()) return;  // a window opens
    step_ = Step::end;
    tell(FilterStage::end_of_message);
  }

  // A command was answered. One that refuses the client, the sender or all recipients ends it.
  void send(const ipc::FilterAnswer& answer) override {
    bool good = answer.verdict == FilterVerdict::keep_going;
    if (!good)
      report_["answers"].push_back({{"stage", name_of(stage_)},
                                    {"filter", answer.filter},
                                    {"verdict", name_of(answer.verdict)},
                                    {"reply", answer.reply.one_line()}});
    if (step_ == Step::rcpt && stage_ == FilterStage::rcpt) {
      ++recipient_;
      accepted_ += good ? 1 : 0;
    } else if (!good) {
      return over();
    }
    go_on();
  }

  void send(const ipc::FilterWindow& window) override {
    may_send_ += window.octets;
    if (step_ == Step::body && !giving_) go_on();
  }

  void send(const ipc::FilterBodyPiece& piece) override {
    new_size_ += piece.octets.size();
    if (new_size_ <= kTrialBodyMax) new_body_ += piece.octets;
    taken_ += static_cast<std::uint32_t>(piece.octets.size());
    window_.start(Duration{}, [this] { chain_.window(std::exchange(taken_, 0)); });
  }

  bool send(const ipc::FilterResult& result) override {
    report_["verdict"] = name_of(result.verdict);
    if (result.reply.code != 0) report_["reply"] = result.reply.one_line();
    if (!result.filter.empty()) report_["filter"] = result.filter;
    if (result.hold) report_["hold"] = *result.hold;
    for (const ipc::FilterJudgement& one : result.judgements)
      report_["judgements"].push_back(judgement_json(one));
    if (result.sender) report_["sender"] = result.sender->address;
    for (const ipc::FilterAddress& one : result.recipients_added)
      report_["recipients_added"].push_back(one.address);
    for (const std::string& one : result.recipients_removed)
      report_["recipients_removed"].push_back(one);
    if (result.header_changed) report_["header"] = base64_encode(result.section);
    if (result.body_replaced) {
      report_["body_size"] = new_size_;
      if (new_size_ <= kTrialBodyMax) report_["body"] = base64_encode(new_body_);
    }
    over();
    return true;
  }

  void over() {
    step_ = Step::over;
    shared_.loop.stop();
  }

  Shared& shared_;
  TrialMessage message_;
  SessionChain chain_;
  net::Timer next_;
  net::Timer window_{shared_.loop};
  Step step_ = Step::connect;
  FilterStage stage_ = FilterStage::connect;
  std::uint32_t number_ = 0;
  std::size_t recipient_ = 0;
  std::size_t accepted_ = 0;
  std::size_t may_send_ = ipc::kFilterFirstWindow;
  bool giving_ = false;  // pieces of the body, one after the other
  std::uint32_t taken_ = 0;
  std::uint64_t new_size_ = 0;
  std::string new_body_;
  Json report_ = {{"answers", Json::array()}, {"judgements", Json::array()}};
};

}  // namespace

std::string test_message(Shared& shared, TrialMessage message) {
  Play play(shared, std::move(message));
  shared.loop.run();
  return play.report().dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace postwain::filter
