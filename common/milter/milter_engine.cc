#include "common/milter/milter_engine.h"

#include "common/base/check.h"

namespace postwain::milter {

namespace {

constexpr std::uint32_t bit_of(Stage stage) {
  return 1U << static_cast<unsigned>(stage);
}

bool is_of_message(Stage stage) {
  return stage != Stage::connect && stage != Stage::helo && stage != Stage::unknown;
}

// What a client sends in one piece after DATA.
bool is_of_content(Stage stage) {
  return stage == Stage::header || stage == Stage::end_of_header || stage == Stage::body ||
         stage == Stage::end_of_message;
}

// Texts of a packet, each with a NUL after it. A NUL within ends a text, as the filter reads it.
void append_text(std::string& data, std::string_view text) {
  data += text.substr(0, text.find('\0'));
  data += '\0';
}

std::string address_data(std::string_view address, std::span<const std::string> arguments) {
  std::string data;
  append_text(data, address);
  for (const std::string& argument : arguments) append_text(data, argument);
  return data;
}

// Folds are LF to a filter.
std::string with_plain_folds(std::string_view value) {
  std::string out;
  out.reserve(value.size());
  for (std::size_t i = 0; i < value.size(); ++i)
    if (value[i] != '\r' || i + 1 >= value.size() || value[i + 1] != '\n') out += value[i];
  return out;
}

}  // namespace

MilterEngine::MilterEngine() {
  append_offer(out_);
}

// --- events --------------------------------------------------------------------------------------

void MilterEngine::connect(const ClientAddress& client) {
  using Family = ClientAddress::Family;
  std::string data;
  append_text(data, client.name);
  data += static_cast<char>(client.family);
  if (client.family != Family::unknown) {
    data += static_cast<char>(client.port >> 8U);
    data += static_cast<char>(client.port);
    append_text(data, client.address);
  }
  push(Stage::connect, std::move(data));
}

void MilterEngine::helo(std::string_view name) {
  std::string data;
  append_text(data, name);
  push(Stage::helo, std::move(data));
}

void MilterEngine::mail(std::string_view address, std::span<const std::string> arguments) {
  push(Stage::mail, address_data(address, arguments));
}

void MilterEngine::rcpt(std::string_view address, std::span<const std::string> arguments) {
  push(Stage::rcpt, address_data(address, arguments));
}

void MilterEngine::rejected_rcpt(std::string_view address, std::span<const std::string> arguments) {
  if (agreement_->has(protocol::kRejectedRecipients))
    push(Stage::rcpt, address_data(address, arguments), false);
}

void MilterEngine::data() {
  push(Stage::data, {});
}

void MilterEngine::unknown(std::string_view line) {
  std::string data;
  append_text(data, line);
  push(Stage::unknown, std::move(data));
}

void MilterEngine::header(std::string_view name, std::string_view value) {
  bool with_space = agreement_->has(protocol::kHeaderLeadingSpace);
  if (!with_space && !value.empty() && value.front() == ' ') value.remove_prefix(1);
  std::string shown = with_plain_folds(value);
  if (name.size() + shown.size() > kHeaderValueMax) {
    ++headers_cut_;
    name = name.substr(0, kHeaderValueMax);
    shown.resize(kHeaderValueMax - name.size());
  }
  std::string data;
  append_text(data, name);
  append_text(data, shown);
  push(Stage::header, std::move(data), false);
}

void MilterEngine::end_of_header() {
  push(Stage::end_of_header, {});
}

// What waits for the filter is joined, so that it gets few packets and large ones.
void MilterEngine::body(std::string_view octets) {
  while (!octets.empty()) {
    bool joins = !waiting_.empty() && waiting_.back().stage == Stage::body &&
                 waiting_.back().data.size() < kBodyChunkMax;
    std::size_t room = kBodyChunkMax - (joins ? waiting_.back().data.size() : 0);
    std::string_view piece = octets.substr(0, room);
    octets.remove_prefix(piece.size());
    if (joins) {
      waiting_.back().data += piece;
      waiting_octets_ += piece.size();
    } else {
      push(Stage::body, std::string(piece), false);
    }
  }
}

void MilterEngine::end_of_message() {
  push(Stage::end_of_message, {});
}

void MilterEngine::abort() {
  if (!failure_.empty()) return;
  std::erase_if(waiting_, [](const Event& event) { return event.stage != Stage::unknown; });
  waiting_octets_ = 0;
  for (const Event& event : waiting_) waiting_octets_ += event.data.size() + event.macros.size();
  // Its answers to what it has got still come.
  for (Sent& sent : sent_) sent.aborted = sent.aborted || is_of_message(sent.stage);
  std::erase_if(verdicts_, [](const StageVerdict& one) { return is_of_message(one.stage); });
  if (message_ == Message::open) PacketWriter(out_, Command::abort);
  message_ = Message::none;
  edits_.clear();
}

void MilterEngine::quit(bool reuse) {
  abort();
  waiting_.clear();
  waiting_octets_ = 0;
  for (Sent& sent : sent_) sent.aborted = true;
  verdicts_.clear();
  session_ended_ = false;
  macros_ = {};  // they are of the client who has gone
  if (failure_.empty()) PacketWriter(out_, reuse ? Command::quit_new_connection : Command::quit);
}

void MilterEngine::push(Stage stage, std::string data, bool has_verdict) {
  PW_CHECK(agreement_.has_value());
  if (!failure_.empty()) return;
  bool of_judged = is_of_message(stage) && stage != Stage::mail && message_ != Message::none;
  if (spent_ && !of_judged) return fail("nothing more can be told on this connection");
  std::string macros;
  append_macros(macros, stage, agreement_->macros, macros_);
  waiting_octets_ += data.size() + macros.size();
  waiting_.push_back({stage, has_verdict, std::move(macros), std::move(data)});
  pump();
}

// Whether it can be sent now. Nothing follows the end of a message before its verdict, and what was
// aborted is answered before anything else is asked. A short piece of a body waits for more.
bool MilterEngine::may_follow(const Event& event) const {
  if (sent_.empty()) return true;
  const Sent& last = sent_.back();
  if (!ahead_ || last.aborted || last.stage == Stage::end_of_message) return false;
  bool may_be_joined = event.stage == Stage::body && last.stage == Stage::body &&
                       event.data.size() < kBodyChunkMax && waiting_.size() == 1;
  return is_of_content(event.stage) && is_of_content(last.stage) && !may_be_joined;
}

// As many as can go before the filter has to say something.
void MilterEngine::pump() {
  while (!waiting_.empty() && failure_.empty() && may_follow(waiting_.front())) {
    Event event = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_octets_ -= event.data.size() + event.macros.size();
    pass(std::move(event));
  }
}

void MilterEngine::pass(Event event) {
  if (spent_ && (event.stage == Stage::mail || !is_of_message(event.stage)))
    return fail("nothing more can be told on this connection");
  if (event.stage == Stage::mail) {
    message_ = Message::open;
    skipped_ = 0;
    headers_cut_ = 0;
    edits_.clear();
  }
  bool is_over = session_ended_ || (is_of_message(event.stage) && message_ == Message::ended) ||
                 (skipped_ & bit_of(event.stage)) != 0;
  // A filter that does not want an event is told its macros all the same: some hear of the end of
  // the message only and need the queue id.
  if (!is_over && agreement_->version >= rule_of(event.stage).since_version) out_ += event.macros;
  if (is_over || !agreement_->wants(event.stage)) {
    if (event.has_verdict) answered(event.stage, Verdict::keep_going);
    return;
  }
  PacketWriter(out_, rule_of(event.stage).command).octets(event.data);
  if (agreement_->answers(event.stage))
    sent_.push_back({event.stage, event.has_verdict});
  else if (event.has_verdict)
    answered(event.stage, Verdict::keep_going);
}

// --- answers -------------------------------------------------------------------------------------

void MilterEngine::answered(Stage stage, Verdict verdict, mail::Reply reply) {
  verdicts_.push_back({stage, verdict, std::move(reply)});
}

std::optional<MilterEngine::StageVerdict> MilterEngine::next_verdict() {
  if (verdicts_.empty()) return std::nullopt;
  StageVerdict next = std::move(verdicts_.front());
  verdicts_.pop_front();
  return next;
}

void MilterEngine::fail(std::string why) {
  if (!failure_.empty()) return;
  failure_ = std::move(why);
  out_.clear();
  waiting_.clear();
  waiting_octets_ = 0;
  sent_.clear();
}

bool MilterEngine::broken(std::string why) {
  fail(std::move(why));
  return false;
}

bool MilterEngine::receive(std::string_view octets) {
  if (!failure_.empty()) return false;
  if (spent_) return true;
  reader_.append(octets);
  while (std::optional<Packet> packet = reader_.next()) {
    if (!take(*packet)) return false;
    if (spent_) return true;
  }
  if (reader_.broken()) return broken("it sent a packet that is empty or too long");
  pump();
  return true;
}

bool MilterEngine::take(const Packet& packet) {
  std::string why_not;
  if (!agreement_) {
    if (static_cast<Answer>(packet.command) != Answer::negotiate)
      return broken("it does not negotiate");
    agreement_ = read_agreement(packet.data, why_not);
    return agreement_ || broken(std::move(why_not));
  }
  std::optional<FilterAnswer> answer = read_answer(packet, why_not);
  if (!answer) return broken(std::move(why_not));
  if (sent_.empty()) return broken("it answers what it was not asked");
  return take_answer(std::move(*answer));
}

bool MilterEngine::take_answer(FilterAnswer answer) {
  const Sent sent = sent_.front();
  if (answer.kind == FilterAnswer::Kind::progress) {
    progress_ = true;
    return true;
  }
  if (answer.kind == FilterAnswer::Kind::edit) {
    if (sent.stage != Stage::end_of_message)
      return broken("it asks for a change before the end of the message");
    if (sent.aborted) return true;
    return edits_.add(std::move(answer.edit)) || broken("it asks for too many changes");
  }
  sent_.pop_front();
  bool ends = is_of_content(sent.stage) && answer.verdict != Verdict::keep_going &&
              answer.verdict != Verdict::skip;
  if (!sent.aborted && !judge(sent, std::move(answer))) return false;
  if (ends && !sent_.empty()) spend();
  pump();
  return true;
}

// What was sent ahead is of a message that has ended for the filter.
void MilterEngine::spend() {
  spent_ = true;
  for (const Sent& sent : std::exchange(sent_, {}))
    if (sent.has_verdict && !sent.aborted) answered(sent.stage, Verdict::keep_going);
}

// Skip is for what comes again and again, and for filters that have said that they know it.
bool MilterEngine::skip(Stage stage) {
  bool repeats = stage == Stage::rcpt || stage == Stage::header || stage == Stage::body;
  if (!repeats || !agreement_->has(protocol::kSkip))
    return broken("it skips what cannot be skipped");
  skipped_ |= bit_of(stage);
  return true;
}

bool MilterEngine::judge(const Sent& sent, FilterAnswer answer) {
  bool of_session = sent.stage == Stage::connect || sent.stage == Stage::helo;
  bool of_one_command = sent.stage == Stage::rcpt || sent.stage == Stage::unknown;
  switch (answer.verdict) {
    case Verdict::skip:
      if (!skip(sent.stage)) return false;
      answer.verdict = Verdict::keep_going;
      [[fallthrough]];
    case Verdict::keep_going:
      if (sent.stage == Stage::end_of_message) message_ = Message::ended;
      if (sent.has_verdict) answered(sent.stage, Verdict::keep_going);
      return true;
    case Verdict::discard:
      if (of_session) return broken("it discards a whole session");
      [[fallthrough]];
    case Verdict::accept:
      if (of_session)
        session_ended_ = true;
      else if (sent.stage != Stage::unknown)
        message_ = Message::ended;
      break;
    case Verdict::refuse:
    case Verdict::defer:
      // A refused command is refused by itself; a refused recipient is not in the message.
      if (sent.stage == Stage::connect) session_ended_ = true;
      if (!of_session && !of_one_command) message_ = Message::ended;
      break;
    case Verdict::hang_up:
      session_ended_ = true;
      break;
  }
  bool is_rejected_rcpt = sent.stage == Stage::rcpt && !sent.has_verdict;
  if (!is_rejected_rcpt) answered(sent.stage, answer.verdict, std::move(answer.reply));
  return true;
}

}  // namespace postwain::milter
