#include "filter/message_pass.h"

#include <algorithm>
#include <utility>

namespace postwain::filter {

using ipc::FilterFailure;
using ipc::FilterVerdict;

void MessagePass::take(const ChainMember& from, const Opinion& opinion) {
  if (opinion.hold) verdict_.hold(*opinion.hold);
  if (opinion.verdict == FilterVerdict::keep_going) return;
  if (opinion.when == Opinion::When::if_permitted)
    verdict_.defer_if_permitted(from.name(), opinion.reply);
  else if (opinion.when == Opinion::When::if_refused)
    verdict_.defer_if_refused(from.name(), opinion.reply);
  else
    refuse(from.name(), opinion.verdict, opinion.reply);
}

void MessagePass::refuse(const std::string& filter, FilterVerdict verdict,
                         const mail::Reply& reply) {
  verdict_.add(filter, verdict, reply);
  end_all();
}

void MessagePass::end_all() {
  for (const auto& member : members_) member->abort();
}

// --- the content ---------------------------------------------------------------------------------

void MessagePass::header(std::string_view section, std::size_t hidden) {
  if (std::count(section.begin(), section.end(), '\n') > kHeaderLinesMax)
    return refuse({}, FilterVerdict::refuse, {552, {5, 3, 4}, "Too many lines in the header"});
  edits_.emplace(section, hidden);
}

void MessagePass::end_of_header() {
  if (verdict_.is_final() || header_ended_) return;
  if (!edits_) edits_.emplace(std::string_view(), 0);
  header_ended_ = true;
  auto looks = [](const auto& member) { return member->hears() && member->wants_content(); };
  for (; streamed_ < members_.size() && !looks(members_[streamed_]); ++streamed_) {
    merge(*members_[streamed_]);
    if (verdict_.is_final()) return;
  }
  if (streamed_ == members_.size()) return;
  auto first = members_.begin() + static_cast<std::ptrdiff_t>(streamed_);
  if (std::any_of(first + 1, members_.end(), looks))
    body_ = std::make_unique<BodyStore>(shared_.room);
  (*first)->give_header(edits_->header());
}

// Whether somebody is given the content as it comes.
bool MessagePass::streams() const {
  if (!header_ended_ || verdict_.is_final() || streamed_ == members_.size()) return false;
  return at_ < streamed_ || (at_ == streamed_ && fed_ == Fed::nothing);
}

void MessagePass::keep(std::string_view octets) {
  if (!body_ || !not_kept_.empty()) return;
  if (Status kept = body_->append(octets); !kept) not_kept_ = kept.error().text;
}

void MessagePass::body(std::string_view octets) {
  if (!header_ended_) end_of_header();
  if (verdict_.is_final()) return;
  keep(octets);
  if (streams()) members_[streamed_]->give_body(octets);
}

void MessagePass::look() {
  if (streams() && members_[streamed_]->hears()) (void)hear(*members_[streamed_]);
}

std::size_t MessagePass::backlog() const {
  return streams() ? members_[streamed_]->backlog() : 0;
}

// False: it has to be waited for.
bool MessagePass::hear(ChainMember& member) {
  std::optional<Opinion> opinion = member.poll();
  if (!opinion) return false;
  take(member, *opinion);
  return true;
}

bool MessagePass::end() {
  if (!header_ended_) end_of_header();
  while (!verdict_.is_final() && at_ < members_.size()) {
    ChainMember& member = *members_[at_];
    if (member.hears() && fed_ != Fed::everything && !feed(member)) return false;
    if (member.hears() && !hear(member)) return false;
    if (verdict_.is_final()) break;
    if (member.hears()) return false;
    merge(member);
    ++at_;
    fed_ = Fed::nothing;
    offset_ = 0;
  }
  verdict_.settle();
  if (!verdict_.is_final() && !verdict_.held())
    for (const auto& member : members_) member->message_accepted();
  end_all();
  return true;
}

// Gives the member what it has not got yet. False: it has to take some of it first.
bool MessagePass::feed(ChainMember& member) {
  if (member.wants_content() && at_ != streamed_ && !feed_content(member)) return false;
  if (!member.hears() || verdict_.is_final()) return true;
  member.give_end_of_message();
  fed_ = Fed::everything;
  return true;
}

bool MessagePass::feed_content(ChainMember& member) {
  if (fed_ == Fed::nothing) {
    if (!not_kept_.empty()) {
      take(member, member.fail(FilterFailure::own, not_kept_));
      return true;
    }
    member.give_header(edits_->header());
    fed_ = Fed::from_kept;
  }
  while (fed_ == Fed::from_kept && body_ && offset_ < body_->size()) {
    (void)hear(member);
    if (!member.hears() || verdict_.is_final()) return true;
    if (member.backlog() >= kBacklogMax) return false;
    Result<std::string> piece = body_->read(offset_, ipc::kFilterPieceMax);
    if (!piece) {
      take(member, member.fail(FilterFailure::own, piece.error().text));
      return true;
    }
    member.give_body(*piece);
    offset_ += piece->size();
  }
  return true;
}

// Whoever has a connection hears of it now, whoever makes one later hears of the session's facts.
void MessagePass::tell_macros(ChainMember& member) {
  const std::vector<ipc::FilterMacro> macros = member.take_macros();
  if (macros.empty()) return;
  for (const ipc::FilterMacro& macro : macros) facts_.macros[macro.name] = macro.value;
  for (const auto& one : members_) one->macros_changed(macros);
}

// What it wants changed is what the next one sees.
void MessagePass::merge(ChainMember& member) {
  std::vector<milter::Edit> edits = member.take_edits();
  std::unique_ptr<BodyStore> body = member.take_new_body();
  tell_macros(member);
  std::size_t holds = edits_->holds().size();
  if (member.redirects()) edits_->forget_added();
  if (!edits_->apply(edits, member.leading_space())) {
    take(member, member.fail(FilterFailure::protocol, "it asks for too many or too long changes"));
    return;
  }
  for (std::size_t i = holds; i < edits_->holds().size(); ++i) {
    const std::string& why = edits_->holds()[i];
    verdict_.hold(why.empty() ? member.name() : member.name() + ": " + why);
  }
  if (!body) return;
  body_ = std::move(body);
  replaced_ = true;
  not_kept_.clear();
}

// --- the result ----------------------------------------------------------------------------------

void MessagePass::add_judgements(std::vector<ipc::FilterJudgement>& judgements) const {
  for (const auto& member : members_)
    if (member->judgement() && judgements.size() < ipc::kFilterJudgementsMax)
      judgements.push_back(*member->judgement());
}

void MessagePass::fill(ipc::FilterResult& result, std::string& section) const {
  result.verdict = verdict_.verdict();
  result.reply = verdict_.reply();
  result.filter = verdict_.filter();
  add_judgements(result.judgements);
  if (verdict_.is_final()) return;
  result.hold = verdict_.held();
  result.body_replaced = replaced_;
  if (!edits_) return;
  result.header_changed = edits_->header().changed();
  if (result.header_changed) section = edits_->header().text();
  result.section = section;
  result.sender = edits_->sender();
  result.recipients_added = edits_->added();
  result.recipients_removed = edits_->removed();
}

}  // namespace postwain::filter
