#include "qmgr/scheduling/working_set.h"

#include <algorithm>

#include "common/base/check.h"

namespace postwain::qmgr {

namespace {

auto position(std::vector<WorkingRecipient>& recipients, std::uint32_t index) {
  return std::lower_bound(
      recipients.begin(), recipients.end(), index,
      [](const WorkingRecipient& r, std::uint32_t wanted) { return r.index < wanted; });
}

}  // namespace

WorkingRecipient* WorkingMessage::find(std::uint32_t index) {
  auto at = position(recipients, index);
  return at != recipients.end() && at->index == index ? &*at : nullptr;
}

WorkingMessage* WorkingSet::find(mail::QueueId id) {
  auto found = messages_.find(id);
  return found == messages_.end() ? nullptr : found->second.get();
}

WorkingMessage& WorkingSet::get(const MessageInfo& info) {
  std::unique_ptr<WorkingMessage>& message = messages_[info.id];
  if (!message) {
    message = std::make_unique<WorkingMessage>();
    message->info = info;
  }
  return *message;
}

bool WorkingSet::keep_content(WorkingMessage& message, std::string content) {
  if (message.has_content || content_bytes_ + content.size() > kContentMax) return false;
  content_bytes_ += content.size();
  message.content = std::move(content);
  message.has_content = true;
  return true;
}

void WorkingSet::add(WorkingMessage& message, WorkingRecipient recipient) {
  auto& list = message.recipients;
  if (list.empty() || list.back().index < recipient.index) {
    list.push_back(std::move(recipient));
    return;
  }
  auto at = position(list, recipient.index);
  PW_CHECK(at->index != recipient.index);
  list.insert(at, std::move(recipient));
}

void WorkingSet::remove(WorkingMessage& message, const std::vector<std::uint32_t>& indices,
                        const std::function<void(WorkingRecipient&)>& gone) {
  auto leaves = [&](WorkingRecipient& r) {
    if (std::find(indices.begin(), indices.end(), r.index) == indices.end()) return false;
    gone(r);
    return true;
  };
  std::erase_if(message.recipients, leaves);
}

void WorkingSet::forget_if_empty(mail::QueueId id) {
  auto found = messages_.find(id);
  if (found == messages_.end() || !found->second->recipients.empty()) return;
  content_bytes_ -= found->second->content.size();
  messages_.erase(found);
}

std::vector<mail::QueueId> WorkingSet::ids() const {
  std::vector<mail::QueueId> ids;
  ids.reserve(messages_.size());
  for (const auto& [id, message] : messages_) ids.push_back(id);
  return ids;
}

}  // namespace postwain::qmgr
