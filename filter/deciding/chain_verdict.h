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
  // Several reasons are put together. Nothing undoes it; a stronger verdict goes before it.
  void hold(const std::string& why);

  // No filter behind has to be asked any more.
  bool is_final() const { return verdict_ != ipc::FilterVerdict::keep_going; }
  ipc::FilterVerdict verdict() const { return verdict_; }
  const mail::Reply& reply() const { return reply_; }
  const std::string& filter() const { return filter_; }
  const std::optional<std::string>& held() const { return hold_; }

 private:
  ipc::FilterVerdict verdict_ = ipc::FilterVerdict::keep_going;
  mail::Reply reply_;
  std::string filter_;
  std::optional<std::string> hold_;
};

}  // namespace postwain::filter
