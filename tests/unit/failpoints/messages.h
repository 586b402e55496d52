// The messages of the story, the same each time they are made.
#pragma once

#include <string>

#include "qmgr/model/changes.h"
#include "qmgr/model/message.h"

namespace postwain::failpoints {

constexpr std::uint64_t kFirst = 11, kSecond = 12, kLarge = 13, kLast = 14, kBounce = 20;

inline WallTime at(std::int64_t ms) {
  return from_unix_ms(1'800'000'000'000 + ms);
}

inline qmgr::NewMessage make(std::uint64_t id, std::size_t recipients) {
  qmgr::NewMessage m;
  m.info.id = mail::QueueId{id};
  m.info.envelope.reverse_path = mail::Address::from_text("sender@example.com");
  m.info.arrival.protocol = "ESMTP";
  m.info.arrival.received_at = at(0);
  m.content = "Subject: test\r\n\r\nbody of " + std::to_string(id) + "\r\n";
  m.info.size = m.content.size();
  for (std::size_t i = 0; i < recipients; ++i)
    m.recipients.push_back(
        {{mail::Address::from_text("r" + std::to_string(i) + "@example.org"), {}, {}},
         "mx:example.org"});
  return m;
}

inline qmgr::NewMessage first() {
  return make(kFirst, 2);
}
inline qmgr::NewMessage second() {
  return make(kSecond, 1);
}
inline qmgr::NewMessage last() {
  return make(kLast, 1);
}

inline std::string header_of_large() {
  return "Subject: large\r\n\r\n";
}

// What its file holds.
inline std::string body_of_large() {
  std::string line(78, 'x');
  std::string out;
  while (out.size() < 100000) out += line + "\r\n";
  return out;
}

inline qmgr::NewMessage large() {
  qmgr::NewMessage m = make(kLarge, 2);
  m.content = header_of_large();
  m.info.in_file = true;
  m.info.header_size = static_cast<std::uint32_t>(m.content.size());
  m.info.size = m.content.size() + body_of_large().size();
  return m;
}

inline qmgr::RecipientChange removal(std::uint32_t index) {
  qmgr::RecipientChange change;
  change.index = index;
  change.kind = qmgr::ChangeKind::remove;
  return change;
}

inline qmgr::Settlement settlement_of_first() {
  qmgr::Settlement s;
  s.id = mail::QueueId{kFirst};
  s.changes.push_back(removal(0));
  qmgr::RecipientChange later;
  later.index = 1;
  later.kind = qmgr::ChangeKind::defer;
  later.destination = "mx:example.org";
  later.attempts = 1;
  later.next_attempt_at = at(60000);
  s.changes.push_back(std::move(later));
  return s;
}

inline qmgr::Settlement settlement_of_second() {
  qmgr::Settlement s;
  s.id = mail::QueueId{kSecond};
  s.changes.push_back(removal(0));
  qmgr::NoticeOrder order;
  order.request.id = mail::QueueId{kBounce};
  order.request.to = mail::Address::from_text("sender@example.com");
  order.request.hostname = "mx.test";
  order.request.now = at(1);
  order.request.original_id = s.id;
  order.request.original_size = 40;
  qmgr::DsnRecipient failed;
  failed.recipient.address = mail::Address::from_text("r0@example.org");
  failed.reply = {550, {5, 1, 1}, "no such user"};
  order.request.recipients.push_back(std::move(failed));
  order.indices.push_back(0);
  order.recipients.push_back({{order.request.to, {}, {}}, "mx:example.com"});
  s.notices.push_back(std::move(order));
  return s;
}

inline qmgr::Settlement settlement_of_large(std::uint32_t index) {
  qmgr::Settlement s;
  s.id = mail::QueueId{kLarge};
  s.changes.push_back(removal(index));
  return s;
}

}  // namespace postwain::failpoints
