// One judge in one SMTP session: what it is told there, and what it says of it. One thing is told
// at a time, but for the content of a message, which is given while it comes. What the members of
// all kinds of judges do alike is MemberRecord's; the functions that have a body here are for those
// who look at content or change it.
#pragma once

#include <cstddef>
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
#include "common/milter/filter_answer.h"
#include "filter/body_store.h"

namespace postwain::filter {

// What is known of the message under way.
struct EnvelopeFacts {
  std::string sender;                     // with angle brackets
  std::vector<std::string> arguments;     // of MAIL
  std::vector<std::string> recipients{};  // that nobody has refused, with angle brackets
  std::uint64_t size = 0;                 // at its end; FilterEvent
};

// What is known of a session.
struct SessionFacts {
  ipc::FilterSession session;
  std::optional<std::string> helo{};
  std::map<std::string, std::string> macros{};
  std::optional<EnvelopeFacts> envelope{};  // since MAIL

  std::string id() const;  // of the message under way, as macros say
};

// What a judge says that counts. keep_going without hold: nothing.
struct Opinion {
  ipc::FilterVerdict verdict = ipc::FilterVerdict::keep_going;
  mail::Reply reply{};
  bool of_message = false;  // and not of the command alone
  std::optional<std::string> hold{};
  // always: at once. The others depend on what those say that are asked later: if_permitted counts
  // when none of them refuses, if_refused in the place of a permanent refusal.
  enum class When : std::uint8_t { always, if_permitted, if_refused } when = When::always;
};

class ChainMember {
 public:
  virtual ~ChainMember() = default;

  virtual const std::string& name() const = 0;
  // Of the session's facts, which have them already.
  virtual void macros_changed(std::span<const ipc::FilterMacro> /*macros*/) {}

  // An event of a command. mail begins a message.
  virtual void give(const ipc::FilterEvent& event) = 0;
  // It takes part in the message under way: it is to get its content, or its last word is still to
  // come.
  virtual bool hears() const = 0;
  // False: it hears of the end of the message only, and changes nothing that others are shown.
  virtual bool wants_content() const { return true; }
  virtual void give_header(const mail::HeaderEdits& /*header*/) {}
  virtual void give_body(std::string_view /*octets*/) {}
  // After it poll() has its last word, at once or later.
  virtual void give_end_of_message() = 0;
  // What it says of what was given. Nothing: it has to be waited for; the owner is told.
  virtual std::optional<Opinion> poll() = 0;
  // Octets that it has not taken.
  virtual std::size_t backlog() const { return 0; }

  // After its last word of a message: what it wants changed, and whether it writes values with
  // their leading space.
  virtual std::vector<milter::Edit> take_edits() { return {}; }
  virtual bool leading_space() const { return false; }
  virtual std::unique_ptr<BodyStore> take_new_body() { return nullptr; }
  // What it has found, for those behind it: of ipc::kResultMacros.
  virtual std::vector<ipc::FilterMacro> take_macros() { return {}; }
  // Whether the recipients that those before it have added get nothing.
  virtual bool redirects() const { return false; }
  // It cannot take part any more in this message, which it may have judged already.
  virtual Opinion fail(ipc::FilterFailure failure, const std::string& why) = 0;

  // The message is over without its last word, if that has not come yet.
  virtual void abort() = 0;
  // The same, and what it said of it is forgotten: another one begins.
  virtual void begin_message() = 0;
  // No judge has anything against the message; before abort() at its end.
  virtual void message_accepted() {}
  // What it said of the message so far; nothing to be told: nothing.
  virtual const std::optional<ipc::FilterJudgement>& judgement() const = 0;
};

}  // namespace postwain::filter
