#include "common/filtering/session_filter.h"

#include <algorithm>
#include <utility>

namespace postwain::filtering {

namespace {

void put(std::vector<ipc::FilterMacro>& macros, std::string_view name, const std::string& value) {
  auto found = std::find_if(macros.begin(), macros.end(),
                            [&](const ipc::FilterMacro& one) { return one.name == name; });
  if (found == macros.end())
    macros.push_back({std::string(name), value});
  else
    found->value = value;
}

}  // namespace

mail::Reply filters_unavailable() {
  return {451, {4, 7, 1}, "Filters unavailable, try again later"};
}

mail::Reply filters_refuse() {
  return {554, {5, 7, 1}, "Filters unavailable, mail is not taken without them"};
}

ipc::FilterJudgement unasked(const ipc::FilterResult& result, ipc::FilterFailure failure) {
  ipc::FilterJudgement out;
  out.verdict = result.verdict;
  out.hold = result.hold.has_value();
  out.text = failure == ipc::FilterFailure::late ? "no filter has answered in time"
                                                 : "the filter process could not be asked";
  out.failure = failure;
  return out;
}

SessionFilter::SessionFilter(FilterLink* link, std::string listener, ipc::FilterKind kind,
                             Owner& owner)
    : link_(link), listener_(std::move(listener)), owner_(owner) {
  if (link_ != nullptr) fallback_ = link_->fallback(listener_);
  client_.listener = listener_;
  client_.kind = kind;
}

SessionFilter::~SessionFilter() {
  quit();
}

void SessionFilter::quit() {
  if (!is_talking()) return;
  connection_->send(ipc::FilterQuit{session_});
  std::exchange(connection_, nullptr)->forget(session_);
  end_of_header_ = 0;
}

void SessionFilter::set_macro(ipc::ToldMacro macro, std::string value) {
  if (!is_on()) return;
  std::string_view name = name_of(macro);
  put(macros_, name, value);
  put(fresh_, name, value);
}

void SessionFilter::set_client(ipc::FilterSession::Family family, std::string name,
                               std::string address, std::uint16_t port) {
  quit();  // what comes now is of another session
  said_.helo.clear();
  client_.family = family;
  client_.client_name = std::move(name);
  client_.client_address = std::move(address);
  client_.client_port = port;
}

std::optional<mail::Reply> SessionFilter::refusal() const {
  if (!is_on() || is_talking() || link_->current() != nullptr) return std::nullopt;
  if (fallback_ == FilterFallback::defer) return filters_unavailable();
  if (fallback_ == FilterFallback::refuse) return filters_refuse();
  return std::nullopt;
}

// Begins the conversation; one that begins late hears what was said before, and its answer to that
// does not count.
bool SessionFilter::open() {
  if (is_talking()) return true;
  FilterConnection* current = is_on() ? link_->current() : nullptr;
  if (current == nullptr || current->wants(listener_) == nullptr) return false;
  connection_ = current;
  session_ = link_->next_session();
  connection_->add(session_, *this);
  client_.session = session_;
  last_event_ = 0;
  window_ = ipc::kFilterFirstWindow;
  fresh_ = macros_;
  connection_->send(client_);
  return true;
}

bool SessionFilter::wants_answer(ipc::FilterStage stage) const {
  const ipc::FilterWants::Listener* wants = connection_->wants(listener_);
  return wants != nullptr && (wants->stages & ipc::bit_of(stage)) != 0;
}

bool SessionFilter::tell(ipc::FilterStage stage, std::string text,
                         std::vector<std::string> arguments, bool may_wait, bool rejected,
                         std::uint64_t size) {
  ipc::FilterEvent event;
  event.session = session_;
  event.number = ++last_event_;
  event.stage = stage;
  event.awaited = may_wait && wants_answer(stage);
  event.rejected = rejected;
  event.known = said_.known;
  event.talked_early = said_.talked_early;
  event.text = std::move(text);
  event.arguments = std::move(arguments);
  event.macros = std::exchange(fresh_, {});
  event.size = size;
  connection_->send(event);
  return event.awaited;
}

bool SessionFilter::connect() {
  if (!open()) return false;
  bool awaited = tell(ipc::FilterStage::connect, {}, {}, true);
  if (awaited) awaited_ = last_event_;
  return awaited;
}

bool SessionFilter::helo(std::string name) {
  said_.helo = std::move(name);
  if (!is_talking()) return false;
  bool awaited = tell(ipc::FilterStage::helo, said_.helo, {}, true);
  if (awaited) awaited_ = last_event_;
  return awaited;
}

bool SessionFilter::mail(const std::string& address, std::vector<std::string> arguments) {
  message_lost_ = false;
  // Each message is judged by the filters that are configured when it begins.
  if (is_talking() && link_->current() != connection_) quit();
  if (!is_talking() && open()) {
    tell(ipc::FilterStage::connect, {}, {}, false);
    if (!said_.helo.empty()) tell(ipc::FilterStage::helo, said_.helo, {}, false);
  }
  if (!is_talking()) {
    message_lost_ = true;
    return false;
  }
  bool awaited = tell(ipc::FilterStage::mail, address, std::move(arguments), true);
  if (awaited) awaited_ = last_event_;
  return awaited;
}

bool SessionFilter::rcpt(const std::string& address, std::vector<std::string> arguments) {
  if (!is_talking() || message_lost_) return false;
  bool awaited = tell(ipc::FilterStage::rcpt, address, std::move(arguments), true);
  if (awaited) awaited_ = last_event_;
  return awaited;
}

void SessionFilter::rejected_rcpt(const std::string& address, std::vector<std::string> arguments) {
  if (is_talking() && !message_lost_)
    tell(ipc::FilterStage::rcpt, address, std::move(arguments), false, true);
}

bool SessionFilter::data() {
  if (!is_talking() || message_lost_) return false;
  bool awaited = tell(ipc::FilterStage::data, {}, {}, true);
  if (awaited) awaited_ = last_event_;
  return awaited;
}

bool SessionFilter::unknown(std::string line) {
  if (!is_talking()) return false;
  bool awaited = tell(ipc::FilterStage::unknown, std::move(line), {}, true);
  if (awaited) awaited_ = last_event_;
  return awaited;
}

// Content comes on while the filters look at the header section: their answer may come whenever it
// does.
void SessionFilter::header(std::string_view section, std::uint32_t hidden) {
  if (!is_talking() || message_lost_) return;
  connection_->send(ipc::FilterHeader{session_, hidden, section});
  tell(ipc::FilterStage::end_of_header, {}, {}, true);
  end_of_header_ = last_event_;
}

bool SessionFilter::wants_body() const {
  const ipc::FilterWants::Listener* wants = is_talking() ? connection_->wants(listener_) : nullptr;
  return !message_lost_ && wants != nullptr && wants->body;
}

std::size_t SessionFilter::body(std::string_view octets) {
  if (!wants_body()) return octets.size();
  std::size_t taken = std::min(octets.size(), window_);
  octets = octets.substr(0, taken);
  window_ -= taken;
  while (!octets.empty()) {
    std::string_view piece = octets.substr(0, ipc::kFilterPieceMax);
    connection_->send(ipc::FilterBody{session_, piece});
    octets.remove_prefix(piece.size());
  }
  return taken;
}

void SessionFilter::end_of_message(std::uint64_t size) {
  if (!is_on() || (is_talking() && !message_lost_ && connection_->wants(listener_) == nullptr)) {
    owner_.filter_concluded({});
    return;
  }
  if (!is_talking() || message_lost_) return fall_back();
  tell(ipc::FilterStage::end_of_message, {}, {}, false, false, size);
  ending_ = last_event_;
}

// The filters have not seen the message, or not all of it.
void SessionFilter::fall_back() {
  ipc::FilterResult result;
  switch (fallback_) {
    case FilterFallback::none:
    case FilterFallback::accept:
      break;
    case FilterFallback::hold:
      result.hold = "held: no filter could be asked";
      break;
    case FilterFallback::defer:
      result.verdict = ipc::FilterVerdict::defer;
      result.reply = filters_unavailable();
      break;
    case FilterFallback::refuse:
      result.verdict = ipc::FilterVerdict::refuse;
      result.reply = filters_refuse();
      break;
  }
  result.judgements = {unasked(result, ipc::FilterFailure::unreachable)};
  owner_.filter_concluded(result);
}

void SessionFilter::abort() {
  awaited_.reset();
  ending_.reset();
  message_lost_ = false;
  if (is_talking()) connection_->send(ipc::FilterAbort{session_});
}

// --- from the link -------------------------------------------------------------------------------

void SessionFilter::answered(ipc::FilterAnswer answer) {
  bool is_content = answer.number == end_of_header_ && end_of_header_ != 0;
  if (is_content) {
    if (answer.verdict != ipc::FilterVerdict::keep_going) owner_.filter_refused_content(answer);
    return;
  }
  if (awaited_ != answer.number) return;  // of what was given up
  awaited_.reset();
  owner_.filter_answered(answer);
}

void SessionFilter::window(std::size_t octets) {
  bool was_full = window_is_full();
  window_ += std::min(octets, ipc::kFilterWindow - window_);
  if (was_full && !window_is_full()) owner_.filter_window_opened();
}

void SessionFilter::body_piece(std::string_view octets) {
  std::size_t size = octets.size();
  if (!ending_ || owner_.filter_body(octets)) took_body(size);
}

void SessionFilter::took_body(std::size_t octets) {
  if (is_talking())
    connection_->send(ipc::FilterWindow{session_, static_cast<std::uint32_t>(octets)});
}

void SessionFilter::concluded(ipc::FilterResult result) {
  if (ending_ != result.number) return;
  ending_.reset();
  owner_.filter_concluded(result);
}

void SessionFilter::connection_lost() {
  connection_ = nullptr;
  message_lost_ = true;
  end_of_header_ = 0;
  if (std::exchange(ending_, std::nullopt)) return fall_back();
  if (std::exchange(awaited_, std::nullopt)) return owner_.filter_answered({});
  owner_.filter_window_opened();
}

}  // namespace postwain::filtering
