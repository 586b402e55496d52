#include "filter/trial/trial.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/content/header_form.h"
#include "filter/deciding/filter_rules.h"
#include "filter/milter/milter_connection.h"
#include "filter/milter/outside_filter.h"
#include "filter/session_chain.h"

namespace postwain::filter {

namespace {

using Json = nlohmann::ordered_json;
using ipc::FilterStage;
using ipc::FilterVerdict;

// Whatever a filter and an operator allow themselves: a trial ends.
constexpr Duration kTrialTimeMax = std::chrono::minutes(10);

// Those that smtpd tells (smtpd/session/session_filter_events.cc), of all that filters know of.
constexpr std::string_view kTold[] = {
    "j",           "daemon_name", "v",         "client_addr", "client_name", "_",
    "tls_version", "cipher",      "i",         "mail_addr",   "s",           "auth_authen",
    "auth_type",   "auth_author", "rcpt_addr", "rcpt_mailer", "rcpt_host"};

std::string dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string text_in(const Json& json, const char* key, std::string otherwise = {}) {
  auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>()
                                                   : std::move(otherwise);
}

int report(const Json& json) {
  return write_all(kTrialReport, dumped(json)) ? kExitOk : kExitIoError;
}

// --- filter check --------------------------------------------------------------------------------

// What the bits of an agreement mean in the words of `may`.
Json rights_of(std::uint32_t actions) {
  Json out = Json::array();
  for (std::size_t i = 0; i < config::kFilterRights; ++i) {
    auto right = static_cast<config::FilterRight>(i);
    if ((milter_actions({right}) & actions & ~milter_actions({})) != 0)
      out.push_back(name_of(right));
  }
  return out;
}

constexpr std::pair<milter::Stage, const char*> kStageNames[] = {
    {milter::Stage::connect, "connect"},
    {milter::Stage::helo, "helo"},
    {milter::Stage::mail, "mail"},
    {milter::Stage::rcpt, "rcpt"},
    {milter::Stage::data, "data"},
    {milter::Stage::header, "header"},
    {milter::Stage::end_of_header, "end_of_header"},
    {milter::Stage::body, "body"},
    {milter::Stage::end_of_message, "end_of_message"},
    {milter::Stage::unknown, "unknown"},
};

Json agreement_json(const milter::Agreement& agreement, config::FilterRights may) {
  Json hears = Json::array();
  Json missing = Json::array();
  for (const auto& [stage, name] : kStageNames) {
    if (agreement.wants(stage)) hears.push_back(name);
    const auto& asked = agreement.macros.asked(stage);
    if (!asked) continue;
    for (const std::string& macro : *asked)
      if (std::find(std::begin(kTold), std::end(kTold), macro) == std::end(kTold) &&
          std::find(missing.begin(), missing.end(), macro) == missing.end())
        missing.push_back(macro);
  }
  return {{"version", agreement.version},
          {"hears", std::move(hears)},
          {"asks_for", rights_of(agreement.actions)},
          {"forbidden", rights_of(agreement.actions & ~milter_actions(may))},
          {"macros_missing", std::move(missing)}};
}

class Checks final : private MemberOwner {
 public:
  Checks(Shared& shared, const config::Config& config) : shared_(shared), next_(shared.loop) {
    for (const config::Filter& settings : config.filters) {
      One& one = all_.emplace_back();
      one.filter = std::make_unique<OutsideFilter>(settings);
      one.since = shared.clock.mono();
      MemberOwner& owner = *this;
      if (settings.speak == config::FilterProtocol::milter)
        one.connection =
            std::make_unique<MilterConnection>(shared_, *one.filter, settings.may, owner);
    }
    member_changed();
  }

  Json report() const {
    Json out = Json::array();
    for (const One& one : all_) out.push_back(one.found);
    return {{"filters", std::move(out)}};
  }

 private:
  struct One {
    std::unique_ptr<OutsideFilter> filter;
    std::unique_ptr<MilterConnection> connection;
    MonoTime since{};
    Json found{};
  };

  void member_changed() override {
    next_.start(Duration{}, [this] { look(); });
  }

  void look() {
    for (One& one : all_)
      if (one.found.is_null()) look_at(one);
    if (std::none_of(all_.begin(), all_.end(), [](const One& one) { return one.found.is_null(); }))
      shared_.loop.stop();
  }

  void look_at(One& one) {
    const config::Filter& settings = one.filter->settings();
    Json found = {{"filter", settings.name}, {"socket", settings.socket.text()}};
    auto took =
        std::chrono::duration_cast<std::chrono::milliseconds>(shared_.clock.mono() - one.since);
    if (!one.connection) {
      found["state"] = "not_checked";
    } else if (one.connection->failure() != ipc::FilterFailure::none) {
      found["state"] = "failed";
      found["failure"] = name_of(one.connection->failure());
      found["reason"] = printable(one.connection->why());
    } else if (one.connection->ready()) {
      found["state"] = "works";
      found["milliseconds"] = took.count();
      found.update(agreement_json(*one.connection->engine().agreement(), settings.may));
      one.connection->quit();
    } else {
      return;
    }
    one.found = std::move(found);
  }

