#include "filter/session_chain.h"

#include <utility>

#include "common/ipc/told_macros.h"
#include "filter/deciding/filter_rules.h"

namespace postwain::filter {

using ipc::FilterStage;
using ipc::FilterVerdict;

std::string SessionFacts::id() const {
  auto found = macros.find("i");
  return found == macros.end() ? std::string() : found->second;
}

SessionChain::SessionChain(Shared& shared, ipc::FilterSession session, ChainPort& port)
    : shared_(shared), facts_{std::move(session)}, port_(port) {
  for (const auto& judge : shared.judges)
    if (judge->is_on(facts_.session.listener, facts_.session.kind))
      members_.push_back(judge->make_member(shared, facts_, *this));
}

SessionChain::~SessionChain() {
  count_message();
}

// --- what smtpd tells ----------------------------------------------------------------------------

std::size_t SessionChain::Input::size() const {
  std::size_t sum = sizeof(Input) + event.text.size() + octets.size();
  for (const std::string& argument : event.arguments) sum += sizeof(std::string) + argument.size();
  for (const ipc::FilterMacro& macro : event.macros)
    sum += sizeof(ipc::FilterMacro) + macro.name.size() + macro.value.size();
  return sum;
}

bool SessionChain::push(Input input) {
  inputs_size_ += input.size();
  inputs_.push_back(std::move(input));
  if (inputs_size_ > kInputsMax) return false;
  step();
  return true;
}

bool SessionChain::event(ipc::FilterEvent event) {
  return push({Input::Kind::event, std::move(event), 0, {}});
}

bool SessionChain::header(const ipc::FilterHeader& header) {
  return push({Input::Kind::header, {}, header.hidden, std::string(header.section)});
}

bool SessionChain::body(std::string_view octets) {
  if (octets.size() > window_.open) return false;
  window_.open -= octets.size();
  window_.waiting += octets.size();
  window_.come += octets.size();
  return push({Input::Kind::body, {}, 0, std::string(octets)});
}

bool SessionChain::window(std::uint32_t octets) {
  if (octets > window_.sent) return false;
  window_.sent -= octets;
  step();
  return true;
}

// What belongs to the session goes on.
void SessionChain::abort() {
  std::erase_if(inputs_, [this](const Input& input) {
    bool goes = input.kind != Input::Kind::event || is_of_message(input.event.stage);
    if (goes) inputs_size_ -= input.size();
    if (goes && input.kind == Input::Kind::body) window_.waiting -= input.octets.size();
    return goes;
  });
  if (event_ && is_of_message(event_->stage)) event_.reset();
  if (message_)
    for (const auto& member : members_) member->abort();
  forget_message();
  step();
}

void SessionChain::forget_message() {
  count_message();
  message_.reset();
  facts_.envelope.reset();
}

// What was found of the message before is not said of the next one.
void SessionChain::forget_results() {
  std::vector<ipc::FilterMacro> gone;
  for (ipc::ToldMacro macro : ipc::kResultMacros)
    if (std::string name(name_of(macro)); facts_.macros.erase(name) > 0) gone.push_back({name, {}});
  if (gone.empty()) return;
  for (const auto& member : members_) member->macros_changed(gone);
}

// --- one after another ---------------------------------------------------------------------------

void SessionChain::step() {
  if (stepping_) return;
  stepping_ = true;
  while (event_ || !inputs_.empty()) {
    if (event_) {
      if (!go_on()) break;
      event_.reset();
      continue;
    }
    Input next = std::move(inputs_.front());
    inputs_.pop_front();
    inputs_size_ -= next.size();
    begin(std::move(next));
  }
  if (message_ && !event_) message_->look();
  permit_more();
  stepping_ = false;
}

void SessionChain::begin(Input input) {
  switch (input.kind) {
    case Input::Kind::event:
      return begin_event(std::move(input.event));
    case Input::Kind::header:
      if (message_) message_->header(input.octets, input.hidden);
      return;
    case Input::Kind::body:
      window_.waiting -= input.octets.size();
      if (message_) message_->body(input.octets);
      return;
  }
}

void SessionChain::begin_event(ipc::FilterEvent event) {
  for (const ipc::FilterMacro& macro : event.macros) {
    if (macro.value.empty())
      facts_.macros.erase(macro.name);
    else if (facts_.macros.size() < kMacrosKept || facts_.macros.count(macro.name) > 0)
      facts_.macros[macro.name] = macro.value;
  }
  for (const auto& member : members_) member->macros_changed(event.macros);
  at_ = 0;
  given_ = false;
  said_ = {};
  said_of_message_ = false;
  if (event.stage == FilterStage::helo) {
    facts_.helo = event.text;
    if (!refused_for_good_) refused_.reset();
  }
  if (event.stage == FilterStage::mail) {
    count_message();
    forget_results();
    facts_.envelope = EnvelopeFacts{.sender = event.text, .arguments = event.arguments};
    for (const auto& member : members_) member->begin_message();
    message_.emplace(shared_, members_, facts_);
    window_.new_body = 0;
    if (refused_) message_->refuse(refused_->filter, refused_->verdict, refused_->reply);
  }
  if (event.stage == FilterStage::end_of_message && facts_.envelope)
    facts_.envelope->size = event.size;
  event_ = std::move(event);
}

// True: the event is settled.
bool SessionChain::go_on() {
  bool of_message = is_of_message(event_->stage);
  if (event_->stage == FilterStage::end_of_message) return end_message();
  if (of_message && message_ && message_->verdict().is_final()) {
    const ChainVerdict& verdict = message_->verdict();
    answer(verdict.verdict(), verdict.reply(), verdict.filter());
    return true;
  }
  bool nobody_hears = (of_message && !message_) || (!of_message && refused_);
  if (event_->stage == FilterStage::end_of_header) {
    if (message_) message_->end_of_header();
    nobody_hears = true;
  }
  if (!nobody_hears) return go_on_with_command();
  answer(FilterVerdict::keep_going, {}, {});
  return true;
}

bool SessionChain::go_on_with_command() {
  for (; at_ < members_.size(); ++at_, given_ = false) {
    ChainMember& member = *members_[at_];
    if (!given_) {
      asked_ = shared_.clock.mono();
      member.give(*event_);
    }
    given_ = true;
    std::optional<Opinion> opinion = member.poll();
    if (!opinion) return false;
    if (ends_command(member, *opinion)) return true;
  }
  said_.settle();
  if (said_.is_final()) {
    refuse_command(said_of_message_);
    return true;
  }
  if (event_->stage == FilterStage::rcpt && !event_->rejected && facts_.envelope)
    facts_.envelope->recipients.push_back(event_->text);
  answer(FilterVerdict::keep_going, {}, {});
  return true;
}

// What the filter says is the answer to the command, and perhaps to what comes behind it.
bool SessionChain::ends_command(const ChainMember& member, const Opinion& opinion) {
  if (opinion.hold && message_) message_->take(member, {.hold = opinion.hold});
  if (opinion.verdict == FilterVerdict::keep_going || event_->rejected) return false;
  switch (opinion.when) {
    case Opinion::When::if_permitted:
      said_of_message_ = said_of_message_ || opinion.of_message;
      said_.defer_if_permitted(member.name(), opinion.reply);
      return false;
    case Opinion::When::if_refused:
      said_.defer_if_refused(member.name(), opinion.reply);
      return false;
    case Opinion::When::always:
      break;
  }
  said_.add(member.name(), opinion.verdict, opinion.reply);
  refuse_command(opinion.of_message);
  return true;
}

void SessionChain::refuse_command(bool of_message) {
  FilterStage stage = event_->stage;
  std::vector<ipc::FilterJudgement> alone = judgement_of_command();
  if (stage == FilterStage::connect || stage == FilterStage::helo) {
    refused_ = ipc::FilterAnswer{facts_.session.session, 0,
                                 said_.verdict(),        said_.reply(),
                                 said_.filter(),         std::exchange(alone, {})};
    refused_for_good_ = refused_for_good_ || stage == FilterStage::connect;
  } else if (is_of_message(stage)) {
    bool of_command = stage == FilterStage::rcpt && !of_message;
    // The client has been told that the recipient is good. It tries again, and hears of it then.
    if (of_command && !event_->awaited)
      message_->refuse(said_.filter(), FilterVerdict::defer, plain_reply(FilterVerdict::defer));
    if (!of_command) message_->refuse(said_.filter(), said_.verdict(), said_.reply());
  }
  answer(said_.verdict(), said_.reply(), said_.filter(), std::move(alone));
}

// What the history is told of a command that is refused alone; nothing where the filter has said so
// of the message.
std::vector<ipc::FilterJudgement> SessionChain::judgement_of_command() const {
  for (const auto& member : members_)
    if (message_ && member->name() == said_.filter() && member->judgement() &&
        member->judgement()->verdict == said_.verdict())
      return {};
  ipc::FilterJudgement out;
  out.filter = said_.filter();
  out.stage = event_->stage;
  out.verdict = said_.verdict();
  out.text = said_.reply().one_line().substr(0, ipc::kFilterJudgementTextMax);
  out.milliseconds = static_cast<std::uint32_t>((shared_.clock.mono() - asked_).count());
  if (Judge* judge = find_judge(shared_, out.filter)) judge->count(out);
  return {std::move(out)};
}

void SessionChain::answer(FilterVerdict verdict, const mail::Reply& reply,
                          const std::string& filter, std::vector<ipc::FilterJudgement> alone) {
  if (!event_->awaited) return;
  ipc::FilterAnswer out{facts_.session.session, event_->number, verdict, reply, filter, {}};
  if (verdict != FilterVerdict::keep_going) {
    out.judgements = refused_ ? refused_->judgements : std::vector<ipc::FilterJudgement>();
    if (message_ && is_of_message(event_->stage)) message_->add_judgements(out.judgements);
    for (ipc::FilterJudgement& one : alone) out.judgements.push_back(std::move(one));
  }
  port_.send(out);
}

// What the filters said of the message that is over now, for the metrics.
void SessionChain::count_message() {
  if (!message_) return;
  for (const auto& member : members_)
    if (const auto& judgement = member->judgement())
      if (Judge* judge = find_judge(shared_, member->name())) judge->count(*judgement);
}

// --- the end of a message ------------------------------------------------------------------------

bool SessionChain::end_message() {
  ipc::FilterResult result;
  result.session = facts_.session.session;
  result.number = event_->number;
  std::string section;
  if (message_) {
    if (!message_->end()) return false;
    const BodyStore* body = message_->verdict().is_final() ? nullptr : message_->new_body();
    bool failed = false;
    if (body != nullptr && !send_body(*body, failed)) return false;
    if (failed)
      message_->refuse({}, FilterVerdict::defer, failure_reply(config::FilterFailure::defer));
    if (refused_) result.judgements = refused_->judgements;
    message_->fill(result, section);
    forget_message();
  }
  if (port_.send(result)) return true;
  ipc::FilterResult instead;
  instead.session = result.session;
  instead.number = result.number;
  instead.verdict = FilterVerdict::defer;
  instead.reply = failure_reply(config::FilterFailure::defer);
  (void)port_.send(instead);
  return true;
}

// False: smtpd has to take some of it first.
bool SessionChain::send_body(const BodyStore& body, bool& failed) {
  while (window_.new_body < body.size()) {
    if (window_.sent + ipc::kFilterPieceMax > ipc::kFilterWindow) return false;
    Result<std::string> piece = body.read(window_.new_body, ipc::kFilterPieceMax);
    failed = !piece;
    if (failed) return true;
    port_.send(ipc::FilterBodyPiece{facts_.session.session, *piece});
    window_.new_body += piece->size();
    window_.sent += piece->size();
  }
  return true;
}

// By a frame for many pieces, and by none while the filter that is fed does not take them.
void SessionChain::permit_more() {
  std::size_t most = shared_.ahead_max();
  std::size_t ahead = window_.open + window_.waiting;
  if (window_.come < ipc::kFilterFirstWindow / 2 || ahead > most / 2) return;
  if (message_ && message_->backlog() >= std::min(kBacklogMax, most)) return;
  window_.come = 0;
  window_.open += most - ahead;
  port_.send(ipc::FilterWindow{facts_.session.session, static_cast<std::uint32_t>(most - ahead)});
}

}  // namespace postwain::filter
