// Connections that cannot be taken because descriptors or memory have run out (net::Listener): says
// so in the log, with the limit, and that it is over; both at most once a minute, since it comes
// and goes with every connection that ends.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/base/time.h"

namespace postwain::daemon {

class AcceptTrouble {
 public:
  // For Listener::watch_trouble.
  void note(const Status& status);
  // In words for the operator; empty: there is none.
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  MonoTime next_line_{};
  bool logged_ = false;
};

}  // namespace postwain::daemon
