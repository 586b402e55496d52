// What the qmgr tests share: a folder that goes away, and messages made quickly.
#pragma once

#include <cstdlib>
#include <string>

#include "qmgr/model/message.h"

namespace postwain::qmgr::test {

class TempFolder {
 public:
  TempFolder() {
    char name[] = "/tmp/pw-qmgr-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~TempFolder() { (void)!std::system(("rm -rf " + path_).c_str()); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string db() const { return path_ + "/queue.db"; }

 private:
  std::string path_;
};

constexpr std::int64_t kStart = 1'800'000'000'000;  // a moment in 2027

inline WallTime at(std::int64_t ms) {
  return from_unix_ms(kStart + ms);
}

// While it lives, messages are made to be stored as compact records, or not.
class AsCompact {
 public:
  explicit AsCompact(bool is_compact) { on_ = is_compact; }
  ~AsCompact() { on_ = false; }
  static bool on() { return on_; }

 private:
  static inline bool on_ = false;
};

inline NewMessage make_message(std::uint64_t id, std::vector<std::string> recipients,
                               std::string destination = "mx:example.org",
                               std::string sender = "sender@example.com") {
  NewMessage m;
  m.info.id = mail::QueueId{id};
  if (!sender.empty()) m.info.envelope.reverse_path = mail::Address::from_text(sender);
  m.info.arrival.protocol = "ESMTP";
  m.info.arrival.client_address = "192.0.2.7";
  m.info.arrival.client_name = "client.example";
  m.info.arrival.received_at = at(0);
  m.content = "Received: x\r\nSubject: test\r\n\r\nbody of " + std::to_string(id) + "\r\n";
  m.info.size = m.content.size();
  for (std::string& r : recipients)
    m.recipients.push_back({{mail::Address::from_text(r), {}, {}}, destination});
  m.is_compact = AsCompact::on();
  return m;
}

}  // namespace postwain::qmgr::test
