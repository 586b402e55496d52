// One filter in one SMTP session: its connection, what it is told, and what it says of it. One
// thing is told at a time, but for the content of a message, which is given while it comes.
//
// The filter has a connection from the first thing it is told of on. One that has failed takes part
// again with the next message, on a new connection, which is told of the session first.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/content/header_edits.h"
#include "common/ipc/filter_messages.h"
#include "common/mail/reply.h"
#include "filter/body_store.h"
#include "filter/deciding/body_lines.h"
#include "filter/milter_connection.h"
#include "filter/shared.h"

namespace postwain::filter {

constexpr std::uint64_t kNewBodyMax = 256U << 20;  // octets of a body that a filter gives

// What is known of a session.
struct SessionFacts {
  ipc::FilterSession session;
  std::optional<std::string> helo{};
  std::map<std::string, std::string> macros{};

  std::string id() const;  // of the message under way, as macros say
};

// What a filter says that counts. keep_going without hold: nothing.
struct Opinion {
  ipc::FilterVerdict verdict = ipc::FilterVerdict::keep_going;
  mail::Reply reply{};
  bool of_message = false;  // and not of the command alone
  std::optional<std::string> hold{};
};

class ChainMember {
 public:
  ChainMember(Shared& shared, OutsideFilter& filter, const SessionFacts& facts,
              MilterConnection::Owner& owner);
  ~ChainMember();
  ChainMember(const ChainMember&) = delete;
  ChainMember& operator=(const ChainMember&) = delete;

  const std::string& name() const { return filter_.settings().name; }
  void macros_changed(std::span<const ipc::FilterMacro> macros);

  // An event of a command. mail begins a message.
  void give(const ipc::FilterEvent& event);
  // The filter takes part in the message under way: it is to get its content, or its last word is
  // still to come.
  bool hears() const { return part_ == Part::hears; }
  void give_header(const mail::HeaderEdits& header);
  void give_body(std::string_view octets);
  void give_end_of_message();
  // What it says of what was given. Nothing: it has to be waited for.
  std::optional<Opinion> poll();
  // Octets that it has not taken.
  std::size_t backlog() const { return connection_ ? connection_->backlog() : 0; }

  // After its last word of a message: what it wants changed, and how it writes values.
  std::vector<milter::Edit> take_edits() { return std::exchange(message_.edits, {}); }
  bool leading_space() const { return state_.leading_space; }
  std::unique_ptr<BodyStore> take_new_body() { return std::move(message_.new_body); }
  // It cannot take part any more in this message, which it may have judged already.
  Opinion fail(ipc::FilterFailure failure, const std::string& why);

  // The message is over without its last word, if that has not come yet.
  void abort();
  // The same, and what it said of it is forgotten: another one begins.
  void begin_message();
  // What it said of the message so far; nothing to be told: nothing.
  const std::optional<ipc::FilterJudgement>& judgement() const { return message_.judgement; }

 private:
  enum class Part : std::uint8_t { none, hears, over };

  void open();
  void tell(const ipc::FilterEvent& event);
  void greet();
  void expect(milter::Stage stage) { expected_.push_back(stage); }
  bool collect(Opinion& opinion);
  bool add_to_body(std::string_view octets, Opinion& opinion);
  Opinion heard(milter::MilterEngine::StageVerdict said);
  void settle();
  void judge(ipc::FilterVerdict verdict, const std::string& text);
  std::optional<Opinion> connection_failed();
  void leave();

  Shared& shared_;
  OutsideFilter& filter_;
  const SessionFacts& facts_;
  MilterConnection::Owner& owner_;
  std::unique_ptr<MilterConnection> connection_;
  // Of the connection.
  struct {
    bool greeted = false;
    bool ends_session = false;  // it wants to hear no more of this session
    bool retry = false;         // it was open already when this message began
    bool leading_space = false;
  } state_;
  std::deque<milter::Stage> expected_;       // verdicts that are to come
  std::optional<ipc::FilterEvent> waiting_;  // until the connection is ready
  std::optional<Opinion> opinion_;           // for the next poll
  Part part_ = Part::none;
  ipc::FilterStage stage_ = ipc::FilterStage::connect;
  struct {
    ipc::FilterEvent mail;                      // for a second try
    Breaker::Leave leave = Breaker::Leave::no;  // until it is settled
    std::vector<milter::Edit> edits;
    std::unique_ptr<BodyStore> new_body;
    BodyLines lines;
    std::optional<ipc::FilterJudgement> judgement;
  } message_;
};

}  // namespace postwain::filter