  Shared& shared_;
  std::vector<One> all_;
  net::Timer next_;
};

// --- filter test ---------------------------------------------------------------------------------

struct Message {
  ipc::FilterSession session;
  std::string helo;
  std::string sender;
  std::vector<std::string> recipients;
  std::string_view header;
  std::string_view body;
};

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
class Player final : private ChainPort {
 public:
  Player(Shared& shared, Message message)
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
                    {{"j", "filter-test"},
                     {"daemon_name", message_.session.listener},
                     {"v", "Postwain"},
                     {"client_addr", message_.session.client_address},
                     {"client_name", message_.session.client_name}});
      case Step::helo:
        step_ = Step::mail;
        return tell(FilterStage::helo, message_.helo);
      case Step::mail:
        step_ = Step::rcpt;
        return tell(FilterStage::mail, '<' + message_.sender + '>',
                    {{"i", "TEST"}, {"mail_addr", message_.sender}});
      case Step::rcpt:
        if (recipient_ == message_.recipients.size()) return begin_data();
        return tell(FilterStage::rcpt, '<' + message_.recipients[recipient_] + '>',
                    {{"rcpt_addr", message_.recipients[recipient_]}, {"rcpt_mailer", "smtp"}});
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
    while (!message_.body.empty() && unconfirmed_ + ipc::kFilterPieceMax <= ipc::kFilterWindow) {
      std::string_view piece = message_.body.substr(0, ipc::kFilterPieceMax);
      message_.body.remove_prefix(piece.size());
      unconfirmed_ += piece.size();
      chain_.body(piece);
    }
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
    unconfirmed_ -= std::min<std::size_t>(unconfirmed_, window.octets);
    if (step_ == Step::body) go_on();
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
  Message message_;
  SessionChain chain_;
  net::Timer next_;
  net::Timer window_{shared_.loop};
  Step step_ = Step::connect;
  FilterStage stage_ = FilterStage::connect;
  std::uint32_t number_ = 0;
  std::size_t recipient_ = 0;
  std::size_t accepted_ = 0;
  std::size_t unconfirmed_ = 0;
  std::uint32_t taken_ = 0;
  std::uint64_t new_size_ = 0;
  std::string new_body_;
  Json report_ = {{"answers", Json::array()}, {"judgements", Json::array()}};
};

std::optional<Message> message_of(const Json& asked, std::string_view content,
                                  const Shared& shared) {
  Message out;
  out.session.session = 1;
  out.session.listener = text_in(asked, "listener");
  auto listener = std::find_if(shared.listeners.begin(), shared.listeners.end(),
                               [&](const auto& one) { return one.name == out.session.listener; });
  if (listener == shared.listeners.end()) return std::nullopt;
  out.session.kind = listener->kind;
  out.session.client_address = text_in(asked, "client", "192.0.2.1");
  out.session.client_name = text_in(asked, "client_name", "[" + out.session.client_address + "]");
  out.session.family = out.session.client_address.find(':') == std::string::npos
                           ? ipc::FilterSession::Family::ipv4
                           : ipc::FilterSession::Family::ipv6;
  out.helo = text_in(asked, "helo", "client.invalid");
  out.sender = text_in(asked, "sender");
  auto recipients = asked.find("recipients");
  if (recipients == asked.end() || !recipients->is_array()) return std::nullopt;
  for (const Json& one : *recipients)
    if (one.is_string() && out.recipients.size() < kTrialRecipientsMax)
      out.recipients.push_back(one.get<std::string>());
  std::size_t from = 0;
  mail::HeaderEnd end = mail::find_header_end(content, from, true);
  if (end.header > ipc::kFilterSectionMax) return std::nullopt;
  out.header = content.substr(0, end.header);
  out.body = content.substr(end.body);
  return out;
}

}  // namespace

int run_trial(Shared& shared, const config::Config& config, const std::string& request) {
  std::size_t line = std::min(request.find('\n'), request.size());
  Json asked = Json::parse(request.begin(), request.begin() + static_cast<std::ptrdiff_t>(line),
                           nullptr, false);
  if (!asked.is_object()) return kExitDataError;
  net::Timer limit(shared.loop);
  limit.start(kTrialTimeMax, [&] { shared.loop.stop(); });
  if (text_in(asked, "what") == "check") {
    Checks checks(shared, config);
    shared.loop.run();
    return report(checks.report());
  }
  std::string_view content = std::string_view(request).substr(std::min(line + 1, request.size()));
  std::optional<Message> message = message_of(asked, content, shared);
  if (!message) return kExitDataError;
  Player player(shared, *std::move(message));
  shared.loop.run();
  return report(player.report());
}

}  // namespace postwain::filter
