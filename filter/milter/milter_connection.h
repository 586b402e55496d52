// A milter engine's connection to its filter: moves its octets and watches the time.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/base/clock.h"
#include "common/ipc/filter_messages.h"
#include "common/milter/milter_engine.h"
#include "common/net/stream.h"
#include "filter/dial.h"
#include "filter/filter_wait.h"
#include "filter/shared.h"

namespace postwain::filter {

class OutsideFilter;

class MilterConnection {
 public:
  // Connects at once. The owner is called later only; it may destroy the connection. may: what the
  // filter is granted.
  MilterConnection(Shared& shared, const OutsideFilter& filter, config::FilterRights may,
                   MemberOwner& owner);
  MilterConnection(const MilterConnection&) = delete;
  MilterConnection& operator=(const MilterConnection&) = delete;
  ~MilterConnection();

  // Events may be given to the engine; push() afterwards. What it makes of them leaves at the end
  // of the turn, together.
  bool ready() const { return failure_ == ipc::FilterFailure::none && engine_.agreement(); }
  milter::MilterEngine& engine() { return engine_; }
  void push() { push_anew(false); }
  // Octets that the filter has not taken yet.
  std::size_t backlog() const { return engine_.pending_octets() + stream_.pending(); }

  config::FilterRights may() const { return may_; }
  // Somebody else hears of it from now on, and nothing has been waited for yet.
  void attach(MemberOwner& owner);
  ipc::FilterFailure failure() const { return failure_; }
  // No message can be told of on it any more, and that is nobody's fault or is known.
  bool is_over() const { return failure_ != ipc::FilterFailure::none || engine_.is_spent(); }
  const std::string& why() const { return why_; }

  // The limit of a message begins.
  void begin_message() { wait_.begin_message(); }
  Duration waited() const { return wait_.waited(); }  // for the filter, since then

  // The session is over and another one may follow. False: the filter still owes an answer to this
  // one, or cannot be asked any more.
  bool end_session();
  // Says goodbye; the connection ends by itself.
  void quit();

 private:
  void connected(const Status& status);
  void received(std::string_view octets);
  void fail(ipc::FilterFailure failure, std::string why);
  void failed(ipc::FilterFailure failure, std::string why);
  void push_anew(bool anew);
  void write();
  void write_at_turn_end();
  void watch(bool anew);

  Shared& shared_;
  const config::Filter& settings_;
  MemberOwner* owner_;
  config::FilterRights may_;
  milter::MilterEngine engine_;
  net::Stream stream_;
  FilterWait wait_;
  Dial dial_;
  bool connected_ = false;
  ipc::FilterFailure failure_ = ipc::FilterFailure::none;
  std::string why_;
};

}  // namespace postwain::filter
