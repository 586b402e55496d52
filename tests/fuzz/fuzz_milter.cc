// Octets as a filter that says what it likes, cut anywhere between the events of sessions: the
// engine answers each event once or fails, never both, and stays within its bounds. What it asks
// for is done to a header section, which stays one.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/check.h"
#include "common/content/header_edits.h"
#include "common/content/header_form.h"
#include "common/milter/milter_engine.h"

using namespace postwain;
using namespace postwain::milter;

namespace {

constexpr std::string_view kSection = "Received: x\r\nX-A: 1\r\nSubject: a\r\n b\r\nX-A: 2\r\n";

class Session {
 public:
  explicit Session(std::string_view octets) : octets_(octets) {}

  void run() {
    while (!octets_.empty() && engine_.failure().empty()) {
      unsigned op = number();
      if (engine_.agreement() == nullptr || op >= 128)
        (void)engine_.receive(take(op % 64));
      else
        event(op % 16);
      collect();
    }
  }

 private:
  unsigned number() {
    auto value = static_cast<unsigned char>(octets_.front());
    octets_.remove_prefix(1);
    return value;
  }
  std::string_view take(std::size_t length) {
    std::string_view piece = octets_.substr(0, length);
    octets_.remove_prefix(piece.size());
    return piece;
  }
  void count(std::size_t& of_kind) {
    if (engine_.failure().empty()) ++of_kind;
  }

  void event(unsigned which) {
    switch (which) {
      case 0:
        count(asked_);
        return engine_.connect({ClientAddress::Family::ipv4, "h", "192.0.2.1", 25});
      case 1:
        count(asked_);
        return engine_.helo(take(5));
      case 2:
        count(asked_);
        return engine_.mail("<a@b.test>", {});
      case 3:
        count(asked_);
        return engine_.rcpt(take(9), {});
      case 4:
        count(asked_);
        return engine_.data();
      case 5:
        return engine_.header("X-A", take(7));
      case 6:
        count(asked_);
        return engine_.end_of_header();
      case 7:
        return engine_.body(std::string(number_or(1) * 700, 'x'));
      case 8:
        count(asked_);
        return engine_.end_of_message();
      case 9:
        gone_ = true;  // what was asked has no answer any more
        return engine_.abort();
      case 10:
        return engine_.rejected_rcpt("<x@b.test>", {});
      case 11:
        count(asked_);
        return engine_.unknown(take(3));
      case 12:
        gone_ = true;
        return engine_.quit(true);
      case 13:
        return engine_.go_ahead(number_or(1) % 2 == 1);
      default:
        return engine_.set_macro("i", std::string(take(4)));
    }
  }
  std::size_t number_or(std::size_t other) { return octets_.empty() ? other : number(); }

  void collect() {
    while (auto verdict = engine_.next_verdict()) {
      bool is_extra = verdict->stage == Stage::header || verdict->stage == Stage::body;
      if (!is_extra) ++answered_;
      if (verdict->reply.code != 0)
        PW_CHECK(verdict->reply.transient() || verdict->reply.permanent());
    }
    PW_CHECK(gone_ || answered_ <= asked_);
    if (!engine_.failure().empty())
      PW_CHECK(engine_.pending_octets() == 0 && !engine_.is_waiting());
    if (engine_.failure().empty() && engine_.agreement() != nullptr && !engine_.is_waiting() &&
        !gone_)
      PW_CHECK(answered_ == asked_);
    (void)engine_.take_output();
    for (const Edit& edit : engine_.edits().take()) apply(edit);
  }

  void apply(const Edit& edit) {
    using Kind = Edit::Kind;
    std::string field = mail::field_text(edit.name, edit.value, false);
    mail::HeaderEdits edits(section_, 1);
    if (edit.kind == Kind::add_header)
      edits.add(std::move(field));
    else if (edit.kind == Kind::insert_header)
      edits.insert(edit.index, std::move(field));
    else if (edit.kind == Kind::change_header)
      edits.change(edit.index, edit.name, edit.value.empty() ? std::string() : std::move(field));
    else
      return;
    std::string text = edits.text();
    std::size_t from = 0;
    mail::HeaderEnd end = mail::find_header_end(text, from, true);
    PW_CHECK(end.header == text.size());  // a section still, to its last octet
    if (text.size() < 100'000) section_ = std::move(text);
  }

  std::string_view octets_;
  MilterEngine engine_;
  std::size_t asked_ = 0;
  std::size_t answered_ = 0;
  bool gone_ = false;
  std::string section_{kSection};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Session({reinterpret_cast<const char*>(data), size}).run();
  return 0;
}
