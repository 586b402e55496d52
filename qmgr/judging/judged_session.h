// One message of the store on its way through the filters: the SMTP session that is played for it,
// as if this machine had brought it to itself (localhost [127.0.0.1]; CONNECT, HELO, MAIL, RCPT,
// DATA, content), and what is answered. Content is read a piece at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/filtering/session_filter.h"

#include "qmgr/judging/filter_port.h"
#include "qmgr/judging/new_body.h"
#include "qmgr/shared/content_access.h"

namespace postwain::qmgr {

// What all sessions share, and outlives them.
struct JudgedSessionTerms {
  filtering::FilterLink& link;
  ContentAccess& content;
  std::string hostname;
  std::uint64_t size_max = 0;  // of a body that a filter gives
  Duration time{};             // for all of it
  mail::QueueId new_file;      // for a large body that a filter gives
};

// What filters said of recipients alone is kept of so many.
constexpr std::size_t kJudgementsOfRecipients = 10;

class JudgedSession final : private filtering::SessionFilter::Owner {
 public:
  using Over = std::function<void(Judged)>;
  // over: once, perhaps within begin(). The session stays until its owner takes it away, and that
  // may not be from within over.
  JudgedSession(const JudgedSessionTerms& terms, std::shared_ptr<const UnjudgedMessage> message,
                std::unique_ptr<Alarm> alarm, Over over);
  ~JudgedSession() override = default;

  void begin();

 private:
  enum class Part : std::uint8_t { connect, helo, mail, rcpt, data, content, result, over };

  void filter_answered(const ipc::FilterAnswer& answer) override;
  void filter_refused_content(const ipc::FilterAnswer& answer) override;
  void filter_window_opened() override;
  bool filter_body(std::string_view octets) override;
  void filter_concluded(const ipc::FilterResult& result) override;

  const MessageInfo& info() const { return message_->message.info; }
  void set_macros();
  // Tells one thing after another until an answer is to be awaited.
  void tell();
  bool tell_rcpt();
  void begin_content();
  void tell_header(std::string_view content, bool whole);
  void tell_body();
  void read_body();
  void end(Judged::End how);

  ContentAccess& content_;
  std::string hostname_;
  Duration time_;
  std::shared_ptr<const UnjudgedMessage> message_;
  filtering::SessionFilter filter_;
  std::unique_ptr<Alarm> alarm_;
  Over over_;
  Part part_ = Part::connect;
  std::size_t recipient_ = 0;  // whose turn it is
  Judged judged_;
  std::vector<ipc::FilterJudgement> recipients_refused_;
  std::uint64_t told_ = 0;  // octets of the content
  std::string piece_;       // read from a file, and not all told
  bool reading_ = false;
  NewBodyWriter new_body_;
  std::shared_ptr<bool> lives_ = std::make_shared<bool>(true);  // for a read
};

}  // namespace postwain::qmgr
