#include "smtpd/session/refusal_book.h"

#include <utility>

#include "smtpd/acceptance/client_address.h"

namespace postwain::smtpd {

namespace {

// Texts of clients, as they may be kept.
void make_harmless(ipc::Refusal& refusal) {
  for (std::string* text :
       {&refusal.client, &refusal.name, &refusal.listener, &refusal.sender, &refusal.recipient,
        &refusal.stage, &refusal.reply.text, &refusal.reason}) {
    if (text->size() > ipc::kRefusalTextMax) text->resize(ipc::kRefusalTextMax);
    for (char& c : *text)
      if (static_cast<unsigned char>(c) < 32 || c == 127) c = '?';
  }
}

constexpr Rate kHourly{kRefusalsPerHour, std::chrono::hours(1)};

std::string client_key_of(const ipc::Refusal& refusal) {
  std::string site = client_site(refusal.client);
  return site.empty() ? refusal.client : site;
}

std::string key_of(const ipc::Refusal& refusal) {
  std::string key = std::to_string(refusal.reply.code);
  for (const std::string* text :
       {&refusal.client, &refusal.name, &refusal.listener, &refusal.sender, &refusal.recipient,
        &refusal.stage, &refusal.reply.text, &refusal.reason}) {
    key += '\0';
    key += *text;
  }
  return key;
}

}  // namespace

bool RefusalBook::count_equal(const std::string& key, const ipc::Refusal& refusal) {
  auto found = by_key_.find(key);
  if (found == by_key_.end()) return false;
  ipc::Refusal& same = kept_[found->second];
  same.count += refusal.count;
  same.at = refusal.at;
  same.judgements = refusal.judgements;
  return true;
}

void RefusalBook::keep(std::string key, ipc::Refusal refusal) {
  by_key_.emplace(std::move(key), kept_.size());
  kept_.push_back(std::move(refusal));
}

void RefusalBook::add(ipc::Refusal refusal, MonoTime now) {
  make_harmless(refusal);
  std::string key = key_of(refusal);
  if (count_equal(key, refusal)) return;
  const std::string client = client_key_of(refusal);
  auto of_client = by_client_.find(client);
  bool few = of_client == by_client_.end() || of_client->second < kRefusalsPerClient;
  if (few && kept_.size() < ipc::kRefusalsInFrame / 2 && one_by_one_.has(client, 1, kHourly, now)) {
    one_by_one_.take(client, 1, kHourly, now);
    ++by_client_[client];
    return keep(std::move(key), std::move(refusal));
  }
  refusal.sender.clear();
  refusal.recipient.clear();
  refusal.name.clear();
  key = key_of(refusal);
  if (count_equal(key, refusal)) return;
  if (kept_.size() < ipc::kRefusalsInFrame && together_.has(client, 1, kHourly, now)) {
    together_.take(client, 1, kHourly, now);
    keep(std::move(key), std::move(refusal));
  } else {
    lost_ += refusal.count;
  }
}

std::vector<ipc::Refusal> RefusalBook::take() {
  by_key_.clear();
  by_client_.clear();
  return std::exchange(kept_, {});
}

}  // namespace postwain::smtpd
