// What several filters together say of one message: refuse before hang up before defer before
// discard before hold before accept. Of equals the first one's reply counts. What a filter says
// that is only watched never comes here. Pure.
#pragma once

#include <optional>
#include <string>

#include "common/ipc/filter_messages.h"
#include "common/mail/reply.h"

namespace postwain::filter {

class ChainVerdict {
 public:
  void add(const std::string& filter, ipc::FilterVerdict verdict, const mail::Reply& reply);
  // What depends on others: it counts when nobody refuses (settle()), or in the place of a refusal
  // that comes behind it.
  void defer_if_permitted(const std::string& filter, const mail::Reply& reply);
  void defer_if_refused(const std::string& filter, const mail::Reply& reply);
  // Nobody is asked any more.
  void settle();
  // Several reasons are put together. Nothing undoes it; a stronger verdict goes before it.
  void hold(const std::string& why);

  // No filter behind has to be asked any more.
  bool is_final() const { return verdict_ != ipc::FilterVerdict::keep_going; }
  ipc::FilterVerdict verdict() const { return verdict_; }
  const mail::Reply& reply() const { return reply_; }
  const std::string& filter() const { return filter_; }
  const std::optional<std::string>& held() const { return hold_; }

 private:
  struct Condition {
    std::string filter;
    mail::Reply reply;
  };

  ipc::FilterVerdict verdict_ = ipc::FilterVerdict::keep_going;
  mail::Reply reply_;
  std::string filter_;
  std::optional<std::string> hold_;
  std::optional<Condition> if_permitted_;
  std::optional<Condition> if_refused_;
};

}  // namespace postwain::filter
